// Fences: finished writes of which a copy may still reach the disk. AoE has no sequence numbers, so
// such a copy would overwrite newer data; overlapping writes wait until it cannot.
//
// A copy without an answer is gone when both are true:
//   1. `linger` has passed since it was sent: it is no longer in the fabric;
//   2. it does not wait in a target that stands still. That is known once the target's MAC has
//      answered a frame sent after (1), because a target takes its frames in order. A path that
//      carries nothing is asked with Query Config, which touches no data. Where a path that
//      answered was cut off by its own port, (1) has to do: its target was well.
// A target that never answers again is feared for `target_hold`. Of a copy of which it is forgotten
// where it went, (2) has to hold of every path. A target that stopped less than a timeout before
// its cable was pulled, or after that, is not feared: nothing tells it from one that was well.
//
// Where order is promised (DeviceOptions::in_order), the answer to any data that was sent later on
// the copy's own path says the same, at once: the copy was done before, or is lost. One path's
// order says nothing of another's. It holds for as long as no answer on that path came out of turn.
//
// The frames of whoever used the LUN before it was attached here are unknown: an earlier process,
// or another shard. They may be writes of anything, so each is treated as a copy of every range,
// sent when the LUN was attached. No write goes to a target before it is settled: `settle` has
// passed since, and each target MAC that is known has answered a frame sent after that; or
// `target_hold` has passed. Known are the MACs of all paths, other disks' too, and those the
// earlier process told of; which have no path here perhaps. A port that is down settles nothing:
// whether its targets were well is not known for as long as those frames live. A target that is
// settled stays so until it is attached again.
#include "initiator/engine_state.hpp"

#include <algorithm>
#include <limits>
#include <span>

namespace uaoe::initiator {

namespace {

// How often held fences are looked at, and their paths asked.
constexpr Duration hold_check_interval = 125ms;

// Probes without an answer, one after the other, before a path that carries nothing else is taken
// for silent: then fail-after counts for the writes that wait.
constexpr std::uint8_t probes_missed_max = 3;

// The target that got it has answered something that was sent when the copy was out of the fabric.
bool is_gone(const Target& target, const Path& path, Time sent_at, Duration linger) {
    return (path.state == PathState::down && !path.was_silent_when_down) ||
           std::ranges::any_of(target.paths, [&](const auto& other) {
               return other->target_mac == path.target_mac &&
                      other->answered_up_to >= sent_at + linger;
           });
}

// The same of a copy of which it is not known any more where it went.
bool is_gone_everywhere(const Target& target, Time sent_at, Duration linger) {
    return std::ranges::all_of(
        target.paths, [&](const auto& path) { return is_gone(target, *path, sent_at, linger); });
}

// Later data on its path was answered, and order is promised.
bool is_overtaken_in_order(const Target& target, const Path& path, std::uint64_t order) {
    return target.device != nullptr && target.device->options.in_order &&
           path.losses.keeps_order() && path.losses.is_overtaken(order);
}

std::span<const Transmission> copies_of(const Command& command) {
    return std::span(command.transmissions).first(command.transmissions_count);
}

} // namespace

// In the order of sending.
void Fence::add_copy(const Copy& copy) {
    const auto known =
        std::ranges::find(copies.begin(), copies.begin() + copies_count, copy.path, &Copy::path);
    if (copy.path == nullptr || known == copies.end()) {
        has_other_copies = true;
        return;
    }
    *known = copy;
    copies_count = std::max(copies_count, static_cast<std::uint8_t>(known - copies.begin() + 1));
}

void Engine::State::retire_command(Time now, Command& command) {
    const bool writes = command.kind == CommandKind::data && changes_data(command.operation);
    std::optional<Time> last_sent = command.forgotten_sent_at;
    for (const Transmission& copy : copies_of(command)) {
        if (!copy.answered && !is_overtaken_in_order(*command.target, *copy.path, copy.order)) {
            last_sent = std::max(last_sent.value_or(copy.sent_at), copy.sent_at);
        }
    }
    if (!writes || !last_sent || (*last_sent + config.linger <= now && copies_are_gone(command)) ||
        *last_sent + std::max(config.linger, config.target_hold) <= now) {
        release_command(command);
        return;
    }
    fence(now, command, *last_sent);
}

// A slot is worth more to a command that is to be sent than to one that is finished, when there are
// few.
Fence& Engine::State::make_fence(Command& command) {
    // Copies that were not given up are likely to be answered any moment, which lifts the fence.
    const bool is_lost =
        command.forgotten_sent_at || std::ranges::any_of(copies_of(command), [](const auto& copy) {
            return !copy.answered && copy.given_up;
        });
    const std::size_t plenty =
        config.commands_count_max - config.commands_count_max / (is_lost ? 8 : 4);
    if (commands.free_count() >= plenty || spare_fences.empty()) {
        command.fence.command = &command;
        return command.fence;
    }
    Fence& fence = spare_fences.front();
    spare_fences.pop_front();
    fence.command = nullptr;
    fence.copies_count = 0;
    fence.has_other_copies = false;
    if (command.forgotten_sent_at) {
        // Its order was forgotten with it: the highest, which nothing overtakes.
        fence.add_copy({.path = command.forgotten_path,
                        .sent_at = *command.forgotten_sent_at,
                        .order = std::numeric_limits<std::uint64_t>::max()});
    }
    for (const Transmission& copy : copies_of(command)) {
        if (!copy.answered) {
            fence.add_copy({.path = copy.path, .sent_at = copy.sent_at, .order = copy.order});
        }
    }
    return fence;
}

void Engine::State::fence(Time now, Command& command, Time last_sent) {
    release_scratch(command);
    Fence& fence = make_fence(command);
    Target& target = *command.target;
    fence.target = &target;
    fence.lba = command.lba;
    fence.sectors_max = command.sectors_max;
    fence.fence_until = last_sent + config.linger;
    fence.hold_until = last_sent + std::max(config.linger, config.target_hold);
    fence.is_held = false;
    target.fences.insert(fence);
    target.fence_sectors_max = std::max<std::uint64_t>(target.fence_sectors_max, fence.sectors_max);
    auto place = lingering.end();
    while (place != lingering.begin() && std::prev(place)->fence_until > fence.fence_until) {
        --place;
    }
    lingering.insert(place, fence);
    timers.arm_at_most(linger_timer, std::max(fence.fence_until, now));
    if (fence.command == nullptr) {
        release_command(command);
        return;
    }
    command.phase = CommandPhase::lingering;
    --command.device->commands_count;
    command.device = nullptr;
    command.request = nullptr;
}

// Rule 2 of all copies that have no answer.
bool Engine::State::copies_are_gone(const Command& command) const {
    const Target& target = *command.target;
    const bool forgotten_are_gone =
        !command.forgotten_sent_at ||
        (command.forgotten_path != nullptr
             ? is_gone(target, *command.forgotten_path, *command.forgotten_sent_at, config.linger)
             : is_gone_everywhere(target, *command.forgotten_sent_at, config.linger));
    return forgotten_are_gone && std::ranges::all_of(copies_of(command), [&](const auto& copy) {
               return copy.answered || is_overtaken_in_order(target, *copy.path, copy.order) ||
                      is_gone(target, *copy.path, copy.sent_at, config.linger);
           });
}

// No copy of it can land any more, although linger has not passed.
bool Engine::State::is_done_in_order(const Fence& fence) {
    if (fence.target->device == nullptr || !fence.target->device->options.in_order) {
        return false;
    }
    if (fence.command == nullptr) {
        return !fence.has_other_copies &&
               std::ranges::all_of(
                   std::span(fence.copies).first(fence.copies_count), [&](const auto& copy) {
                       return is_overtaken_in_order(*fence.target, *copy.path, copy.order);
                   });
    }
    return !fence.command->forgotten_sent_at &&
           std::ranges::all_of(copies_of(*fence.command), [&](const auto& copy) {
               return copy.answered || is_overtaken_in_order(*fence.target, *copy.path, copy.order);
           });
}

// No copy of it can land any more.
bool Engine::State::is_passed(Time now, const Fence& fence) const {
    if (fence.hold_until <= now) {
        return true;
    }
    if (fence.command != nullptr) {
        return copies_are_gone(*fence.command);
    }
    if (fence.has_other_copies) { // none was sent after what fence_until follows
        return is_gone_everywhere(*fence.target, fence.fence_until - config.linger, config.linger);
    }
    return std::ranges::all_of(
        std::span(fence.copies).first(fence.copies_count), [&](const auto& copy) {
            return is_overtaken_in_order(*fence.target, *copy.path, copy.order) ||
                   is_gone(*fence.target, *copy.path, copy.sent_at, config.linger);
        });
}

// Whether its target has done what it had before. Not more often than an answer takes.
void Engine::State::ask_path(Time now, Path& path) {
    const Duration patience = std::max(hold_check_interval, path.rtt.rto());
    const bool is_asked = path.probe_hook.is_linked() || path.probe_sent_at + patience > now;
    if (path.state == PathState::down || is_asked) {
        return;
    }
    path.probes_missed_count =
        static_cast<std::uint8_t>(path.probe_outstanding ? path.probes_missed_count + 1 : 0);
    if (path.probes_missed_count >= probes_missed_max && path.state == PathState::up) {
        path.probes_missed_count = 0;
        suspect_path(now, path); // and asks it
    } else {
        probe_queue.push_back(path);
    }
}

void Engine::State::ask_paths(Time now, const Fence& fence) {
    const auto ask = [&](Path& path, Time sent_at) {
        if (!is_gone(*fence.target, path, sent_at, config.linger)) {
            ask_path(now, path);
        }
    };
    const auto ask_all = [&](Time sent_at) {
        for (const auto& path : fence.target->paths) {
            ask(*path, sent_at);
        }
    };
    if (fence.command == nullptr) {
        if (fence.has_other_copies) {
            ask_all(fence.fence_until - config.linger);
            return;
        }
        for (const auto& copy : std::span(fence.copies).first(fence.copies_count)) {
            ask(*copy.path, copy.sent_at);
        }
        return;
    }
    for (const Transmission& copy : copies_of(*fence.command)) {
        if (!copy.answered) {
            ask(*copy.path, copy.sent_at);
        }
    }
    if (fence.command->forgotten_path != nullptr) {
        ask(*fence.command->forgotten_path, *fence.command->forgotten_sent_at);
    } else if (fence.command->forgotten_sent_at) {
        ask_all(*fence.command->forgotten_sent_at);
    }
}

// The caller lets writes in, by admit_wanted().
void Engine::State::remove_fence(Fence& fence) {
    Target& target = *fence.target;
    target.fences.erase(target.fences.iterator_to(fence));
    if (target.fences.empty()) {
        target.fence_sectors_max = 0;
    }
    FenceQueue& queue = fence.is_held ? held : lingering;
    queue.erase(queue.iterator_to(fence));
    if (target.device != nullptr) {
        target.device->wants_admission = true;
    }
    if (fence.command != nullptr) {
        release_command(*fence.command);
    } else {
        spare_fences.push_back(fence);
    }
}

void Engine::State::handle_linger_timer(Time now) {
    while (!lingering.empty() && lingering.front().fence_until <= now) {
        Fence& fence = lingering.front();
        if (is_passed(now, fence)) {
            remove_fence(fence);
            continue;
        }
        lingering.pop_front();
        fence.is_held = true;
        held.push_back(fence);
        ask_paths(now, fence);
    }
    // All of them together now and then: there may be many, and as many moments at which one joins
    // them.
    if (now - held_checked_at >= hold_check_interval) {
        held_checked_at = now;
        for (auto it = held.begin(); it != held.end();) {
            Fence& fence = *it++;
            if (is_passed(now, fence)) {
                remove_fence(fence);
            } else {
                ask_paths(now, fence);
            }
        }
    }
    if (!held.empty()) {
        timers.arm(linger_timer, held_checked_at + hold_check_interval);
    }
    if (!lingering.empty()) {
        timers.arm_at_most(linger_timer, lingering.front().fence_until);
    }
    admit_wanted(now);
}

void Engine::State::begin_to_settle(Time now, Target& target) {
    target.is_settled = false;
    if (config.settle > Duration::zero()) {
        target.settle_from = now + std::max(config.settle, config.linger);
        target.settle_until = std::max(target.settle_from, now + config.target_hold);
        timers.arm_at_most(settle_timer, target.settle_from);
    } else {
        settle_target(now, target);
    }
}

// Whether what waited in front of that MAC is done.
bool Engine::State::is_settled_at(const Target& target, const proto::MacAddress& mac) {
    return std::ranges::any_of(target.paths, [&](const auto& path) {
        return path->target_mac == mac && path->answered_up_to >= target.settle_from;
    });
}

// At the first sign that no write of an earlier engine can land any more, lets writes in. Before it
// is attached it need not be known: more of its MACs may be by then.
void Engine::State::settle_target(Time now, Target& target) {
    if (target.is_settled || target.device == nullptr || now < target.settle_from) {
        return;
    }
    const bool all_answered =
        !target.paths.empty() &&
        std::ranges::all_of(
            target.paths,
            [&](const auto& path) { return is_settled_at(target, path->target_mac); }) &&
        std::ranges::all_of(target.known_macs,
                            [&](const auto& mac) { return is_settled_at(target, mac); });
    if (!all_answered && now < target.settle_until) {
        return;
    }
    target.is_settled = true;
    admit_waiting(now, *target.device);
}

// For as long as an attached device is not settled, its silent paths are asked, and those that are
// missing are asked for.
void Engine::State::handle_settle_timer(Time now) {
    for (DeviceEntry& device : devices) {
        if (device.target == nullptr || device.target->is_settled) {
            continue;
        }
        Target& target = *device.target;
        if (now < target.settle_from) {
            timers.arm_at_most(settle_timer, target.settle_from);
            continue;
        }
        settle_target(now, target);
        if (target.is_settled) {
            continue;
        }
        for (const auto& path : target.paths) {
            if (!is_settled_at(target, path->target_mac)) {
                ask_path(now, *path);
            }
        }
        if (!target.seek_timer.is_armed()) {
            seek(now, target);
        }
        timers.arm_at_most(settle_timer, std::min(now + hold_check_interval, target.settle_until));
    }
}

void Engine::State::admit_wanted(Time now) {
    for (DeviceEntry& device : devices) {
        if (device.wants_admission) {
            device.wants_admission = false;
            if (device.target != nullptr) {
                admit_waiting(now, device);
            }
        }
    }
}

} // namespace uaoe::initiator
