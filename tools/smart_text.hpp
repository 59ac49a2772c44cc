// What `uaoe smart` prints. Pure functions.
#pragma once

#include "initiator/status.hpp"
#include "tools/smart_steps.hpp"

#include <string>
#include <string_view>

namespace uaoe::tools {

// The name that most vendors give it; "unknown" for ids that have none in common.
[[nodiscard]] std::string_view smart_attribute_name(std::uint8_t id);
// "35 C" of a temperature, else the number.
[[nodiscard]] std::string smart_raw_text(const proto::SmartAttribute& attribute);
[[nodiscard]] std::string self_test_text(std::uint8_t status); // "completed without an error"

// Health, attributes and the last self-test.
[[nodiscard]] std::string smart_text(const initiator::TargetStatus& target,
                                     const SmartReport& report);
[[nodiscard]] std::string self_test_log_text(const proto::SelfTestLog& log);
[[nodiscard]] std::string smart_json(const initiator::TargetStatus& target,
                                     const SmartReport& report);
// Of a self-test that was started, ended or followed.
[[nodiscard]] std::string self_test_json(proto::Address address, std::uint8_t status);

} // namespace uaoe::tools
