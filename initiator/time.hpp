// The engine's time: an argument, never asked for. The clock has no now(), so reading it does not
// compile; initiator/linux/clock.hpp makes these values from CLOCK_MONOTONIC, the simulator from
// its own counter.
#pragma once

#include <chrono>

namespace uaoe::initiator {

struct EngineClock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<EngineClock>;
    static constexpr bool is_steady = true;
};

using Time = EngineClock::time_point;
using Duration = EngineClock::duration;

} // namespace uaoe::initiator
