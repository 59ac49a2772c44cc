// What does not come in: retransmission timeouts, suspect paths and fail-after.
#include "initiator/engine_state.hpp"

#include <algorithm>

namespace uaoe::initiator {

namespace {

// Timeouts in a row, each a round trip after the other, before a path is no longer trusted with
// data.
constexpr std::uint32_t silent_rounds_max = 3;

} // namespace

void Engine::State::handle_timeout(Time now) {
    while (Timer* timer = timers.pop_due(now)) {
        switch (timer->kind) {
        case TimerKind::path:
            handle_path_timer(now, *static_cast<Path*>(timer->owner));
            break;
        case TimerKind::device:
            handle_device_timer(now, *static_cast<DeviceEntry*>(timer->owner));
            break;
        case TimerKind::discover:
            discover(now);
            break;
        case TimerKind::seek:
            seek(now, *static_cast<Target*>(timer->owner));
            break;
        case TimerKind::linger:
            handle_linger_timer(now);
            break;
        case TimerKind::settle:
            handle_settle_timer(now);
            break;
        }
    }
}

// Armed for the first timeout of the path; a round-trip estimate that changed meanwhile is caught
// when it fires.
void Engine::State::arm_path_timer(Path& path) {
    std::optional<Time> first;
    const auto consider = [&](Time deadline) {
        first = std::min(first.value_or(deadline), deadline);
    };
    for (unsigned level = 0; level < Path::backoff_levels; ++level) {
        if (!path.in_flight[level].empty()) {
            consider(path.in_flight[level].front().latest().sent_at + path.rtt.rto_after(level));
        }
    }
    if (path.identify != nullptr && path.identify->phase == CommandPhase::in_flight) {
        consider(
            path.identify->latest().sent_at +
            std::min(path.rtt.rto_after(path.identify->attempts_count), config.probe_interval));
    }
    if (path.identify_retry_at) {
        consider(*path.identify_retry_at);
    }
    if (first) {
        timers.arm_at_most(path.timer, *first);
    }
}

void Engine::State::handle_path_timer(Time now, Path& path) {
    handle_identify_timeout(now, path);
    for (unsigned level = 0; level < Path::backoff_levels; ++level) {
        CommandQueue& queue = path.in_flight[level];
        while (!queue.empty() &&
               queue.front().latest().sent_at + path.rtt.rto_after(level) <= now) {
            lose_command(now, queue.front());
        }
    }
    if (path.silent_rounds_count >= silent_rounds_max && path.state == PathState::up) {
        suspect_path(now, path);
    }
    arm_path_timer(path);
}

// Takes it out of use until IDENTIFY agrees again. Query Config tells whether the target carries
// less than it did: then only its large frames are lost.
void Engine::State::suspect_path(Time now, Path& path) {
    set_path_state(now, path, PathState::suspect);
    evacuate_path(path);
    verify_path(now, path);
    if (!path.probe_hook.is_linked()) {
        probe_queue.push_back(path);
    }
}

void Engine::State::handle_identify_timeout(Time now, Path& path) {
    if (path.identify_retry_at && *path.identify_retry_at <= now) {
        verify_path(now, path);
        return;
    }
    Command* command = path.identify;
    if (command == nullptr || command->phase != CommandPhase::in_flight) {
        return;
    }
    const Duration patience =
        std::min(path.rtt.rto_after(command->attempts_count), config.probe_interval);
    if (command->latest().sent_at + patience > now) {
        return;
    }
    Target& target = *path.target;
    // A disk in use is asked for as long as it is in use. A target that never said what it is, is
    // left alone until its next Query Config answer.
    if (target.device == nullptr && now - path.identify_since >= config.identify_timeout) {
        stop_identify(path);
        if (target.state == TargetState::identifying) {
            set_target_state(target, TargetState::mute);
        }
        return;
    }
    path.identify_attempts_count =
        static_cast<std::uint8_t>(std::min(path.identify_attempts_count + 1, 255));
    command->attempts_count = path.identify_attempts_count;
    command->phase = CommandPhase::queued;
    --identifies_count;
    // With many paths silent, each has its turn on the slots there are.
    if (identify_slots_count >= commands_reserved_for_identify) {
        release_command(*command);
        path.identify = nullptr;
    }
    identify_queue.push_back(path);
}

// Out of the path's books; the caller decides what becomes of it.
void Engine::State::remove_from_flight(Command& command) {
    UAOE_ASSERT(command.phase == CommandPhase::in_flight);
    Path& path = *command.latest().path;
    CommandQueue& queue = path.in_flight[command.backoff_level];
    queue.erase(queue.iterator_to(command));
    UAOE_ASSERT(path.in_flight_count > 0);
    --path.in_flight_count;
    command.phase = CommandPhase::queued;
}

void Engine::State::lose_command(Time now, Command& command) {
    Path& path = *command.latest().path;
    const Time sent_at = command.latest().sent_at;
    const bool is_slow =
        command.kind == CommandKind::flush || command.operation == Operation::discard;
    remove_from_flight(command);
    // What was sent at the very time of an answer or a timeout was sent after it.
    if (path.last_heard <= sent_at && path.last_silent_round <= sent_at) {
        ++path.silent_rounds_count;
        path.last_silent_round = now;
    }
    if (!is_slow && !path.window.handle_loss(now, sent_at) && command.attempts_count > 0) {
        path.window.handle_repeated_loss();
    }
    DeviceEntry& device = *command.device;
    const bool failed = command.request != nullptr && command.request->status != Status::ok;
    const bool out_of_time = device.options.fail_after > Duration::zero() &&
                             now - command.first_sent_at >= device.options.fail_after;
    if (failed || out_of_time) {
        finish_command(now, command, Status::timed_out);
        return;
    }
    command.attempts_count = static_cast<std::uint8_t>(std::min(command.attempts_count + 1, 255));
    device.resend.push_back(command);
    make_ready(device);
}

void Engine::State::evacuate_path(Path& path) {
    for (CommandQueue& queue : path.in_flight) {
        while (!queue.empty()) {
            Command& command = queue.front();
            remove_from_flight(command);
            command.device->resend.push_back(command);
            make_ready(*command.device);
        }
    }
    UAOE_ASSERT(path.in_flight_count == 0);
}

void Engine::State::handle_device_timer(Time now, DeviceEntry& device) {
    if (device.target == nullptr || device.requests_pending == 0) {
        return;
    }
    // Writes that wait for a fence ask for nothing: while a path is up, they wait on.
    const Time silence_began = device.is_asking() ? std::max(device.last_answer, device.asked_since)
                               : device.state == DeviceState::up
                                   ? now
                                   : std::max(device.last_answer, device.silent_since);
    const Time deadline = silence_began + device.options.fail_after;
    if (deadline > now) {
        timers.arm(device.fail_timer, deadline);
        return;
    }
    for (const auto& path : device.target->paths) {
        if (path->state == PathState::up) {
            suspect_path(now, *path);
        }
    }
    device.state = DeviceState::down;
    push_event({.kind = EventKind::device_changed,
                .address = device.target->address,
                .device_state = device.state});
    fail_everything(now, device, Status::timed_out);
}

} // namespace uaoe::initiator
