// Wires: the time a frame takes to leave, and queues that overflow.
#include "tests/sim/network.hpp"

#include <algorithm>

namespace uaoe::sim {

namespace {

constexpr std::uint64_t nanoseconds_per_second = 1'000'000'000;

// Rounded up: a wire is never faster than it says.
Duration time_of(std::uint64_t bytes, std::uint64_t bits_per_second) {
    const std::uint64_t bit_nanoseconds = bytes * 8 * nanoseconds_per_second;
    return Duration{
        static_cast<std::int64_t>((bit_nanoseconds + bits_per_second - 1) / bits_per_second)};
}

} // namespace

std::optional<Time> Wire::take(Time now, std::size_t frame_bytes) {
    if (bits_per_second == 0) {
        return now;
    }
    const std::uint64_t bytes = frame_bytes + ethernet_overhead_bytes;
    const auto backlog =
        static_cast<std::uint64_t>(std::max(free_at - now, Duration::zero()).count());
    // No overflow below 9 GB of backlog.
    const std::uint64_t waiting_bytes = backlog * (bits_per_second / 8) / nanoseconds_per_second;
    if (backlog > 0 && bytes > queue_bytes_max - std::min(waiting_bytes, queue_bytes_max)) {
        ++dropped_count;
        return {};
    }
    free_at = std::max(free_at, now) + time_of(bytes, bits_per_second);
    return free_at;
}

Duration Wire::queue_time_max() const {
    return bits_per_second == 0 ? Duration::zero() : time_of(queue_bytes_max, bits_per_second);
}

} // namespace uaoe::sim
