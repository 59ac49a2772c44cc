// `uaoe serve`: one LUN in the foreground, without uaoed.
//
// Three threads: the main one has the io_context (signals, NBD listening, files); the shard's
// drives the target, from the first broadcast on; and steps that wait (opening, ending) have one of
// their own, because serving goes on meanwhile and signals are heard.
#include "tools/commands.hpp"
#include "tools/json_text.hpp"
#include "tools/leftovers.hpp"
#include "tools/log.hpp"
#include "tools/log_timer.hpp"
#include "tools/lun.hpp"
#include "tools/output.hpp"
#include "tools/process_setup.hpp"
#include "tools/session.hpp"
#include "tools/target_wait.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <thread>
#include <unistd.h>

namespace uaoe::tools {

using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

constexpr std::chrono::milliseconds output_retry_time = 100ms;
// A device that is used at the end is looked at again then.
constexpr std::chrono::milliseconds busy_retry_time = 500ms;
constexpr std::size_t buffer_bytes = std::size_t{96} << 20U;

// Beside the file it will replace. Nobody else's, and not one that a killed server left.
std::string temporary_name(const std::string& path) {
    return fmt::format("{}.{}-{:x}.new", path, getpid(),
                       std::chrono::steady_clock::now().time_since_epoch().count());
}

class Serve {
  public:
    explicit Serve(const ServeOptions& options)
        : options_(options), signals_(context_, SIGINT, SIGTERM),
          statistics_signal_(context_, SIGUSR1), output_retry_(context_) {}
    ~Serve() { join(); }
    Serve(const Serve&) = delete;
    Serve& operator=(const Serve&) = delete;

    CommandResult run(Session session);

  private:
    using Found = std::expected<std::optional<initiator::TargetStatus>, Error>;
    using Opened = std::expected<std::unique_ptr<Lun>, Error>; // nullptr: interrupted

    void await_signal();
    void await_statistics_signal();
    void handle_found(const Found& found);
    void handle_opened(Opened opened);
    void handle_event(const initiator::Event& event);
    void follow_growth();
    void print_name();
    void begin_end();
    void handle_end(const std::expected<void, Error>& closed, const std::string& statistics);
    void write_statistics(const std::string& json);
    void fail(Error error);
    void join();

    // On the thread of steps that wait.
    Opened open();
    void close();

    const ServeOptions& options_;
    asio::io_context context_;
    asio::signal_set signals_;
    asio::signal_set statistics_signal_;
    asio::steady_timer output_retry_;
    UblkAccess ublk_;
    std::unique_ptr<ShardHost> host_;
    LogTimer log_timer_{context_};
    std::thread step_thread_;
    std::thread growth_thread_;
    std::atomic<bool> is_growing_ = false;
    std::atomic<unsigned> signals_count_ = 0;
    bool ending_ = false;
    std::shared_ptr<Lun> lun_;
    CommandResult result_ = ExitCode::done;
};

CommandResult Serve::run(Session session) {
    auto host =
        ShardHost::make(context_, std::move(session), buffer_bytes,
                        {.report = write_log,
                         .event = [this](const initiator::Event& event) { handle_event(event); }});
    if (!host) {
        return std::unexpected(std::move(host.error()));
    }
    host_ = std::move(*host);
    await_signal();
    await_statistics_signal();
    host_->start([this](Session& started) {
        auto found = wait_for_target(started, options_.address, WaitGoal::ready, options_.wait,
                                     wait_patience, [this] { return signals_count_ > 0; });
        asio::post(context_, [this, found = std::move(found)] { handle_found(found); });
    });
    context_.run();
    join();
    return result_;
}

void Serve::join() {
    for (std::thread* const thread : {&step_thread_, &growth_thread_}) {
        if (thread->joinable()) {
            thread->join();
        }
    }
    if (host_) {
        host_->stop();
    }
}

void Serve::handle_found(const Found& found) {
    if (!found) {
        fail(found.error());
    } else if (!*found) {
        context_.stop(); // interrupted
    } else {
        step_thread_ = std::thread([this] {
            asio::post(context_, [this, opened = std::make_shared<Opened>(open())] {
                handle_opened(std::move(*opened));
            });
        });
    }
}

Serve::Opened Serve::open() {
    if (options_.lun.front_end != FrontEndKind::socket) {
        clean_leftovers(ublk_, write_log);
    }
    auto lock = LunLock::take(options_.address);
    if (!lock) {
        return std::unexpected(std::move(lock.error()));
    }
    return Lun::open({.context = context_,
                      .ublk = ublk_,
                      .store = nullptr,
                      .report = write_log,
                      .interrupted = [this] { return signals_count_ > 0; }},
                     *host_, std::move(*lock),
                     {.address = options_.address,
                      .options = options_.lun,
                      .nbd_index = options_.nbd_index,
                      .socket_path = options_.nbd_socket,
                      .wait = options_.wait});
}

void Serve::handle_opened(Opened opened) {
    step_thread_.join();
    if (!opened) {
        fail(std::move(opened.error()));
        return;
    }
    lun_ = std::move(*opened);
    if (!lun_) {
        context_.stop(); // interrupted
        return;
    }
    print_name();
    follow_growth(); // of which the news came while it was opened
    if (signals_count_ > 0) {
        begin_end();
    }
}

void Serve::handle_event(const initiator::Event& event) {
    if (event.kind == initiator::EventKind::capacity_changed) {
        follow_growth();
    }
}

void Serve::follow_growth() {
    if (!lun_ || ending_ || is_growing_.exchange(true)) {
        return;
    }
    if (growth_thread_.joinable()) {
        growth_thread_.join(); // it has ended
    }
    growth_thread_ = std::thread([this] {
        lun_->update_target();
        is_growing_ = false;
    });
}

// It can be used already; signals are heard while standard output is stopped.
void Serve::print_name() {
    if (ending_) {
        return;
    }
    if (!output_is_ready()) {
        output_retry_.expires_after(output_retry_time);
        output_retry_.async_wait([this](const boost::system::error_code&) { print_name(); });
        return;
    }
    if (auto written = write_output(lun_->name() + "\n"); !written) {
        result_ = std::unexpected(written.error());
        begin_end();
    }
}

// The first ends it once nobody uses it, the second although somebody does, the next at once. A
// socket's clients see the end of their connection, so there the first counts for two.
void Serve::await_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int /*signal*/) {
        if (error) {
            return;
        }
        const unsigned at_once = options_.lun.front_end == FrontEndKind::socket ? 2 : 3;
        if (++signals_count_ >= at_once) {
            write_log({.level = LogLevel::warning,
                       .text = "ended at once; requests that were under way are lost",
                       .address = options_.address});
            _exit(static_cast<int>(ExitCode::failed)); // the socket's file is gone already
        }
        await_signal();
        if (lun_) {
            begin_end();
        }
    });
}

void Serve::await_statistics_signal() {
    statistics_signal_.async_wait([this](const boost::system::error_code& error, int /*signal*/) {
        if (error) {
            return;
        }
        await_statistics_signal();
        if (!lun_ || ending_) {
            return;
        }
        // Collected on the shard, written here: no file is touched on the shard's thread.
        host_->shard().post([this, lun = lun_] {
            asio::post(context_, [this, status = lun->show_everything()] {
                if (status) {
                    write_statistics(show_json(*status, host_->interfaces()));
                }
            });
        });
    });
}

void Serve::fail(Error error) {
    result_ = std::unexpected(std::move(error));
    context_.stop();
}

void Serve::begin_end() {
    if (!std::exchange(ending_, true)) {
        step_thread_ = std::thread([this] { close(); });
    }
}

void Serve::close() {
    std::string statistics;
    std::expected<void, Error> closed;
    bool told = false;
    while (true) {
        if (const auto status = host_->call([this] { return lun_->show_everything(); })) {
            statistics = show_json(*status, host_->interfaces());
        }
        const bool force = options_.lun.front_end == FrontEndKind::socket || signals_count_ > 1;
        closed = lun_->close(force);
        if (closed || force || !lun_->is_usable()) {
            break;
        }
        if (!std::exchange(told, true)) {
            write_log({.level = LogLevel::notice,
                       .text = closed.error().what + ": " + closed.error().why +
                               "; serving ends once it is free; a second signal ends it now",
                       .address = options_.address,
                       .names_lun = true,
                       .device = lun_->name()});
        }
        std::this_thread::sleep_for(busy_retry_time);
    }
    asio::post(context_, [this, closed, statistics] { handle_end(closed, statistics); });
}

void Serve::handle_end(const std::expected<void, Error>& closed, const std::string& statistics) {
    if (!closed && result_) {
        result_ = std::unexpected(closed.error());
    }
    if (!options_.statistics_file.empty()) {
        write_statistics(statistics);
    }
    context_.stop();
}

// By a rename, so that a reader never sees half of it.
void Serve::write_statistics(const std::string& json) {
    if (options_.statistics_file.empty()) {
        report(json.substr(0, json.size() - 1));
        return;
    }
    const std::string temporary = temporary_name(options_.statistics_file);
    std::FILE* file = std::fopen(temporary.c_str(), "wxe");
    bool written = file != nullptr && std::fputs(json.c_str(), file) >= 0;
    if (file != nullptr) {
        written = std::fclose(file) == 0 && written;
    }
    if (!written || std::rename(temporary.c_str(), options_.statistics_file.c_str()) != 0) {
        const int error = errno;
        if (file != nullptr) {
            unlink(temporary.c_str());
        }
        write_log({.level = LogLevel::warning,
                   .text = fmt::format("cannot write statistics to {}: {}; serving is not affected",
                                       options_.statistics_file, std::strerror(error)),
                   .address = options_.address});
    }
}

// Better now than at the end of a run.
std::expected<void, Error> check_statistics_file(const std::string& path) {
    if (path.empty()) {
        return {};
    }
    const std::string temporary = temporary_name(path);
    std::error_code ignored;
    const bool is_folder = std::filesystem::is_directory(path, ignored); // no rename replaces it
    std::FILE* file = is_folder ? nullptr : std::fopen(temporary.c_str(), "wxe");
    if (file == nullptr) {
        const int error = is_folder ? EISDIR : errno;
        const bool forbidden = error == EACCES || error == EPERM || error == EROFS;
        return std::unexpected(
            Error{.what = "cannot write statistics to " + path,
                  .why = std::strerror(error),
                  .what_to_do = "name a file that can be written with --stats",
                  .exit_code = forbidden ? ExitCode::no_permission : ExitCode::failed});
    }
    std::fclose(file);
    unlink(temporary.c_str());
    return {};
}

} // namespace

CommandResult run_serve(const ServeOptions& options) {
    if (auto writable = check_statistics_file(options.statistics_file); !writable) {
        return std::unexpected(writable.error());
    }
    open_log("uaoe");
    auto session = open_session(options.interfaces, {},
                                {.ring_slots_count = serve_slots_count,
                                 .interfaces_up = initiator::InterfacesUp::one,
                                 .link = options.link,
                                 .busy_poll = options.busy_poll});
    if (!session) {
        return std::unexpected(session.error());
    }
    if (options.lun.front_end != FrontEndKind::socket) {
        std::error_code ignored;
        set_up_process({std::filesystem::current_path(ignored).string(),
                        std::filesystem::absolute(options.statistics_file + ".", ignored)
                            .parent_path()
                            .string()});
    }
    for (const Error& down : session->shard->interfaces_down()) {
        write_log(failure_line(down, LogKind::process, "serving goes on without it until then"));
    }
    for (const Error& replaced : session->shard->links_replaced()) {
        write_log(failure_line(replaced, LogKind::process, {}));
    }
    return Serve(options).run(std::move(*session));
}

} // namespace uaoe::tools
