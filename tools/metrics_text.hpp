// What Prometheus reads of uaoed: its text format, version 0.0.4. Pure functions.
#pragma once

#include "tools/json_text.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace uaoe::tools {

// Of the process, at the same moment.
struct ProcessStatus {
    std::chrono::system_clock::time_point started_at;
    std::chrono::microseconds cpu_time{};
    std::uint64_t resident_bytes = 0;
    std::uint64_t descriptors_count = 0;
};
[[nodiscard]] ProcessStatus process_status(std::chrono::system_clock::time_point started_at);

// Names and labels do not change their meaning; seconds and bytes are the only units. Read and
// write of a LUN always have a histogram, another operation once it was asked for; buckets end at
// powers of two of a microsecond.
[[nodiscard]] std::string metrics_text(const DaemonStatus& status, const ProcessStatus& process);

} // namespace uaoe::tools
