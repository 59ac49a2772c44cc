// SMART of a target's disk by ATA commands, step by step; as administration.hpp, without a network.
#pragma once

#include "proto/smart.hpp"
#include "tools/administration.hpp"

#include <optional>

namespace uaoe::tools {

struct SmartReport {
    proto::SmartHealth health = proto::SmartHealth::unknown;
    std::optional<proto::PowerMode> power_mode; // some targets do not tell
    std::optional<proto::SmartData> data;       // with thresholds, where there are some
    bool has_thresholds = false;
    std::optional<proto::SelfTestLog> log;
};

// An error when there is no SMART: file-serving targets, vblade among them, abort its commands.
[[nodiscard]] std::expected<SmartReport, Error> read_smart(const Administered& target);
[[nodiscard]] std::expected<void, Error> enable_smart(const Administered& target);

// Starts a self-test, which the disk does beside its work, or ends the one that runs. What the disk
// said before comes back: refused when another test runs.
[[nodiscard]] std::expected<proto::SmartData, Error> start_self_test(const Administered& target,
                                                                     proto::SmartTest test);
// How far it is.
[[nodiscard]] std::expected<proto::SmartData, Error> read_smart_data(const Administered& target);

} // namespace uaoe::tools
