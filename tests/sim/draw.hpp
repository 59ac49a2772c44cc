// What a seed draws: limits and times of the engine, faults, disks, targets.
#pragma once

#include "initiator/config.hpp"
#include "tests/sim/network.hpp"
#include "tests/sim/random.hpp"
#include "tests/target/model_target.hpp"

namespace uaoe::sim {

inline constexpr Duration linger = std::chrono::seconds{1};
// EngineConfig::target_hold: no pause of a target is longer, or fences would promise too little.
inline constexpr Duration target_hold = std::chrono::seconds{30};

[[nodiscard]] initiator::EngineConfig draw_config(Random& random, bool fencing);
[[nodiscard]] Time draw_start(Random& random);
[[nodiscard]] Faults draw_faults(Random& random);
// Both directions of a segment; mostly without a limit.
void draw_wires(Random& random, Segment& segment);
[[nodiscard]] proto::Identify draw_disk(Random& random, std::uint8_t number);
[[nodiscard]] target::LunConfig draw_lun(Random& random, proto::Address address,
                                         const proto::Identify& identify);
// Times and order of service; MAC, segment and LUN are the caller's.
[[nodiscard]] TargetHost draw_host(Random& random, const target::LunConfig& config);

} // namespace uaoe::sim
