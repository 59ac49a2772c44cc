// The command line of the model target's program.
#pragma once

#include "tests/target/faults.hpp"
#include "tests/target/model_target.hpp"

#include <optional>
#include <string>
#include <vector>

namespace uaoe::target {

struct Range {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
};

struct Options {
    std::vector<std::string> interfaces;
    std::optional<proto::MacAddress> mac;
    Range shelves{1, 1};
    Range slots{0, 0};
    std::uint32_t luns_count = 0; // 0: what shelves and slots say
    std::uint64_t size_bytes = 0; // 0: the file's, else the default
    std::string file;             // of the first LUN
    std::string serial;
    LunConfig lun; // what all LUNs share
    Faults faults;
    std::uint64_t hold_bytes = std::uint64_t{256} << 20U;
    std::uint64_t ring_bytes = std::uint64_t{4} << 20U;
    std::uint32_t spin_us = 0;
    int processor = -1;
    std::string statistics_file;
};

// Nothing when the program shall go on; else its exit code (help was asked for, or an error was
// printed).
std::optional<int> parse_options(int argc, char** argv, Options& options);

// The addresses the options name, in order.
std::vector<proto::Address> addresses_of(const Options& options);

} // namespace uaoe::target
