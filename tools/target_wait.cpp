// Waiting for one target.
#include "tools/target_wait.hpp"

#include "initiator/linux/clock.hpp"
#include "tools/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace uaoe::tools {

using namespace std::chrono_literals;
using initiator::PathState;
using initiator::TargetState;

namespace {

// After the target is ready, for further paths to be heard of.
constexpr initiator::Duration settle_time = 150ms;

Sighting look(initiator::Shard& shard, proto::Address address) {
    Sighting sighting{.target = shard.engine().target(address)};
    if (!sighting.target) {
        sighting.others_count = shard.engine().targets().size();
    }
    return sighting;
}

bool has_path(const initiator::TargetStatus& target, PathState state) {
    return std::ranges::any_of(target.paths, [&](const auto& path) { return path.state == state; });
}

bool is_enough(const std::optional<initiator::TargetStatus>& target, WaitGoal goal) {
    switch (goal) {
    case WaitGoal::answers:
        return target.has_value();
    case WaitGoal::judged:
        return target && target->state != TargetState::identifying;
    case WaitGoal::ready:
        break;
    }
    return is_usable(target);
}

// Whether its other paths are worth waiting for.
bool is_complete(const initiator::TargetStatus& target, WaitGoal goal) {
    return goal == WaitGoal::answers || target.state != TargetState::ready ||
           !is_being_checked(target);
}

std::string others_text(std::size_t count) {
    return count == 1 ? "another target answers" : fmt::format("{} other targets answer", count);
}

} // namespace

bool is_usable(const std::optional<initiator::TargetStatus>& target) {
    return target && target->state == TargetState::ready && has_path(*target, PathState::up);
}

bool is_being_checked(const initiator::TargetStatus& target) {
    return has_path(target, PathState::unverified);
}

std::string missing_text(const Sighting& sighting) {
    if (!sighting.target) {
        return sighting.others_count == 0
                   ? "no answer to Query Config yet"
                   : others_text(sighting.others_count) + ", this one does not";
    }
    switch (sighting.target->state) {
    case TargetState::identifying:
        return "it answers Query Config, not IDENTIFY yet";
    case TargetState::mute:
        return "it answers Query Config, but never IDENTIFY";
    case TargetState::reserved:
        return "it is reserved by another initiator";
    case TargetState::unavailable:
        return "it says that its disk is unavailable";
    case TargetState::failed:
        return "it does not answer IDENTIFY with anything usable";
    case TargetState::ready:
        break;
    }
    return has_path(*sighting.target, PathState::up) ? "checking its other paths"
                                                     : "no path to it is up";
}

Error absent_error(proto::Address address, const std::vector<std::string>& interfaces,
                   const Sighting& sighting, initiator::Duration wait) {
    const std::string on = list_text(interfaces);
    if (!sighting.target) {
        Error error{.what = "target " + proto::to_string(address) + " not found",
                    .why = {},
                    .what_to_do = {},
                    .exit_code = ExitCode::no_such_target};
        if (interfaces.empty()) {
            error.why = "no Ethernet interface has come up yet";
            error.what_to_do = "`ip link set IF up`";
        } else if (sighting.others_count == 0) {
            error.why = fmt::format("nothing answered on {} for {}", on, seconds_text(wait));
            error.what_to_do = "check that the target runs, the cable, and the VLAN";
        } else {
            error.why =
                fmt::format("{} on {}, but not this one", others_text(sighting.others_count), on);
            error.what_to_do =
                fmt::format("`uaoe discover -i {}` lists what is there; check shelf and "
                            "slot, and the target's MAC mask list",
                            interfaces.front());
        }
        return error;
    }
    Error error{.what = "target " + proto::to_string(address) + " cannot be used",
                .why = missing_text(sighting),
                .what_to_do = "check its log, and whether its disk works",
                .exit_code = ExitCode::failed};
    switch (sighting.target->state) {
    case TargetState::identifying:
    case TargetState::mute:
        error.why = fmt::format("it answers Query Config on {}, but never IDENTIFY", on);
        error.exit_code = ExitCode::no_such_target;
        break;
    case TargetState::reserved:
        error.what_to_do = "release it there, or on the target";
        break;
    case TargetState::ready:
        error.why = has_path(*sighting.target, PathState::conflict)
                        ? "different disks answer under this address"
                        : "no path to it is up";
        error.what_to_do = "`uaoe discover` shows its paths";
        break;
    case TargetState::unavailable:
    case TargetState::failed:
        break;
    }
    return error;
}

std::optional<Error> conflict_error(const initiator::TargetStatus& target,
                                    const std::vector<Interface>& interfaces) {
    const auto place = [&](const initiator::PathStatus& path) {
        return fmt::format("{} on {}", proto::to_string(path.target_mac),
                           path.port.value < interfaces.size() ? interfaces[path.port.value].name
                                                               : std::string("?"));
    };
    const auto other =
        std::ranges::find(target.paths, PathState::conflict, &initiator::PathStatus::state);
    const auto known =
        std::ranges::find(target.paths, PathState::up, &initiator::PathStatus::state);
    if (other == target.paths.end() || known == target.paths.end()) {
        return std::nullopt;
    }
    return Error{.what = "cannot open " + proto::to_string(target.address),
                 .why = fmt::format("two different disks answer under this address (conflict): "
                                    "serial {} at {}, another one at {}",
                                    target.identify.serial.view(), place(*known), place(*other)),
                 .what_to_do = "give one of them another address, or name only the interface of "
                               "the right one"};
}

std::expected<std::optional<initiator::TargetStatus>, Error>
wait_for_target(Session& session, proto::Address address, WaitGoal goal, initiator::Duration wait,
                Progress::Patience patience, const std::function<bool()>& interrupted) {
    std::optional<initiator::Time> usable_since;
    Progress progress(fmt::format("waiting for {} on {}", proto::to_string(address),
                                  list_text(session.interface_names())),
                      wait, patience);
    search(session, wait, [&] {
        if (interrupted && interrupted()) {
            return true;
        }
        progress.update([&] { return missing_text(look(*session.shard, address)); });
        const auto target = session.shard->engine().target(address);
        if (!is_enough(target, goal)) {
            usable_since.reset();
            return false;
        }
        const initiator::Time now = initiator::clock_now();
        usable_since = usable_since.value_or(now);
        const bool is_settled = now - *usable_since >= settle_time;
        return is_settled && is_complete(*target, goal);
    });
    if (interrupted && interrupted()) {
        return std::optional<initiator::TargetStatus>{};
    }
    Sighting sighting = look(*session.shard, address);
    const bool will_do = goal == WaitGoal::judged && sighting.target;
    if (!will_do && !is_enough(sighting.target, goal)) {
        return std::unexpected(absent_error(address, session.interface_names(), sighting, wait));
    }
    return sighting.target;
}

} // namespace uaoe::tools
