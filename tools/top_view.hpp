// What `uaoe top` shows of two samples of uaoed's status. Pure functions; the JSON library stays
// behind them.
#pragma once

#include "initiator/latency_histogram.hpp"
#include "proto/address.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace uaoe::tools {

struct TopPath {
    std::string interface;
    std::string target_mac;
    std::string state;
    std::uint64_t sent = 0; // frames, retransmissions included
    std::uint64_t retransmitted = 0;
    std::uint64_t srtt_us = 0;
    std::uint64_t in_flight = 0; // frames
    std::uint64_t cwnd = 0;
};

struct TopLun {
    proto::Address address;
    std::string state;
    std::uint64_t read_bytes = 0;
    std::uint64_t write_bytes = 0;
    std::uint64_t requests = 0; // of all operations, as the rest
    std::uint64_t errors = 0;
    std::uint64_t pending = 0;
    initiator::LatencyHistogram latency{};
    std::vector<TopPath> paths{}; // none: it is not attached
};

struct TopSample {
    std::uint64_t uptime_us = 0;      // of uaoed: what it is less than before has started anew
    std::uint64_t frames_dropped = 0; // by all interfaces
    std::vector<TopLun> luns{};       // by address
};

// What status_json() says; nothing when it is something else.
[[nodiscard]] std::optional<TopSample> parse_top_sample(std::string_view json);

struct TopLayout {
    std::size_t columns = 80;                // longer lines are cut
    std::size_t rows = 0;                    // at most; 0: as many as it takes
    bool with_paths = false;                 // a line for each path under its LUN
    bool by_address = true;                  // else the busiest first
    std::size_t page = 0;                    // of those LUNs that do not fit
    std::optional<proto::Address> address{}; // that LUN alone
    std::string note{};                      // at the end of the first line
};

// Lines with a newline each. A counter that is less than before counts from zero.
[[nodiscard]] std::string top_text(const TopSample& before, const TopSample& now,
                                   const TopLayout& layout);

} // namespace uaoe::tools
