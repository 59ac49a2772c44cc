// The inside of uaoed: its state, and which file holds what. Included by those alone.
#pragma once

#include "tools/daemon/control_server.hpp"
#include "tools/daemon/daemon.hpp"
#include "tools/daemon/interface_watch.hpp"
#include "tools/daemon/lun_table.hpp"
#include "tools/daemon/metrics_server.hpp"
#include "tools/daemon/watchdog.hpp"
#include "tools/log.hpp"
#include "tools/log_timer.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace uaoe::tools {

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

    // ---- daemon_start.cpp ----
    // For a start with a configuration that is broken, see Daemon::make().
    static void remember(const DaemonConfig& config, const std::string& folder);
    std::expected<void, Error> open_shards();
    void listen(blockdev::UnixListener listener, const ControlServer::Access& access);
    void serve_metrics(MetricsListener listener);
    void set_metrics_group(std::optional<gid_t> group) { metrics_group_ = group; }

    // ---- daemon.cpp: from the start to the end ----
    void run();

  private:
    void recover();
    void start_watchdog();
    void await_signal();
    void await_reload();
    void reload();
    void move_metrics(DaemonConfig& wanted);
    void end();

    // ---- daemon_requests.cpp: what the control socket and the metrics' are asked ----
    void handle(const ControlRequest& request, ControlServer::Reply reply,
                ControlServer::IsGone is_gone);
    void handle_attach(const AttachRequest& request, const ControlServer::Reply& reply,
                       ControlServer::IsGone is_gone);
    void handle_attach_all(const ControlServer::Reply& reply);
    void handle_interfaces(const InterfacesRequest& request, const ControlServer::Reply& reply);
    [[nodiscard]] std::expected<void, Error> handle_detached(proto::Address address,
                                                             bool persistent) const;
    void collect_metrics(std::function<void(std::string)> done);

    // ---- daemon_interfaces.cpp ----
    void watch_interfaces();
    void update_interfaces(const std::vector<Interface>& settled);
    // None: all that are up, now and later.
    [[nodiscard]] const std::vector<std::string>& interfaces_wanted() const {
        return options_.interfaces.empty() ? started_with_.interfaces : options_.interfaces;
    }

    [[nodiscard]] std::string control_folder() const {
        return std::filesystem::path(options_.control_path).parent_path().string();
    }
    static void say(LogLevel level, std::string text) {
        write_log({.level = level, .text = std::move(text)});
    }

    DaemonOptions options_;
    DaemonConfig config_;
    const DaemonConfig started_with_;
    std::optional<gid_t> metrics_group_;
    StateStore store_;
    boost::asio::io_context context_;
    boost::asio::signal_set signals_;
    boost::asio::signal_set reload_signal_;
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

} // namespace uaoe::tools
