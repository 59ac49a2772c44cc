// The lossy bridge: forwards AoE frames between two interfaces in real time, with faults, and
// counts what became of every one.
#pragma once

#include "tests/interop/bridge_faults.hpp"
#include "tests/interop/bridge_port.hpp"
#include "tests/target/faults.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace uaoe::bridge {

// Of one direction. received + duplicated = forwarded + send_failed + lost + cut + too_long +
// queue_full + held, in copies; late and reordered are among the others.
struct BridgeCounters {
    std::uint64_t received = 0;
    std::uint64_t lost = 0;
    std::uint64_t duplicated = 0;
    std::uint64_t late = 0;
    std::uint64_t reordered = 0;
    std::uint64_t too_long = 0;
    std::uint64_t cut = 0;
    std::uint64_t queue_full = 0;
    std::uint64_t held = 0; // waiting just now
};

class Bridge {
  public:
    // Throws std::runtime_error: what, why, what to do.
    Bridge(const Faults& faults, const std::string& a, const std::string& b);

    // Forwards until a signal can be read. `commands`: a FIFO whose lines are executed and answered
    // on stdout; -1: none.
    void run(int signals, int commands);

    // One command, as --help lists them. Its answer is "ok", the statistics, or "error: " and why.
    std::string execute(std::string_view line);

    // One line.
    [[nodiscard]] std::string statistics_json();

  private:
    struct Side {
        BridgePort port;
        BridgeCounters counters; // of what came in here
    };

    [[nodiscard]] BridgePort& opposite(std::size_t side_index) {
        return sides_[1 - side_index].port;
    }
    bool wait(int signals, int commands);
    void read_commands(int commands);
    void forward_due();
    void forward_arrived(std::size_t side_index);
    void forward(std::size_t side_index, proto::ConstBytes frame);

    Faults faults_;
    std::array<Side, 2> sides_; // indexed by the direction that begins there
    std::uint64_t now_ns_ = 0;
    target::HeldFrames held_;
    std::vector<target::HeldFrames::Entry> due_;
    std::string command_text_;
};

} // namespace uaoe::bridge
