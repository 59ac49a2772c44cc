// Waiting for one target: what is missing, in words, and the error when it does not come.
#pragma once

#include "initiator/linux/error.hpp"
#include "initiator/status.hpp"
#include "tools/progress.hpp"
#include "tools/session.hpp"

#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace uaoe::tools {

enum class WaitGoal : std::uint8_t {
    answers, // to Query Config
    judged,  // to IDENTIFY, too, or known not to; what it said does not matter
    ready,   // IDENTIFY agreed, on every path heard of
};

// What is known of the target so far.
struct Sighting {
    std::optional<initiator::TargetStatus> target;
    std::size_t others_count = 0; // other targets that answer
};

// A path of it may carry data; for WaitGoal::ready.
[[nodiscard]] bool is_usable(const std::optional<initiator::TargetStatus>& target);
// Not every path heard of has been asked for its disk.
[[nodiscard]] bool is_being_checked(const initiator::TargetStatus& target);

// "no answer to Query Config yet"
[[nodiscard]] std::string missing_text(const Sighting& sighting);

// Why it cannot be used, after waiting. Exit code 3 when nothing that could be opened is there, 1
// when the target is there and refuses.
[[nodiscard]] Error absent_error(proto::Address address, const std::vector<std::string>& interfaces,
                                 const Sighting& sighting, initiator::Duration wait);

// When another disk answers under the target's address. Which of the two was meant nobody can know,
// and it would be chance which one is written to: the first to answer.
[[nodiscard]] std::optional<Error> conflict_error(const initiator::TargetStatus& target,
                                                  const std::vector<Interface>& interfaces);

// Whoever waits for a target is told what for soon, in lines, too.
inline constexpr Progress::Patience wait_patience{.on_terminal = std::chrono::seconds{1},
                                                  .of_lines = std::chrono::seconds{1}};

// The target, or nothing when `interrupted` said so. It says on stderr what it waits for.
[[nodiscard]] std::expected<std::optional<initiator::TargetStatus>, Error>
wait_for_target(Session& session, proto::Address address, WaitGoal goal, initiator::Duration wait,
                Progress::Patience patience, const std::function<bool()>& interrupted);

} // namespace uaoe::tools
