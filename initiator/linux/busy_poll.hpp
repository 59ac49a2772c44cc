// Whether to look for news for a while before sleeping. Most of a small request's round trip is two
// threads that fall asleep and are woken; who looks has news at once, and keeps a processor busy
// meanwhile. Whether that brings it sooner depends on who else needs the processor: a target or a
// user of the LUN on the same machine may. So it is measured, all the time, and only where looking
// brings news sooner by an eighth at least it is done.
//
// It is done while few requests are under way: with many, an answer comes before there is time to
// sleep. And only after some short waits in a row, so that it ends when the load does: an idle
// shard sleeps.
//
// Plain arithmetic: knows no clock.
#pragma once

#include "initiator/time.hpp"

#include <cstdint>

namespace uaoe::initiator {

class BusyPoll {
  public:
    // Of looking, before a wait that may then be long.
    static constexpr std::chrono::microseconds time_max_default{2000};
    static constexpr std::chrono::microseconds time_max_limit{100'000};

    // `time_max`: zero (never looks) to time_max_limit.
    explicit BusyPoll(Duration time_max) : time_max_(time_max) {}

    // How long to look in the wait that begins now, before sleeping. Zero: sleep at once.
    // `bytes`: of the buffers of the requests under way.
    [[nodiscard]] Duration time_to_look(std::uint64_t requests_count, std::uint64_t bytes);

    // That wait took so long. `has_news`: it did not end because of a timer.
    void handle_wait(Duration waited, bool has_news);

    // Whether it looks at present, but for trials.
    [[nodiscard]] bool is_looking() const { return looks_; }

  private:
    // Of the waits of one kind, each of which counts as time_max at most.
    struct Waits {
        Duration sum{};
        std::uint32_t count = 0;
        [[nodiscard]] Duration average() const { return count > 0 ? sum / count : Duration{}; }
    };

    void decide();

    Duration time_max_;
    std::uint32_t short_waits_count_ = 0; // in a row
    bool looks_ = false;                  // what is done, but for trials of the other
    bool is_trial_ = false;
    bool was_measured_ = false; // the first trial comes soon
    bool counts_ = false;       // the wait that is under way: few requests, with the load going on
    Waits usual_;               // since the last trial
    Waits trial_;
    Duration limit_ = time_max_; // of looking, by how long waits are
};

} // namespace uaoe::initiator
