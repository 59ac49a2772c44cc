// The target table: who answers Query Config, whether IDENTIFY agrees, and so which paths may carry
// data.
//
// A path is verified by an IDENTIFY over that very path: before its first data, after several
// silent round trips, after its port was down and after the target's boot advertisement. Until then
// it carries nothing, so a disk that took another's address never gets that one's writes.
#include "initiator/engine_state.hpp"

#include <algorithm>
#include <string_view>

namespace uaoe::initiator {

namespace {

DeviceState state_of(const Target& target, DeviceState before) {
    const bool any_up = std::ranges::any_of(
        target.paths, [](const auto& path) { return path->state == PathState::up; });
    if (any_up) {
        return DeviceState::up;
    }
    return before == DeviceState::down ? DeviceState::down : DeviceState::silent;
}

bool has_grown(const proto::Identify& before, const proto::Identify& now) {
    proto::Identify grown = before;
    grown.sectors = now.sectors;
    return now.sectors > before.sectors && same_disk(grown, now);
}

} // namespace

bool same_disk(const proto::Identify& a, const proto::Identify& b) {
    return a.serial == b.serial && a.model == b.model && a.sectors == b.sectors &&
           a.logical_sector_bytes == b.logical_sector_bytes;
}

void Engine::State::handle_port(Time now, PortIndex index, const PortState& state) {
    UAOE_ASSERT(index.value < ports.size());
    Port& port = ports[index.value];
    const bool went_down = port.state.up && !state.up;
    const bool came_up = !port.state.up && state.up;
    port.state = state;
    if (came_up) {
        discover_wait = std::min(config.discover_first, config.discover_interval);
    }
    if (!state.up && port.wants_discover) {
        port.wants_discover = false;
        --discovers_wanted_count;
    }
    for (const auto& [address, target] : targets) {
        for (const auto& path : target->paths) {
            if (path->port != index) {
                continue;
            }
            update_payload(now, *path);
            if (went_down) {
                path->was_silent_when_down =
                    path->state != PathState::up || path->silent_rounds_count > 0 ||
                    (path->in_flight_count > 0 && now - path->last_heard >= path->rtt.rto()) ||
                    (path->probe_outstanding && path->last_heard <= path->probe_sent_at &&
                     now - path->probe_sent_at >= path->rtt.rto());
                stop_identify(*path);
                if (path->probe_hook.is_linked()) {
                    probe_queue.erase(probe_queue.iterator_to(*path));
                }
                set_path_state(now, *path, PathState::down);
                evacuate_path(*path);
            } else if (came_up && path->state == PathState::down) {
                verify_path(now, *path);
            }
        }
        if (target->device != nullptr) {
            make_ready(*target->device);
        }
    }
}

void Engine::State::discover(Time now) {
    for (Port& port : ports) {
        if (port.state.up && !port.wants_discover) {
            port.wants_discover = true;
            ++discovers_wanted_count;
        }
    }
    if (config.discover_interval > Duration::zero()) {
        timers.arm(discover_timer, now + discover_wait);
    }
}

void Engine::State::repeat_discover(Time now) {
    discover_wait = std::min(discover_wait * 2, config.discover_interval);
    discover(now);
}

bool Engine::State::probe(proto::Address address) {
    const auto found = targets.find(address);
    if (found == targets.end()) {
        return false;
    }
    for (const auto& path : found->second->paths) {
        if (path->state != PathState::down && !path->probe_hook.is_linked()) {
            probe_queue.push_back(*path);
        }
    }
    return true;
}

bool Engine::State::revalidate(Time now, proto::Address address) {
    const auto found = targets.find(address);
    if (found == targets.end()) {
        return false;
    }
    for (const auto& path : found->second->paths) {
        if (path->state == PathState::up) {
            ask_identity(now, *path);
        }
    }
    return true;
}

Target* Engine::State::find_or_add_target(proto::Address address) {
    const auto found = targets.find(address);
    if (found != targets.end()) {
        return found->second.get();
    }
    if (targets.size() >= config.targets_count_max) {
        ++counters.targets_dropped;
        return nullptr;
    }
    return targets.emplace(address, std::make_unique<Target>(address)).first->second.get();
}

Path* Engine::State::find_or_add_path(Target& target, PortIndex port, const proto::MacAddress& mac,
                                      std::uint32_t buffer_count) {
    for (const auto& path : target.paths) {
        if (path->port == port && path->target_mac == mac) {
            return path.get();
        }
    }
    if (target.paths.size() >= config.paths_per_target_max) {
        ++counters.targets_dropped;
        return nullptr;
    }
    if (target.paths.empty()) {
        push_event({.kind = EventKind::target_found, .address = target.address});
    }
    target.paths.push_back(std::make_unique<Path>(target, port, mac, config, buffer_count));
    return target.paths.back().get();
}

void Engine::State::handle_query_config(Time now, PortIndex port, const proto::Frame& frame) {
    const auto fields = proto::parse_query_config(frame.argument);
    if (!fields || frame.is_error || frame.address.is_broadcast() || frame.source.is_zero()) {
        ++counters.malformed;
        return;
    }
    Target* target = find_or_add_target(frame.address);
    if (target == nullptr) {
        return;
    }
    // 0 and 1 are seen in the wild and both mean one at a time; some advertise more than they hold.
    const std::uint32_t window_limit =
        std::clamp<std::uint32_t>(fields->buffer_count, 1, config.window_frames_max);
    Path* path = find_or_add_path(*target, port, frame.source, window_limit);
    if (path == nullptr) {
        return;
    }
    target->buffer_count = fields->buffer_count;
    target->firmware_version = fields->firmware_version;
    target->sectors_advertised = fields->sectors_per_frame == 0 ? 2 : fields->sectors_per_frame;
    const std::string_view string(reinterpret_cast<const char*>(fields->string.data()),
                                  fields->string.size());
    if (target->config_string != string) {
        target->config_string = string;
    }
    path->buffer_count = fields->buffer_count;
    path->window.set_limit(window_limit);
    path->sectors_advertised = target->sectors_advertised;
    update_payload(now, *path);

    const TagFields tag = split_tag(frame.tag);
    // A target that starts says so with tag 0, mostly to everybody. The kernel's driver on this
    // host asks with tag 0, and those answers come from targets that were heard a moment ago.
    const bool is_boot = frame.tag.value == 0 && (frame.destination.is_multicast() ||
                                                  now - path->last_heard >= config.rto_max);
    if (frame.tag.value != 0) {
        take_payload_answer(now, *path, tag.generation);
    }
    if (frame.tag.value != 0 && path->probe_outstanding &&
        tag.generation == path->probe_generation) {
        path->probe_outstanding = false;
        path->answered_up_to = std::max(path->answered_up_to, path->probe_sent_at);
        settle_target(now, *target);
        push_event({.kind = EventKind::probe_answered,
                    .address = target->address,
                    .port = port,
                    .target_mac = frame.source,
                    .path_state = path->state,
                    .duration = now - path->probe_sent_at});
    }
    if (is_boot) {
        stop_identify(*path); // it was asked of what the target was before
    }
    if (is_boot || path->state != PathState::up) {
        verify_path(now, *path);
    } else if (target->device != nullptr && config.identify_interval > Duration::zero() &&
               now - path->identified_at >= config.identify_interval) {
        ask_identity(now, *path);
    }
    if (target->device != nullptr) {
        make_ready(*target->device);
    }
}

void Engine::State::verify_path(Time now, Path& path) {
    if (!ports[path.port.value].state.up) {
        set_path_state(now, path, PathState::down);
        return;
    }
    if (path.state == PathState::up || path.state == PathState::down) {
        set_path_state(now, path, PathState::unverified);
        evacuate_path(path);
    }
    ask_identity(now, path);
}

void Engine::State::ask_identity(Time now, Path& path) {
    if (path.wants_identify) {
        return;
    }
    path.identify_retry_at.reset();
    path.wants_identify = true;
    path.identify_since = now;
    identify_queue.push_back(path);
}

void Engine::State::stop_identify(Path& path) {
    path.wants_identify = false;
    path.identify_attempts_count = 0;
    path.identify_retry_at.reset();
    if (path.identify_hook.is_linked()) {
        identify_queue.erase(identify_queue.iterator_to(path));
    }
    if (path.identify != nullptr) {
        identifies_count -= path.identify->phase == CommandPhase::in_flight ? 1 : 0;
        release_command(*path.identify);
        path.identify = nullptr;
    }
}

void Engine::State::handle_identify(Time now, Path& path, const proto::Frame& frame) {
    Target& target = *path.target;
    stop_identify(path);
    const bool is_known = target.state == TargetState::ready;
    std::optional<proto::Identify> identify;
    TargetState failure = TargetState::failed;
    if (frame.is_error) {
        failure = frame.error == proto::AoeError::target_is_reserved   ? TargetState::reserved
                  : frame.error == proto::AoeError::device_unavailable ? TargetState::unavailable
                                                                       : TargetState::failed;
    } else if (const auto ata = proto::parse_ata(frame.argument);
               ata && (ata->command_status &
                       (proto::ata_status_error | proto::ata_status_device_fault)) == 0) {
        identify = proto::parse_identify(ata->data);
    }
    if (!identify) {
        // A known disk stays what it was. While it is in use its paths are asked again; otherwise
        // they wait for the next Query Config answer.
        if (!is_known) {
            set_target_state(target, failure);
        }
        if (target.device != nullptr && path.state != PathState::up) {
            path.identify_retry_at = now + config.probe_interval;
            arm_path_timer(path);
        }
        return;
    }
    const bool in_use =
        target.device != nullptr || std::ranges::any_of(target.paths, [&](const auto& other) {
            return other.get() != &path && other->state == PathState::up;
        });
    if (is_known && !same_disk(target.identify, *identify) && in_use) {
        // One that was never away has grown. One that comes back with another size may be a copy of
        // what it was.
        if (path.state == PathState::up && has_grown(*identify, target.identify)) {
            // It may not have heard yet that it has grown. Until it has, it is not used.
            verify_path(now, path);
            stop_identify(path);
            path.identify_retry_at = now + config.probe_interval;
            arm_path_timer(path);
            return;
        }
        if (path.state != PathState::up || !has_grown(target.identify, *identify)) {
            set_conflict(now, path);
            return;
        }
        take_growth(now, path, *identify);
    }
    path.identified_at = now;
    target.is_hearsay = false;
    target.identify = *identify;
    const auto data = proto::parse_ata(frame.argument)->data.first(proto::identify_bytes);
    std::ranges::copy(data, target.identify_data.begin());
    set_target_state(target, TargetState::ready);
    path.silent_rounds_count = 0;
    update_payload(now, path);
    set_path_state(now, path, PathState::up);
    if (target.device != nullptr) {
        make_ready(*target.device);
    }
}

// By the word of one path. The others are asked, for a request past the old end may take any.
void Engine::State::take_growth(Time now, const Path& path, const proto::Identify& identify) {
    Target& target = *path.target;
    if (target.device == nullptr) {
        return;
    }
    for (const auto& other : target.paths) {
        if (other.get() != &path && other->state == PathState::up) {
            ask_identity(now, *other);
        }
    }
    target.device->info.identify = identify;
    target.device->info.sectors = identify.sectors;
    push_event({.kind = EventKind::capacity_changed,
                .address = target.address,
                .size_bytes = identify.sectors.value * identify.logical_sector_bytes});
}

void Engine::State::set_conflict(Time now, Path& path) {
    if (path.state == PathState::conflict) {
        return;
    }
    evacuate_path(path);
    set_path_state(now, path, PathState::conflict);
    push_event({.kind = EventKind::identity_conflict,
                .address = path.target->address,
                .port = path.port,
                .target_mac = path.target_mac,
                .path_state = path.state});
}

void Engine::State::set_path_state(Time now, Path& path, PathState state) {
    if (path.state == state) {
        return;
    }
    path.state = state;
    stop_payload_search(path);
    if (state == PathState::up) {
        restart_payload_search(now, path);
    }
    push_event({.kind = EventKind::path_changed,
                .address = path.target->address,
                .port = path.port,
                .target_mac = path.target_mac,
                .path_state = state});
    update_device_state(now, *path.target);
}

void Engine::State::set_target_state(Target& target, TargetState state) {
    if (target.state == state) {
        return;
    }
    target.state = state;
    push_event(
        {.kind = EventKind::target_changed, .address = target.address, .target_state = state});
}

void Engine::State::update_device_state(Time now, Target& target) {
    if (target.device == nullptr) {
        return;
    }
    DeviceEntry& device = *target.device;
    const DeviceState state = state_of(target, device.state);
    if (device.state == state) {
        return;
    }
    const DeviceState before = device.state;
    device.state = state;
    if (state == DeviceState::up && before == DeviceState::down) {
        device.asked_since = now;
    } else if (state == DeviceState::silent && before == DeviceState::up) {
        device.silent_since = now;
    }
    push_event(
        {.kind = EventKind::device_changed, .address = target.address, .device_state = state});
}

} // namespace uaoe::initiator
