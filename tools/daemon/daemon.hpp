// uaoed: many LUNs over a few shards, told what to do by a control socket, a configuration file and
// what a predecessor left.
//
// Threads: the one that calls run() has the io_context and decides everything; each shard has one,
// where data moves; opening and ending LUNs blocks for seconds and is done on a few others, so that
// one LUN that is stuck holds up no other.
#pragma once

#include "initiator/linux/error.hpp"
#include "tools/daemon/config_file.hpp"

#include <expected>
#include <memory>
#include <string>
#include <vector>

namespace uaoe::tools {

struct DaemonOptions {
    std::string config_path = config_path_default;
    bool config_required = false;        // it was named
    std::vector<std::string> interfaces; // instead of the configuration's
    std::string control_path;            // its folder also holds the state of attached LUNs
};

class Daemon {
  public:
    // Reads the configuration, listens, gives up the privileges of the calling thread that it does
    // not need, opens the interfaces. Attaches nothing yet.
    static std::expected<std::unique_ptr<Daemon>, Error> make(DaemonOptions options);
    ~Daemon();
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    // Takes over what a predecessor left, attaches what is configured, and serves until SIGINT or
    // SIGTERM; then leaves the devices to a successor. SIGHUP reads the configuration again.
    void run();

  private:
    class State;
    explicit Daemon(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace uaoe::tools
