// LUNs of which something is known from before: a daemon that was restarted has requests for them
// at once, long before they have answered, or while they do not answer at all.
//
// What is known is a disk's identity and the MACs it had. The identity stands as if an IDENTIFY had
// brought it: every path is verified against it, and another disk is a conflict. The MACs say where
// writes of the earlier process may wait (fences.cpp), and who is still missing. Known paths there
// are none, because which port leads to a MAC may have changed; so the LUN is asked for by
// broadcasts for its address alone, until it is in use and nobody is missing.
#include "initiator/engine_state.hpp"

#include <algorithm>

namespace uaoe::initiator {

std::expected<DeviceIndex, AttachError> Engine::State::attach_known(Time now,
                                                                    proto::Address address,
                                                                    const KnownDisk& disk,
                                                                    const DeviceOptions& options) {
    const auto identify = proto::parse_identify(disk.identify_data);
    if (!identify) {
        return std::unexpected(AttachError::bad_identity);
    }
    const auto found = targets.find(address);
    if (found != targets.end() && found->second->device != nullptr) {
        return std::unexpected(AttachError::already_attached);
    }
    const auto free = std::ranges::find(devices, nullptr, &DeviceEntry::target);
    if (free == devices.end()) {
        return std::unexpected(AttachError::no_room);
    }
    Target* target = find_or_add_target(address);
    if (target == nullptr) {
        return std::unexpected(AttachError::no_room);
    }
    tell_identity(now, *target, disk, *identify);
    const DeviceIndex index = open_device(now, *target, *free, *identify, options);
    for (const auto& path : target->paths) {
        if (path->state == PathState::unverified || path->state == PathState::suspect) {
            verify_path(now, *path);
        }
    }
    seek(now, *target);
    return index;
}

void Engine::State::tell_identity(Time now, Target& target, const KnownDisk& disk,
                                  const proto::Identify& identify) {
    target.known_macs = disk.target_macs;
    if (target.state == TargetState::ready && same_disk(target.identify, identify)) {
        return;
    }
    const bool is_other_disk = target.state == TargetState::ready;
    target.identify = identify;
    target.identify_data = disk.identify_data;
    target.state = TargetState::ready; // no news: nothing was heard
    target.is_hearsay = true;
    for (const auto& path : target.paths) {
        update_payload(now, *path);
        if (is_other_disk && path->state == PathState::up) {
            set_conflict(now, *path);
        }
    }
}

// After a detach. An identity that nobody confirmed is no longer anybody's: what answers there says
// itself what it is, and where nothing answers there is no target.
void Engine::State::forget_hearsay(Time now, Target& target) {
    timers.disarm(target.seek_timer);
    if (target.seek_hook.is_linked()) {
        seek_queue.erase(seek_queue.iterator_to(target));
    }
    if (!target.is_hearsay) {
        return;
    }
    target.is_hearsay = false;
    if (target.paths.empty()) {
        UAOE_ASSERT(target.commands_count == 0 && target.fences.empty());
        targets.erase(target.address);
        return;
    }
    target.identify = {};
    target.identify_data = {};
    set_target_state(target, TargetState::identifying);
    for (const auto& path : target.paths) {
        if (path->state != PathState::down) {
            verify_path(now, *path);
        }
    }
}

// Of an attached one: it is not in use, or its writes wait until all known MACs have answered, and
// there may be more of it than was found. Those that were found and are silent are asked by
// IDENTIFY.
bool Engine::State::is_sought(Time now, const Target& target) const {
    const bool any_found = std::ranges::any_of(
        target.paths, [](const auto& path) { return path->state != PathState::conflict; });
    const bool all_found =
        any_found && std::ranges::all_of(target.known_macs,
                                         [&](const auto& mac) { return target.leads_to(mac); });
    const bool is_settling = !target.is_settled && now >= target.settle_from;
    return !all_found && (is_settling || target.device->state != DeviceState::up);
}

void Engine::State::seek(Time now, Target& target) {
    if (!is_sought(now, target)) {
        return;
    }
    target.seek_port_next = 0;
    if (!target.seek_hook.is_linked()) {
        seek_queue.push_back(target);
    }
    timers.arm(target.seek_timer, now + config.probe_interval);
}

} // namespace uaoe::initiator
