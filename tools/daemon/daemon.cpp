// uaoed, wired together.
#include "tools/daemon/daemon.hpp"

#include "tools/daemon/chosen_interfaces.hpp"
#include "tools/daemon/control_server.hpp"
#include "tools/daemon/interface_watch.hpp"
#include "tools/daemon/lun_table.hpp"
#include "tools/daemon/metrics_server.hpp"
#include "tools/daemon/service_notice.hpp"
#include "tools/daemon/watchdog.hpp"
#include "tools/leftovers.hpp"
#include "tools/log.hpp"
#include "tools/log_timer.hpp"
#include "tools/metrics_text.hpp"
#include "tools/process_setup.hpp"
#include "tools/text.hpp"
#include "tools/whole_file.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fmt/format.h>
#include <grp.h>
#include <optional>
#include <thread>
#include <unistd.h>
#include <utility>

namespace uaoe::tools {

using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

void say(LogLevel level, std::string text) {
    write_log({.level = level, .text = std::move(text)});
}

} // namespace

class Daemon::State {
  public:
    State(DaemonOptions daemon_options, DaemonConfig daemon_config, StateStore store)
        : options_(std::move(daemon_options)), config_(std::move(daemon_config)),
          started_with_(config_), store_(std::move(store)), signals_(context_, SIGINT, SIGTERM),
          reload_signal_(context_, SIGHUP),
          table_({.context = context_,
                  .ublk = ublk_,
                  .store = &store_,
                  .report = write_log,
                  .interrupted = [this] { return ending_.load(); }},
                 hosts_, control_folder()) {
        table_.on_detached = [this](proto::Address address, bool persistent) {
            return handle_detached(address, persistent);
        };
        table_.on_event = [this](proto::Address address, const LunTable::MakeLine& make_line) {
            server_->publish(address, make_line);
        };
    }

    std::expected<void, Error> open_shards();
    void listen(blockdev::UnixListener listener, const ControlServer::Access& access);
    void serve_metrics(MetricsListener listener);
    void set_metrics_group(std::optional<gid_t> group) { metrics_group_ = group; }
    void run();

  private:
    // None: all that are up, now and later.
    [[nodiscard]] const std::vector<std::string>& interfaces_wanted() const {
        return options_.interfaces.empty() ? started_with_.interfaces : options_.interfaces;
    }
    [[nodiscard]] std::string control_folder() const {
        return std::filesystem::path(options_.control_path).parent_path().string();
    }
    void handle(const ControlRequest& request, ControlServer::Reply reply,
                ControlServer::IsGone is_gone);
    void handle_attach(const AttachRequest& request, ControlServer::Reply reply,
                       ControlServer::IsGone is_gone);
    void handle_attach_all(const ControlServer::Reply& reply);
    void handle_interfaces(const InterfacesRequest& request, const ControlServer::Reply& reply);
    [[nodiscard]] std::expected<void, Error> handle_detached(proto::Address address,
                                                             bool persistent) const;
    void collect_metrics(std::function<void(std::string)> done);
    void move_metrics(DaemonConfig& wanted);
    void recover();
    void start_watchdog();
    void watch_interfaces();
    void update_interfaces(const std::vector<Interface>& settled);
    void await_signal();
    void await_reload();
    void reload();
    void end();

    DaemonOptions options_;
    DaemonConfig config_;
    const DaemonConfig started_with_;
    std::optional<gid_t> metrics_group_;
    StateStore store_;
    asio::io_context context_;
    asio::signal_set signals_;
    asio::signal_set reload_signal_;
    UblkAccess ublk_;
    LunTable::Hosts hosts_;
    std::optional<ControlServer> server_;
    std::optional<MetricsServer> metrics_server_;
    std::chrono::system_clock::time_point started_at_ = std::chrono::system_clock::now();
    std::chrono::steady_clock::time_point up_since_ = std::chrono::steady_clock::now();
    std::atomic<bool> ending_ = false;
    LogTimer log_timer_{context_};
    LunTable table_;
    std::optional<Watchdog> watchdog_;
    std::unique_ptr<InterfaceWatch> interface_watch_;
    bool too_many_interfaces_told_ = false;
};

std::expected<void, Error> Daemon::State::open_shards() {
    const std::vector<Interface> interfaces = find_interfaces(interfaces_wanted());
    if (interfaces.empty()) {
        say(LogLevel::warning, "no Ethernet interface is up; each is used once it is");
    }
    for (std::uint32_t i = 0; i < config_.shards_count; ++i) {
        auto session = open_session(interfaces, {},
                                    {.ring_slots_count = serve_slots_count,
                                     .interfaces_up = initiator::InterfacesUp::later,
                                     .link = config_.link,
                                     .busy_poll = config_.busy_poll});
        if (!session) {
            return std::unexpected(std::move(session.error()));
        }
        if (i == 0) {
            for (const Error& down : session->shard->interfaces_down()) {
                write_log(failure_line(down, LogKind::process, "it is used once it is up"));
            }
        }
        for (const Error& replaced : session->shard->links_replaced()) {
            write_log(failure_line(replaced, LogKind::process, {}));
        }
        auto host =
            ShardHost::make(context_, std::move(*session), config_.buffer_mib << 20U,
                            {.report = write_log, .event = [this](const initiator::Event& event) {
                                 table_.handle_event(event);
                             }});
        if (!host) {
            return std::unexpected(std::move(host.error()));
        }
        hosts_.push_back(std::move(*host));
    }
    return {};
}

namespace {

constexpr const char* control_group_default = "uaoe";

// The name is in the configuration, or is one that packages make and other installations need not.
std::expected<ControlServer::Access, Error> control_access(const DaemonConfig& config) {
    ControlServer::Access access{.group = std::nullopt,
                                 .group_may_change = config.control_group_changes};
    const std::string name = config.control_group.value_or(control_group_default);
    if (const group* const found = name.empty() ? nullptr : getgrnam(name.c_str())) {
        access.group = found->gr_gid;
    } else if (config.control_group && !name.empty()) {
        return std::unexpected(Error{.what = "cannot open the control socket to " + name,
                                     .why = "there is no such group",
                                     .what_to_do = "`groupadd --system " + name +
                                                   "` makes it; mend control_group otherwise"});
    }
    return access;
}

} // namespace

void Daemon::State::listen(blockdev::UnixListener listener, const ControlServer::Access& access) {
    server_.emplace(context_, std::move(listener), access,
                    [this](const ControlRequest& request, ControlServer::Reply reply,
                           ControlServer::IsGone is_gone) {
                        handle(request, std::move(reply), std::move(is_gone));
                    });
}

void Daemon::State::serve_metrics(MetricsListener listener) {
    metrics_server_.emplace(context_, std::move(listener),
                            [this](MetricsServer::Done done) { collect_metrics(std::move(done)); });
}

void Daemon::State::collect_metrics(std::function<void(std::string)> done) {
    table_.gather([this, done = std::move(done)](const DaemonStatus& status) {
        done(metrics_text(status, process_status(started_at_)));
    });
}

void Daemon::State::run() {
    await_signal();
    await_reload();
    for (const auto& host : hosts_) {
        host->start();
    }
    recover();
    table_.set_configured(config_.luns);
    std::thread cleaner([this] { clean_leftovers(ublk_, write_log); });
    notify_service_manager("READY=1\nSTATUS=Serving");
    start_watchdog();
    watch_interfaces();
    context_.run();
    cleaner.join();
    for (const auto& host : hosts_) {
        host->stop();
    }
}

void Daemon::State::start_watchdog() {
    const auto patience = watchdog_patience();
    if (!patience) {
        return;
    }
    std::vector<Watchdog::Post> shards;
    for (const auto& host : hosts_) {
        shards.emplace_back(
            [&shard = host->shard()](std::function<void()> task) { shard.post(std::move(task)); });
    }
    constexpr int feeds_in_patience = 4;
    watchdog_.emplace(context_, *patience / feeds_in_patience, std::move(shards),
                      [] { notify_service_manager("WATCHDOG=1"); });
}

// Interfaces that were named are followed by the shards themselves.
void Daemon::State::watch_interfaces() {
    auto watch = InterfaceWatch::start(
        context_, [this](const std::vector<Interface>& settled) { update_interfaces(settled); });
    if (watch) {
        interface_watch_ = std::move(*watch);
    } else {
        write_log(failure_line(watch.error(), LogKind::process,
                               "those that are up now are used, and those that are named"));
    }
}

void Daemon::State::update_interfaces(const std::vector<Interface>& settled) {
    const std::vector<Interface> before = hosts_.front()->interfaces();
    std::vector<Interface> interfaces; // without names those that are up would be found
    if (!before.empty()) {
        interfaces = find_interfaces(names_of(before));
    }
    for (std::size_t i = 0; i < before.size(); ++i) {
        if (interfaces[i].mac == proto::MacAddress{}) { // it is gone, for now at least
            interfaces[i].mac = before[i].mac;
        }
    }
    if (interfaces_wanted().empty()) {
        for (const Interface& found : settled) {
            if (std::ranges::find(interfaces, found.name, &Interface::name) != interfaces.end()) {
                continue;
            }
            if (interfaces.size() == hosts_.front()->shard().interfaces_count_max()) {
                if (!std::exchange(too_many_interfaces_told_, true)) {
                    say(LogLevel::warning,
                        fmt::format("{} is not used: {} interfaces are; name those of the SAN in "
                                    "the configuration",
                                    found.name, interfaces.size()));
                }
                break;
            }
            interfaces.push_back(found);
            write_log({.level = LogLevel::notice,
                       .text = "interface " + found.name + " has come up; it is used, too",
                       .interface = found.name});
        }
    }
    for (const auto& host : hosts_) {
        host->set_interfaces(interfaces);
    }
}

// What a predecessor had attached, before anything else may want the same LUN.
void Daemon::State::recover() {
    std::vector<Error> problems;
    const std::vector<LunState> states = store_.read_all(problems);
    for (const Error& problem : problems) {
        write_log(failure_line(problem, LogKind::process, "that LUN is not taken over"));
    }
    for (const LunState& state : states) {
        write_log({.level = LogLevel::notice,
                   .text = "an earlier uaoed left it; it is taken over, with what waits for it",
                   .address = state.address});
        table_.recover(state);
    }
}

void Daemon::State::handle(const ControlRequest& request, ControlServer::Reply reply,
                           ControlServer::IsGone is_gone) {
    if (ending_) {
        reply(std::unexpected(Error{.what = "uaoed is ending",
                                    .why = {},
                                    .what_to_do = "try again when it runs",
                                    .exit_code = ExitCode::daemon_unreachable}));
    } else if (const auto* const attach = std::get_if<AttachRequest>(&request)) {
        handle_attach(*attach, std::move(reply), std::move(is_gone));
    } else if (const auto* const detach = std::get_if<DetachRequest>(&request)) {
        table_.detach(*detach, std::move(reply));
    } else if (const auto* const show = std::get_if<ShowRequest>(&request)) {
        table_.show(show->target, std::move(reply));
    } else if (std::holds_alternative<AttachAllRequest>(request)) {
        handle_attach_all(reply);
    } else if (const auto* const revalidate = std::get_if<RevalidateRequest>(&request)) {
        table_.revalidate(revalidate->target, reply);
    } else if (const auto* const interfaces = std::get_if<InterfacesRequest>(&request)) {
        handle_interfaces(*interfaces, reply);
    } else if (std::holds_alternative<MetricsRequest>(request)) {
        collect_metrics([reply](const std::string& text) { reply(json_string(text)); });
    } else if (std::holds_alternative<StatusRequest>(request)) {
        table_.gather([this, reply](DaemonStatus status) {
            status.uptime = std::chrono::steady_clock::now() - up_since_;
            reply(status_json(status));
        });
    } else {
        table_.list(std::move(reply));
    }
}

void Daemon::State::handle_attach(const AttachRequest& request, ControlServer::Reply reply,
                                  ControlServer::IsGone is_gone) {
    const auto configured = config_.luns.find(request.address);
    LunOptions options = configured != config_.luns.end() ? configured->second : config_.defaults;
    if (request.front_end != FrontEndKind::automatic) {
        options.front_end = request.front_end;
    }
    options.fail_after = request.fail_after.value_or(options.fail_after);
    options.read_only = request.read_only.value_or(options.read_only);
    options.in_order = request.in_order.value_or(options.in_order);
    const proto::Address address = request.address;
    const bool persist = request.persist;
    table_.attach(
        {.address = address,
         .options = options,
         .nbd_index = request.nbd_index,
         .socket_path = {},
         .persistent = persist || configured != config_.luns.end()},
        request.wait,
        [this, address, options, persist, reply](const ControlReply& attached) {
            if (!attached || !persist) {
                reply(attached);
                return;
            }
            auto written = write_drop_in(options_.config_path, address, options);
            if (written) {
                reply(attached);
            } else {
                written.error().what =
                    proto::to_string(address) +
                    " is attached, but not for the next start: " + written.error().what;
                reply(std::unexpected(written.error()));
            }
        },
        std::move(is_gone));
}

void Daemon::State::handle_attach_all(const ControlServer::Reply& reply) {
    table_.sight_targets([this, reply](const std::vector<initiator::TargetStatus>& targets) {
        struct Gathering {
            AttachedAll answer;
            std::size_t awaited_count = 1; // this function
        };
        const auto gathering = std::make_shared<Gathering>();
        const auto finish = [gathering, reply] {
            if (--gathering->awaited_count == 0) {
                reply(attached_all_json(gathering->answer));
            }
        };
        for (const initiator::TargetStatus& target : targets) {
            if (ending_ || table_.has(target.address)) {
                continue; // one that waits gets its target by itself
            }
            if (!is_usable(target)) {
                const Error why =
                    absent_error(target.address, names_of(hosts_.front()->interfaces()),
                                 {.target = target}, AttachRequest{}.wait);
                gathering->answer.failures.push_back(why.line());
                continue;
            }
            ++gathering->awaited_count;
            handle_attach({.address = target.address},
                          [gathering, finish](const ControlReply& attached) {
                              if (attached) {
                                  ++gathering->answer.attached_count;
                              } else {
                                  gathering->answer.failures.push_back(attached.error().line());
                              }
                              finish();
                          },
                          {});
        }
        finish();
    });
}

// Interfaces cannot be changed under a running shard. A restart keeps devices running, and I/O
// waits for a moment.
void Daemon::State::handle_interfaces(const InterfacesRequest& request,
                                      const ControlServer::Reply& reply) {
    InterfacesAnswer answer{.interfaces = interfaces_wanted()};
    if (!request.wanted) {
        reply(interfaces_json(answer));
        return;
    }
    answer.interfaces = *request.wanted;
    if (auto chosen = choose_interfaces(control_folder(), *request.wanted); !chosen) {
        reply(std::unexpected(chosen.error()));
        return;
    }
    answer.restarts = is_managed_service();
    reply(interfaces_json(answer));
    if (answer.restarts) {
        say(LogLevel::notice,
            "other interfaces have been asked for; restarts, devices wait for it");
        asio::post(context_, [this] { end(); });
    }
}

std::expected<void, Error> Daemon::State::handle_detached(proto::Address address,
                                                          bool persistent) const {
    return persistent ? remove_drop_in(options_.config_path, address)
                      : std::expected<void, Error>{};
}

void Daemon::State::await_reload() {
    reload_signal_.async_wait([this](const boost::system::error_code& error, int /*signal*/) {
        if (!error) {
            reload();
            await_reload();
        }
    });
}

// To where they are wanted. The new place is opened before the old one is closed: when it cannot be
// had, the old one stays, and the next reload tries again.
void Daemon::State::move_metrics(DaemonConfig& wanted) {
    if (wanted.metrics_listen == config_.metrics_listen &&
        wanted.metrics_listen.has_value() == metrics_server_.has_value()) {
        return;
    }
    if (!wanted.metrics_listen) {
        metrics_server_.reset();
        return;
    }
    auto listener = MetricsListener::open(*wanted.metrics_listen, metrics_group_);
    if (listener) {
        serve_metrics(std::move(*listener));
        return;
    }
    write_log(failure_line(listener.error(), LogKind::process,
                           metrics_server_
                               ? "they stay where they were, on " + config_.metrics_listen->text()
                               : std::string("they are served nowhere")));
    wanted.metrics_listen = config_.metrics_listen;
}

// What is attached stays as it is; LUNs that are new are attached.
void Daemon::State::reload() {
    auto config = read_config(options_.config_path, options_.config_required);
    if (!config) {
        write_log(
            failure_line(config.error(), LogKind::process, "the configuration of before stays"));
        return;
    }
    if (const auto chosen = chosen_interfaces(control_folder())) {
        config->interfaces = *chosen;
    } else if (!options_.interfaces.empty()) {
        config->interfaces = started_with_.interfaces; // -i counts, now and then
    }
    if (const auto keys = keys_of_next_start(started_with_, *config); !keys.empty()) {
        say(LogLevel::warning,
            fmt::format("{} {} changed, which counts from the next start on; a restart keeps "
                        "devices running",
                        list_text(keys), keys.size() == 1 ? "has" : "have"));
    }
    move_metrics(*config);
    config_ = std::move(*config);
    table_.set_configured(config_.luns);
    say(LogLevel::notice, "the configuration has been read again");
}

void Daemon::State::await_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int /*signal*/) {
        if (error) {
            return;
        }
        if (ending_) {
            say(LogLevel::warning, "ended at once; attached devices wait for the next uaoed");
            _exit(static_cast<int>(ExitCode::failed));
        }
        await_signal();
        end();
    });
}

void Daemon::State::end() {
    ending_ = true;
    notify_service_manager("STOPPING=1");
    server_->close();
    if (metrics_server_) {
        metrics_server_->close();
    }
    table_.leave_all([this] {
        if (const std::size_t count = table_.attached_count(); count > 0) {
            say(LogLevel::notice,
                fmt::format("ends; {} attached, and I/O there waits for the next uaoed",
                            count == 1 ? std::string("1 LUN stays")
                                       : fmt::format("{} LUNs stay", count)));
        }
        signals_.cancel();
        reload_signal_.cancel();
        context_.stop();
    });
}

namespace {

std::string config_before_path(const std::string& folder) {
    return folder + "/config-in-use.toml";
}

// Nothing when it is not configured, or cannot be had: devices matter more, and are served all the
// same.
std::optional<MetricsListener> open_metrics(const DaemonConfig& config,
                                            std::optional<gid_t> group) {
    if (!config.metrics_listen) {
        return std::nullopt;
    }
    auto listener = MetricsListener::open(*config.metrics_listen, group);
    if (!listener) {
        write_log(failure_line(listener.error(), LogKind::process,
                               "they are served nowhere until a reload finds that mended"));
        return std::nullopt;
    }
    return std::optional<MetricsListener>(std::move(*listener));
}

// A configuration that is broken may not keep devices waiting that a predecessor left. Nothing when
// there are none, or nothing to take them over with.
std::optional<DaemonConfig> read_config_before(const StateStore& store, const std::string& folder) {
    std::vector<Error> ignored;
    if (store.read_all(ignored).empty()) {
        return std::nullopt;
    }
    auto config = read_config(config_before_path(folder), true);
    return config ? std::optional(std::move(*config)) : std::nullopt;
}

} // namespace

Daemon::Daemon(std::unique_ptr<State> state) : state_(std::move(state)) {}
Daemon::~Daemon() = default;

std::expected<std::unique_ptr<Daemon>, Error> Daemon::make(DaemonOptions options) {
    const std::filesystem::path folder = std::filesystem::path(options.control_path).parent_path();
    auto store = StateStore::open((folder / "luns").string());
    if (!store) {
        return std::unexpected(std::move(store.error()));
    }
    auto config = read_config(options.config_path, options.config_required);
    if (!config) {
        auto before = read_config_before(*store, folder.string());
        if (!before) {
            return std::unexpected(std::move(config.error()));
        }
        write_log(failure_line(config.error(), LogKind::process,
                               "what is attached is taken over with the interfaces of before"));
        config = std::move(*before);
    } else {
        if (const auto chosen = chosen_interfaces(folder.string())) {
            config->interfaces = *chosen;
            options.interfaces.clear();
        }
        static_cast<void>(write_whole_file(config_before_path(folder.string()),
                                           config_text(*config), FileSync::none));
    }
    // First, because it is what tells two daemons apart.
    const auto access = control_access(*config);
    if (!access) {
        return std::unexpected(access.error());
    }
    auto listener = ControlServer::bind(options.control_path, *access);
    if (!listener) {
        return std::unexpected(std::move(listener.error()));
    }
    auto metrics = open_metrics(*config, access->group);
    give_up_privileges();
    auto state = std::make_unique<State>(std::move(options), std::move(*config), std::move(*store));
    state->set_metrics_group(access->group);
    if (metrics) {
        state->serve_metrics(std::move(*metrics));
    }
    state->listen(std::move(*listener), *access);
    if (auto opened = state->open_shards(); !opened) {
        return std::unexpected(std::move(opened.error()));
    }
    return std::unique_ptr<Daemon>(new Daemon(std::move(state)));
}

void Daemon::run() {
    state_->run();
}

} // namespace uaoe::tools
