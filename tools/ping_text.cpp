// In the manner of ping(8), within 80 columns.
#include "tools/ping_text.hpp"

#include "tools/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace uaoe::tools {

namespace {

// Every digit, as long as a line has room for it.
std::string rounds_text(std::uint64_t count) {
    constexpr std::uint64_t exact_max = 9'999'999;
    return count <= exact_max ? fmt::format("{}", count) : count_text(static_cast<double>(count));
}

std::string lost_percent_text(const PingStatistics& path) {
    const std::uint64_t lost = path.sent - std::min(path.sent, path.answered);
    const double percent = 100.0 * static_cast<double>(lost) /
                           static_cast<double>(std::max<std::uint64_t>(path.sent, 1));
    constexpr double least = 0.01;
    return lost > 0 && percent < least ? "<0.01" : fmt::format("{:.3g}", percent);
}

} // namespace

std::string ping_answer_text(proto::Address address, std::string_view interface,
                             const proto::MacAddress& target_mac, std::uint64_t round,
                             initiator::Duration round_trip) {
    return fmt::format("{} at {} on {}: seq={} time={}\n", proto::to_string(address),
                       proto::to_string(target_mac), visible_text(interface), round,
                       milliseconds_text(round_trip));
}

std::string ping_text(proto::Address address, std::span<const PingStatistics> paths) {
    constexpr double us_per_ms = 1000;
    std::string text = fmt::format("--- {} ---\n", proto::to_string(address));
    for (const PingStatistics& path : paths) {
        text += fmt::format("{} at {}: {} sent, {} answered, {}% lost\n",
                            visible_text(path.interface), path.target_mac, rounds_text(path.sent),
                            rounds_text(path.answered), lost_percent_text(path));
        if (path.answered > 0) {
            text += fmt::format("    min/avg/max/mdev = {:.3f}/{:.3f}/{:.3f}/{:.3f} ms\n",
                                path.rtt_min_us / us_per_ms, path.rtt_avg_us / us_per_ms,
                                path.rtt_max_us / us_per_ms, path.rtt_mdev_us / us_per_ms);
        }
    }
    return text;
}

} // namespace uaoe::tools
