// What `uaoe ping` prints. Pure functions.
#pragma once

#include "initiator/time.hpp"
#include "proto/address.hpp"
#include "proto/ethernet.hpp"
#include "tools/json_text.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace uaoe::tools {

// A line for an answer, as it comes.
[[nodiscard]] std::string ping_answer_text(proto::Address address, std::string_view interface,
                                           const proto::MacAddress& target_mac, std::uint64_t round,
                                           initiator::Duration round_trip);

// The end: for each path what was lost, and below it its round trips.
[[nodiscard]] std::string ping_text(proto::Address address, std::span<const PingStatistics> paths);

} // namespace uaoe::tools
