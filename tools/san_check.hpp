// What may be wrong with a SAN, from what was seen of it. Pure functions; check.cpp looks.
#pragma once

#include "initiator/status.hpp"
#include "proto/address.hpp"
#include "proto/ethernet.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace uaoe::tools {

struct CheckedInterface {
    std::string name;
    bool is_up = false;
    bool is_named = false; // by whoever asked: it should reach targets
    std::uint32_t mtu_bytes = 0;
};

struct CheckedPath {
    std::size_t interface_index = 0;
    proto::MacAddress target_mac;
    initiator::PathState state = initiator::PathState::unverified;
    std::uint32_t payload_bytes = 0;     // a frame; what passed in both directions
    std::uint32_t mtu_payload_bytes = 0; // what the interface's MTU carries
    std::uint32_t advertised_bytes = 0;  // what the target takes there
    bool is_proven = false;              // payload_bytes is the result of probes that have ended
    std::uint32_t buffer_count = 0;      // as advertised
    std::string other_serial{};          // of a conflict: what that disk says; may be unknown
};

struct CheckedTarget {
    proto::Address address;
    initiator::TargetState state = initiator::TargetState::identifying;
    std::string model;
    std::string serial;
    std::vector<CheckedPath> paths;
};

struct SanReport {
    std::vector<CheckedInterface> interfaces;
    std::vector<CheckedTarget> targets; // by address
    bool is_whole = true;               // not one target alone: they can be compared
};

// One thing that is wrong, with all targets that it is wrong with in the same way.
struct Finding {
    std::string_view kind; // for scripts: "payload_limited"
    std::vector<proto::Address> addresses{};
    std::string interface{}; // empty: not of one
    std::string what;
    std::string advice;
};

[[nodiscard]] std::vector<Finding> find_faults(const SanReport& report);

// Tables of interfaces and paths, and the findings. 80 columns are enough for the tables.
[[nodiscard]] std::string check_text(const SanReport& report, const std::vector<Finding>& findings,
                                     std::size_t columns_max);
// An object on one line.
[[nodiscard]] std::string check_json(const SanReport& report, const std::vector<Finding>& findings);

} // namespace uaoe::tools
