// `uaoe serve`: one LUN in the foreground.
//
// Two threads: the main one has the io_context (signals, NBD listening, files); the shard's drives
// the target, from the first broadcast on. They talk by posting to each other.
#include "tools/commands.hpp"
#include "tools/json_text.hpp"
#include "tools/output.hpp"
#include "tools/serve_reporter.hpp"
#include "tools/session.hpp"
#include "tools/target_wait.hpp"
#include "tools/text.hpp"
#include "tools/trial_read.hpp"

#include "blockdev/nbd_server.hpp"
#include "initiator/linux/clock.hpp"

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
#include <fmt/format.h>
#include <future>
#include <thread>
#include <unistd.h>

namespace uaoe::tools {

using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

constexpr std::chrono::milliseconds finish_grace = 5s; // for requests under way at the end
constexpr std::chrono::milliseconds output_retry_time = 100ms;

// Lines of the shard that the main thread has not printed yet. More are counted and thrown away.
constexpr unsigned lines_waiting_max = 64;

// Beside the file it will replace. Nobody else's, and not one that a killed server left.
std::string temporary_name(const std::string& path) {
    return fmt::format("{}.{}-{:x}.new", path, getpid(),
                       std::chrono::steady_clock::now().time_since_epoch().count());
}

class Serve {
  public:
    Serve(const ServeOptions& options, Session session)
        : options_(options), session_(std::move(session)), signals_(context_, SIGINT, SIGTERM),
          statistics_signal_(context_, SIGUSR1), output_retry_(context_),
          reporter_(options.address, options.fail_after, session_.interfaces,
                    [this](const std::string& line) { report_from_shard(line); }) {}
    ~Serve() { join(); }
    Serve(const Serve&) = delete;
    Serve& operator=(const Serve&) = delete;

    CommandResult run();

  private:
    using Prepared = std::expected<initiator::Device*, Error>; // nullptr: interrupted

    // On the shard's thread.
    void run_shard();
    Prepared prepare();
    Prepared attach(const initiator::TargetStatus& target);
    [[nodiscard]] ShowStatus show_status(initiator::Device& device);
    void report_from_shard(const std::string& line);

    // On the main thread.
    void await_signal();
    void await_statistics_signal();
    void handle_prepared(Prepared prepared);
    std::expected<void, Error> listen(initiator::Device& device);
    void print_uri();
    void begin_end();
    void handle_end(const std::string& statistics);
    void write_statistics(const std::string& json);
    void fail(Error error);
    void join();

    // On a thread of its own, because it waits: serving goes on meanwhile, and signals are heard.
    void finish();

    const ServeOptions& options_;
    Session session_;
    asio::io_context context_;
    asio::signal_set signals_;
    asio::signal_set statistics_signal_;
    asio::steady_timer output_retry_;
    std::atomic<unsigned> lines_waiting_count_ = 0;
    std::atomic<unsigned> lines_dropped_count_ = 0;
    ServeReporter reporter_;
    std::thread shard_thread_;
    std::thread finish_thread_;
    std::atomic<bool> interrupted_ = false;
    bool ending_ = false;
    initiator::Device* device_ = nullptr;
    std::string uri_;
    std::unique_ptr<blockdev::NbdServer> server_;
    CommandResult result_ = ExitCode::done;
};

CommandResult Serve::run() {
    await_signal();
    await_statistics_signal();
    shard_thread_ = std::thread([this] { run_shard(); });
    context_.run();
    join();
    return result_;
}

void Serve::join() {
    if (finish_thread_.joinable()) {
        finish_thread_.join();
    }
    if (shard_thread_.joinable()) {
        session_.shard->stop();
        shard_thread_.join();
    }
}

void Serve::run_shard() {
    Prepared prepared = prepare();
    const bool serves = prepared && *prepared != nullptr;
    asio::post(context_, [this, prepared = std::move(prepared)]() mutable {
        handle_prepared(std::move(prepared));
    });
    if (serves) {
        session_.shard->run();
    }
}

Serve::Prepared Serve::prepare() {
    const auto found = wait_for_target(session_, options_.address, WaitGoal::ready, options_.wait,
                                       true, [this] { return interrupted_.load(); });
    if (!found) {
        return std::unexpected(found.error());
    }
    return *found ? attach(**found) : Prepared(nullptr);
}

Serve::Prepared Serve::attach(const initiator::TargetStatus& target) {
    if (auto conflict = conflict_error(target, session_.interfaces)) {
        return std::unexpected(std::move(*conflict));
    }
    const auto device = session_.shard->attach(
        options_.address, {.fail_after = options_.fail_after, .read_only = options_.read_only});
    if (!device) {
        const bool small_mtu = device.error() == initiator::AttachError::unusable_mtu;
        return std::unexpected(
            Error{.what = "cannot open " + proto::to_string(options_.address),
                  .why = small_mtu ? "no path carries a whole sector" : "it has just gone",
                  .what_to_do = small_mtu ? "raise the MTU of the interface and of the network"
                                          : "try again"});
    }
    const auto read = trial_read(*session_.shard, **device, options_.wait,
                                 [this] { return interrupted_.load(); });
    if (!read) {
        return std::unexpected(read.error());
    }
    if (!*read) {
        return nullptr;
    }
    session_.shard->set_event_handler(
        [this](const initiator::Event& event) { reporter_.handle(session_.shard->now(), event); });
    session_.shard->set_error_handler([this](const Error& error) {
        report_from_shard("uaoe: " + error.line() + "; it is tried again every second");
    });
    return *device;
}

ShowStatus Serve::show_status(initiator::Device& device) {
    initiator::Engine& engine = session_.shard->engine();
    return {.device = engine.device_status(session_.shard->index_of(device)),
            .target = *engine.target(options_.address),
            .counters = engine.counters(),
            .front_end = "nbd-socket",
            .device_name = uri_};
}

// The shard never writes: a terminal that is stopped would stop its I/O.
void Serve::report_from_shard(const std::string& line) {
    if (lines_waiting_count_.fetch_add(1) >= lines_waiting_max) {
        --lines_waiting_count_;
        ++lines_dropped_count_;
        return;
    }
    asio::post(context_, [this, line] {
        --lines_waiting_count_;
        if (const unsigned dropped = lines_dropped_count_.exchange(0); dropped > 0) {
            report(fmt::format("{}: {} more changes were not shown",
                               proto::to_string(options_.address), dropped));
        }
        report(line);
    });
}

void Serve::await_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int /*signal*/) {
        if (error) {
            return;
        }
        if (interrupted_.exchange(true)) {
            report("ended at once; requests that were under way are lost");
            _exit(static_cast<int>(ExitCode::failed)); // the socket's file is gone already
        }
        await_signal();
        if (server_) {
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
        if (!server_ || ending_) {
            return;
        }
        // Collected on the shard, written here: no file is touched on the shard's thread.
        session_.shard->post([this, device = device_] {
            asio::post(context_, [this, status = show_status(*device)] {
                write_statistics(show_json(status, session_.interfaces));
            });
        });
    });
}

void Serve::handle_prepared(Prepared prepared) {
    if (!prepared) {
        fail(prepared.error());
        return;
    }
    device_ = *prepared;
    if (device_ == nullptr) {
        context_.stop();
        return;
    }
    if (auto listening = listen(*device_); !listening) {
        result_ = std::unexpected(listening.error());
        begin_end();
        return;
    }
    if (interrupted_) {
        begin_end();
    }
}

std::expected<void, Error> Serve::listen(initiator::Device& device) {
    auto server = blockdev::NbdServer::listen(context_, *session_.shard,
                                              blockdev::NbdExport(device), options_.nbd_socket);
    if (!server) {
        return std::unexpected(server.error());
    }
    server_ = std::move(*server);
    uri_ = server_->uri();
    print_uri();
    return {};
}

// Clients may connect already; signals are heard while standard output is stopped.
void Serve::print_uri() {
    if (ending_) {
        return;
    }
    if (!output_is_ready()) {
        output_retry_.expires_after(output_retry_time);
        output_retry_.async_wait([this](const boost::system::error_code&) { print_uri(); });
        return;
    }
    if (auto written = write_output(uri_ + "\n"); !written) {
        result_ = std::unexpected(written.error());
        begin_end();
    }
}

void Serve::fail(Error error) {
    result_ = std::unexpected(std::move(error));
    context_.stop();
}

// Stops listening; the rest goes on in finish() until the requests under way are done.
void Serve::begin_end() {
    if (std::exchange(ending_, true)) {
        return;
    }
    if (server_) {
        server_->close();
    }
    finish_thread_ = std::thread([this] { finish(); });
}

void Serve::finish() {
    const bool done = !server_ || server_->wait_closed(finish_grace);
    if (!done) {
        report(proto::to_string(options_.address) +
               ": requests are still under way; they are cancelled");
    }
    std::promise<std::string> statistics;
    session_.shard->post([&] {
        statistics.set_value(show_json(show_status(*device_), session_.interfaces));
        session_.shard->detach(*device_);
    });
    std::string json = statistics.get_future().get();
    if (!done && !server_->wait_closed(1s)) {
        report(proto::to_string(options_.address) + ": a client did not let go of its connection");
    }
    asio::post(context_, [this, json = std::move(json)] { handle_end(json); });
}

void Serve::handle_end(const std::string& statistics) {
    if (!options_.statistics_file.empty()) {
        write_statistics(statistics);
    }
    server_.reset();
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
        report(fmt::format("uaoe: cannot write statistics to {}: {}; serving is not affected",
                           options_.statistics_file, std::strerror(error)));
    }
}

// Better now than at the end of a run.
std::expected<void, Error> check_statistics_file(const std::string& path) {
    if (path.empty()) {
        return {};
    }
    const std::string temporary = temporary_name(path);
    std::FILE* file = std::fopen(temporary.c_str(), "wxe");
    if (file == nullptr) {
        const bool forbidden = errno == EACCES || errno == EPERM || errno == EROFS;
        return std::unexpected(
            Error{.what = "cannot write statistics to " + path,
                  .why = std::strerror(errno),
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
    auto session = open_session(
        options.interfaces, {},
        {.ring_slots_count = serve_slots_count, .interfaces_up = initiator::InterfacesUp::one});
    if (!session) {
        return std::unexpected(session.error());
    }
    for (const Error& down : session->shard->interfaces_down()) {
        report("uaoe: " + down.line() + "; serving goes on without it until then");
    }
    return Serve(options, std::move(*session)).run();
}

} // namespace uaoe::tools
