// One seed: makes a world with faults, runs a workload in it, ends the faults, and sees that
// everything comes to a right end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace uaoe::sim {

struct SeedResult {
    std::uint64_t trace = 0; // of every frame; equal for equal seeds
    std::uint64_t requests = 0;
    std::uint64_t frames = 0;
    double virtual_seconds = 0;
    std::optional<std::string> violation; // what and when
};

struct SeedOptions {
    std::string pcap_path; // empty: none
    bool fencing =
        true; // false: an engine that forgets late copies of writes, to show what they do
    bool settling = true; // false: one that thinks it had no predecessor
};

SeedResult run_seed(std::uint64_t seed, const SeedOptions& options);

} // namespace uaoe::sim
