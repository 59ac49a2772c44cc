// What `uaoe events` follows: one JSON object a line, and the same for a person. Pure functions;
// the JSON library stays behind them. No line has a newline here.
#pragma once

#include "initiator/status.hpp"
#include "tools/interface.hpp"

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace uaoe::tools {

using WallTime = std::chrono::system_clock::time_point;

// "path_down", "target_lost", ...; empty for what nobody follows.
[[nodiscard]] std::string event_name(const initiator::Event& event);
// One with a port and a target's MAC.
[[nodiscard]] bool is_about_path(const initiator::Event& event);

// Keys: `time` (UTC, "2026-12-01T00:47:41.123Z"), `event`, `address`, and what belongs to it.
// Empty for what nobody follows.
[[nodiscard]] std::string event_json(WallTime time, const initiator::Event& event,
                                     std::span<const Interface> interfaces);
[[nodiscard]] std::string attached_json(WallTime time, proto::Address address,
                                        std::string_view device, std::string_view front_end);
[[nodiscard]] std::string detached_json(WallTime time, proto::Address address,
                                        std::string_view device);
// Whoever follows was too slow for so many.
[[nodiscard]] std::string events_lost_json(WallTime time, std::uint64_t count);

// Of such a line: "2026-12-01T00:47:41.123Z 1.0: path eth1 to 02:00:00:00:00:01 is down". A line
// that is none is shown as it is, made visible.
[[nodiscard]] std::string event_text(std::string_view json);

} // namespace uaoe::tools
