// What does not come in: retransmission timeouts, suspect paths and fail-after.
#include "initiator/engine_state.hpp"

#include <algorithm>

namespace uaoe::initiator {

namespace {

// Timeouts in a row, each a round trip after the other, before a path is no longer trusted with
// data. The first of a read or write is enough where another path carries them meanwhile; a FLUSH
// that takes long would only be done once more there.
constexpr std::uint32_t silent_rounds_max = 3;

// Tail probes in a row: the second one, after twice the patience, for when the first was lost, too.
constexpr std::uint8_t tail_probes_max = 2;

// Where the window shrank below what is in flight, a probe would not get the room of its first
// copy.
bool may_probe_tail(const Path& path) {
    return path.tail_probes_count < tail_probes_max && path.in_flight_count > 0 &&
           path.frames_in_flight() <= path.window.cwnd();
}

bool has_replacement(const Path& path) {
    return std::ranges::any_of(path.target->paths, [&](const auto& other) {
        return other.get() != &path && other->state == PathState::up &&
               other->silent_rounds_count == 0;
    });
}

// A target may well answer what came later first, and has not done it yet.
bool is_slow(const Command& command) {
    return command.kind == CommandKind::flush || command.operation == Operation::discard;
}

// Back-off levels at which being overtaken counts. A command that was overtaken more often than
// chance explains, or that timed out again and again, is one the target has its trouble with: more
// copies of it would not help.
constexpr unsigned overtaken_levels = 4;

bool is_overtaken(const Path& path, Command& command) {
    return path.losses.is_overtaken(command.latest().order) && !is_slow(command);
}

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
            repeat_discover(now);
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
        case TimerKind::administration:
            administration.handle_timeout(now);
            arm_administration_timer();
            break;
        }
    }
}

// When something is to be done for the path.
std::optional<Time> Engine::State::path_deadline(Path& path) const {
    std::optional<Time> first;
    const auto consider = [&](Time deadline) {
        first = std::min(first.value_or(deadline), deadline);
    };
    if (path.in_flight_count > 0) {
        for (unsigned level = 0; level < Path::backoff_levels; ++level) {
            if (path.in_flight[level].empty()) {
                continue;
            }
            const Transmission& first_sent = path.in_flight[level].front().latest();
            consider(first_sent.sent_at + path.rtt.rto_after(level));
            if (level < overtaken_levels && is_overtaken(path, path.in_flight[level].front())) {
                consider(path.losses.deadline(first_sent.sent_at, level));
            }
        }
        if (may_probe_tail(path)) {
            consider(std::max(path.last_sent, path.last_heard) + tail_patience(path));
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
    if (const auto deadline = payload_deadline(path)) {
        consider(*deadline);
    }
    return first;
}

void Engine::State::arm_path_timer(Path& path) {
    if (const auto first = path_deadline(path)) {
        timers.arm_at_most(path.timer, *first);
    }
}

// A path's timer was armed for what came first then, and most of that is answered by now. Looked at
// here, once for many frames: to be woken for nothing, with a few answers there and the others on
// their way, costs a system call for each few.
std::optional<Time> Engine::State::next_timeout() {
    for (Timer* timer = timers.first(); timer != nullptr && timer->kind == TimerKind::path;
         timer = timers.first()) {
        const auto due = path_deadline(*static_cast<Path*>(timer->owner));
        if (due && *due <= timer->deadline) {
            break;
        }
        if (due) {
            timers.arm(*timer, *due);
        } else {
            timers.disarm(*timer);
        }
    }
    return timers.next_deadline();
}

void Engine::State::handle_path_timer(Time now, Path& path) {
    handle_identify_timeout(now, path);
    handle_payload_timeout(now, path);
    detect_losses(now, path);
    for (unsigned level = 0; level < Path::backoff_levels; ++level) {
        CommandQueue& queue = path.in_flight[level];
        while (!queue.empty() &&
               queue.front().latest().sent_at + path.rtt.rto_after(level) <= now) {
            lose_command(now, queue.front(), LossSign::timeout);
        }
    }
    probe_tail(now, path);
    const std::uint32_t rounds_max =
        path.is_transfer_overdue && has_replacement(path) ? 1 : silent_rounds_max;
    if (path.silent_rounds_count >= rounds_max && path.state == PathState::up) {
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
    const bool is_needed = target.device != nullptr && path.state != PathState::up;
    if (!is_needed && now - path.identify_since >= config.identify_timeout) {
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

// Commands that a later one has overtaken by more than the reorder window.
void Engine::State::detect_losses(Time now, Path& path) {
    for (unsigned level = 0; level < overtaken_levels && path.in_flight_count > 0; ++level) {
        CommandQueue& queue = path.in_flight[level];
        while (!queue.empty() && is_overtaken(path, queue.front())) {
            Command& command = queue.front();
            const Time deadline = path.losses.deadline(command.latest().sent_at, level);
            if (deadline > now) {
                timers.arm_at_most(path.timer, deadline);
                break;
            }
            lose_command(now, command, LossSign::overtaken);
        }
    }
}

// Of silence, before the newest command is sent once more.
Duration Engine::State::tail_patience(const Path& path) const {
    if (!path.rtt.has_sample()) {
        return path.rtt.rto();
    }
    return std::max(2 * path.rtt.srtt(), config.tail_probe_min) * (1LL << path.tail_probes_count);
}

// An answer may bring a probe nearer than the timer knows: there is room for one again.
void Engine::State::arm_tail_probe(Time now, Path& path) {
    if (may_probe_tail(path)) {
        timers.arm_at_most(path.timer, now + tail_patience(path));
    }
}

// Nothing overtakes the last commands of a burst. So the newest is sent again, on the same path:
// its answer overtakes what was lost before it. That is no reason to send less.
void Engine::State::probe_tail(Time now, Path& path) {
    const Time due = std::max(path.last_sent, path.last_heard) + tail_patience(path);
    if (!may_probe_tail(path) || due > now) {
        return;
    }
    Command* newest = nullptr;
    for (CommandQueue& queue : path.in_flight) {
        if (!queue.empty() && !is_slow(queue.back()) &&
            (newest == nullptr || queue.back().latest().order > newest->latest().order)) {
            newest = &queue.back();
        }
    }
    ++path.tail_probes_count;
    if (newest == nullptr) {
        return;
    }
    remove_from_flight(*newest);
    newest->is_tail_probe = true;
    newest->device->resend.push_front(*newest);
    make_ready(*newest->device);
}

void Engine::State::lose_command(Time now, Command& command, LossSign sign) {
    Path& path = *command.latest().path;
    Transmission& lost = command.latest();
    const Time sent_at = lost.sent_at;
    remove_from_flight(command);
    lost.given_up = true;
    if (sign == LossSign::overtaken) {
        lost.window_event = path.window.handle_loss(now, sent_at);
        path.losses.handle_loss();
        command.overtaken_count =
            static_cast<std::uint8_t>(std::min(command.overtaken_count + 1, 255));
    } else {
        if (path.losses.is_overtaken(lost.order)) {
            path.losses.handle_loss(); // its window was too wide to see it
        }
        // What was sent at the very time of an answer or a timeout was sent after it.
        if (path.last_heard <= sent_at && path.last_silent_round <= sent_at) {
            ++path.silent_rounds_count;
            path.last_silent_round = now;
            path.is_transfer_overdue = path.is_transfer_overdue || !is_slow(command);
            path.frame_cost = std::clamp(2 * path.frame_cost, path.rtt.rto(), config.rto_max);
        }
        if (!is_slow(command)) {
            lost.window_event =
                path.window.handle_timeout(now, sent_at, command.attempts_count > 0);
        }
        command.attempts_count =
            static_cast<std::uint8_t>(std::min(command.attempts_count + 1, 255));
    }
    DeviceEntry& device = *command.device;
    const bool failed = command.request != nullptr && command.request->status != Status::ok;
    const bool out_of_time = device.options.fail_after > Duration::zero() &&
                             now - command.first_sent_at >= device.options.fail_after;
    if (failed || out_of_time) {
        finish_command(now, command, Status::timed_out);
        return;
    }
    device.resend.push_back(command);
    make_ready(device);
    suspect_payload(now, command, lost);
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
    // Writes that wait for a fence ask for nothing: while a path is up, they wait on. While none
    // is, they have fail-after from when the first of them came.
    const Time wait_began = std::max(device.last_answer, device.asked_since);
    const Time silence_began = device.is_asking() ? wait_began
                               : device.state == DeviceState::up
                                   ? now
                                   : std::max(wait_began, device.silent_since);
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
