// uaoed from its start to its end.
#include "tools/daemon/daemon_state.hpp"

#include "tools/daemon/chosen_interfaces.hpp"
#include "tools/daemon/service_notice.hpp"
#include "tools/leftovers.hpp"
#include "tools/text.hpp"

#include <csignal>
#include <fmt/format.h>
#include <thread>
#include <unistd.h>

namespace uaoe::tools {

Daemon::Daemon(std::unique_ptr<State> state) : state_(std::move(state)) {}
Daemon::~Daemon() = default;

void Daemon::run() {
    state_->run();
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
    remember(*config, control_folder());
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

} // namespace uaoe::tools
