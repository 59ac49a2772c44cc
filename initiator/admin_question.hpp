// Administrative commands as values: what is asked of a target, and what came back. The rules are
// in administration.hpp; the questions that people have are in tools/.
#pragma once

#include "initiator/status.hpp"
#include "initiator/time.hpp"
#include "proto/aoe.hpp"

#include <cstdint>
#include <vector>

namespace uaoe::initiator {

using namespace std::chrono_literals;

struct AdminQuestion {
    proto::Address address{}; // of one LUN, never a broadcast
    proto::Command command = proto::Command::query_config;
    std::vector<std::byte> argument{}; // what follows the 24 bytes of header
    // It changes something at the target: the answer is given when no copy of it can land any more,
    // or it could undo what is asked next.
    bool is_change = false;
    Duration patience = 3s; // without an answer for so long, it is given up
};

struct AdminAnswer {
    bool is_silent = false;         // nothing came; the fields below the count say nothing
    std::uint32_t copies_count = 0; // sent. With more than one it may be the second execution that
                                    // the answer speaks of
    PortIndex port{};               // of the copy that was answered
    proto::MacAddress target_mac{};
    std::uint32_t mtu_bytes = 0; // of the port: neither a question nor an answer is longer
    bool is_error = false;
    proto::AoeError error = proto::AoeError::none;
    std::vector<std::byte> argument{}; // padding included
};

enum class AskError : std::uint8_t {
    no_such_target,
    no_path,   // every path to it is down, or in conflict
    too_large, // for the MTU of each path
};

} // namespace uaoe::initiator
