// How much a frame may carry on each path. What the port's MTU and the target's advertisement allow
// is only what may be tried: a switch between them that drops large frames silently is common. So a
// path of an attached LUN begins with what every Ethernet carries, until a frame of each direction
// has proved more: a padded Query Config on the way there (it touches no data), and a READ on the
// way back. Sizes that fail are searched for the largest that passes, and after a while the largest
// is tried again.
//
// The same begins anew when a path comes back into use, when more is allowed than before, and when
// a command with more than the least was lost several times in a row while nothing as large passed
// in its direction.
#include "initiator/command_frame.hpp"
#include "initiator/engine_state.hpp"

#include <algorithm>

namespace uaoe::initiator {

namespace {

// Of payload, which an MTU of 1500 carries.
constexpr std::uint32_t payload_bytes_least = 1024;

// Frames of a size, each given a timeout, before it is taken not to pass.
constexpr std::uint8_t tries_max = 3;

// Losses of a command before its size is suspected.
constexpr unsigned suspicious_losses = 3;

std::uint32_t sector_bytes_of(const Path& path) {
    return path.target->state == TargetState::ready ? path.target->identify.logical_sector_bytes
                                                    : 512;
}

} // namespace

std::uint32_t Engine::State::least_payload(const Path& path) {
    const std::uint32_t least = std::max(payload_bytes_least / sector_bytes_of(path), 1U);
    return std::min(least, path.sectors_allowed);
}

// Every path of an attached device must carry whole sectors of the size it was attached with.
void Engine::State::update_payload(Time now, Path& path) {
    const std::uint32_t sector_bytes = sector_bytes_of(path);
    const std::uint32_t before = path.sectors_allowed;
    path.sectors_allowed = std::min(
        proto::sectors_per_frame_of_mtu(ports[path.port.value].state.mtu_bytes, sector_bytes),
        path.sectors_advertised * 512 / sector_bytes);
    if (path.state != PathState::up || path.target->device == nullptr ||
        config.payload_retry == Duration::zero()) {
        path.sectors_per_frame = path.sectors_allowed;
        return;
    }
    path.sectors_per_frame = std::min(path.sectors_per_frame, path.sectors_allowed);
    if (path.sectors_allowed != before) {
        search_payload(now, path, std::max(path.sectors_per_frame, least_payload(path)));
    }
}

// `passing`: what is known to pass.
void Engine::State::search_payload(Time now, Path& path, std::uint32_t passing) {
    stop_payload_search(path);
    path.sectors_per_frame = std::min(passing, path.sectors_allowed);
    path.payload.begin(path.sectors_per_frame, path.sectors_allowed);
    continue_payload_search(now, path);
}

void Engine::State::restart_payload_search(Time now, Path& path) {
    if (path.target->device == nullptr || config.payload_retry == Duration::zero()) {
        path.sectors_per_frame = path.sectors_allowed;
        return;
    }
    search_payload(now, path, least_payload(path));
}

// The next size, or the end.
void Engine::State::continue_payload_search(Time now, Path& path) {
    PayloadProbe& probe = path.payload_probe;
    const bool has_changed = path.sectors_per_frame != path.payload.passing();
    path.sectors_per_frame = path.payload.passing();
    if (has_changed && path.target->device != nullptr) {
        make_ready(*path.target->device);
    }
    if (path.payload.is_done()) {
        if (path.sectors_per_frame < path.sectors_allowed) {
            probe.retry_at = now + config.payload_retry;
            arm_path_timer(path);
        }
        report_payload(path);
        return;
    }
    probe.stage = PayloadProbe::Stage::request;
    probe.tries_count = 0;
    probe.silent_count = 0;
    payload_queue.push_back(path);
}

// News is that a path carries less than it might, and that it does no longer.
void Engine::State::report_payload(Path& path) {
    const std::uint32_t before =
        path.sectors_reported == 0 ? path.sectors_allowed : path.sectors_reported;
    path.sectors_reported = path.sectors_per_frame;
    if (before != path.sectors_per_frame) {
        push_event({.kind = EventKind::payload_changed,
                    .address = path.target->address,
                    .port = path.port,
                    .target_mac = path.target_mac,
                    .path_state = path.state,
                    .payload_bytes = path.sectors_per_frame * sector_bytes_of(path)});
    }
}

void Engine::State::stop_payload_search(Path& path) {
    PayloadProbe& probe = path.payload_probe;
    if (path.payload_hook.is_linked()) {
        payload_queue.erase(payload_queue.iterator_to(path));
    }
    if (probe.command != nullptr) {
        release_command(*probe.command);
    }
    const bool had_room = probe.is_outstanding;
    probe = {};
    if (had_room && path.target->device != nullptr) {
        make_ready(*path.target->device);
    }
}

// One frame of a probe at a time, where the window has room for it. After one that was lost, data
// has its turn: with a window of one frame it would not have any.
bool Engine::State::transmit_payload_probe(Time now, Transmit& transmit) {
    for (Path& path : payload_queue) {
        PayloadProbe& probe = path.payload_probe;
        const Target& target = *path.target;
        if (!has_room(path, 0) || (target.is_turn_of_data && target.device->has_work())) {
            continue;
        }
        if (probe.stage == PayloadProbe::Stage::reply && probe.command == nullptr) {
            if (commands.free_count() <= commands_reserved_for_identify) {
                continue;
            }
            probe.command = commands.allocate();
            probe.command->kind = CommandKind::payload;
            probe.command->operation = Operation::read;
            probe.command->target = path.target;
            probe.command->device = path.target->device;
            probe.command->lba = {};
            probe.command->sectors = path.payload.trial();
        }
        payload_queue.erase(payload_queue.iterator_to(path));
        probe.is_outstanding = true;
        probe.sent_at = now;
        // A small frame right behind it, from the second try on: see handle_payload_timeout().
        if (probe.tries_count + probe.silent_count > 0 && !path.probe_hook.is_linked()) {
            probe_queue.push_back(path);
        }
        if (probe.stage == PayloadProbe::Stage::reply) {
            send_command(now, *probe.command, path, transmit);
            return true;
        }
        probe.generation = static_cast<std::uint16_t>(query_generation++ & tag_generation_mask);
        write_query(transmit, path.port, path.target_mac, path.target->address, probe.generation);
        // As long as a WRITE of so much.
        const std::size_t frame_bytes =
            proto::ata_frame_header_bytes +
            static_cast<std::size_t>(path.payload.trial()) * sector_bytes_of(path);
        transmit.payload = zero_payload(frame_bytes - transmit.header_bytes);
        arm_path_timer(path);
        return true;
    }
    return false;
}

void Engine::State::handle_payload_answer(Time now, Path& path, bool passed) {
    PayloadProbe& probe = path.payload_probe;
    probe.is_outstanding = false;
    if (path.payload_hook.is_linked()) { // to be sent again: the answer was late
        payload_queue.erase(payload_queue.iterator_to(path));
    }
    if (probe.command != nullptr) {
        release_command(*probe.command);
        probe.command = nullptr;
    }
    if (path.target->device != nullptr) {
        make_ready(*path.target->device); // the room in its window
    }
    if (passed && probe.stage == PayloadProbe::Stage::request) {
        probe.stage = PayloadProbe::Stage::reply;
        probe.tries_count = 0;
        probe.silent_count = 0;
        payload_queue.push_back(path);
        return;
    }
    if (passed) {
        path.payload.handle_passed();
    } else {
        path.payload.handle_failed();
    }
    continue_payload_search(now, path);
}

// Whether a Query Config answer was to a probe.
bool Engine::State::take_payload_answer(Time now, Path& path, std::uint32_t generation) {
    const PayloadProbe& probe = path.payload_probe;
    if (!probe.is_outstanding || probe.stage != PayloadProbe::Stage::request ||
        probe.generation != generation) {
        return false;
    }
    handle_payload_answer(now, path, true);
    return true;
}

// A READ that is refused proves nothing, and nothing ever will: what is allowed is believed, and
// loss is watched. But a target that calls it a bad argument has no room for so much in its frames.
void Engine::State::take_payload_read(Time now, Path& path, const proto::Frame& frame) {
    const auto ata = proto::parse_ata(frame.argument);
    const bool is_error =
        frame.is_error || !ata ||
        (ata->command_status & (proto::ata_status_error | proto::ata_status_device_fault)) != 0;
    const std::size_t bytes =
        static_cast<std::size_t>(path.payload.trial()) * sector_bytes_of(path);
    const bool has_no_room = frame.is_error && frame.error == proto::AoeError::bad_argument;
    handle_payload_answer(now, path, !has_no_room && (is_error || ata->data.size() >= bytes));
}

std::optional<Time> Engine::State::payload_deadline(const Path& path) const {
    const PayloadProbe& probe = path.payload_probe;
    return probe.is_outstanding
               ? probe.sent_at +
                     std::min(path.rtt.rto_after(probe.tries_count + unsigned{probe.silent_count}),
                              config.probe_interval)
               : probe.retry_at;
}

void Engine::State::handle_payload_timeout(Time now, Path& path) {
    const auto deadline = payload_deadline(path);
    if (!deadline || *deadline > now) {
        return;
    }
    PayloadProbe& probe = path.payload_probe;
    path.target->is_turn_of_data = probe.is_outstanding;
    if (!probe.is_outstanding) {
        probe.retry_at.reset();
        if (path.state == PathState::up) {
            search_payload(now, path, path.sectors_per_frame);
        }
        return;
    }
    // A target that stands still is no switch that drops large frames: what counts is a try beside
    // which a small frame was answered. The first has none.
    if (path.answered_up_to < probe.sent_at) {
        probe.silent_count = static_cast<std::uint8_t>(std::min(probe.silent_count + 1, 16));
    } else if (++probe.tries_count >= tries_max) {
        handle_payload_answer(now, path, false);
        return;
    }
    probe.is_outstanding = false;
    if (probe.command != nullptr) {
        probe.command->phase = CommandPhase::queued;
    }
    payload_queue.push_back(path);
    if (path.target->device != nullptr) {
        make_ready(*path.target->device); // the room in its window
    }
}

// A transfer was lost. Large ones alone: their size may be why.
void Engine::State::suspect_payload(Time now, const Command& command, const Transmission& lost) {
    Path& path = *lost.path;
    const bool is_large = command.kind == CommandKind::data &&
                          command.operation != Operation::discard &&
                          lost.sectors > least_payload(path);
    if (!is_large || path.state != PathState::up || config.payload_retry == Duration::zero() ||
        command.attempts_count + unsigned{command.overtaken_count} < suspicious_losses ||
        path.large_passed_at[command.operation == Operation::read ? 0 : 1] >=
            command.first_sent_at) {
        return;
    }
    restart_payload_search(now, path);
}

void Engine::State::note_passed_payload(Time now, const Command& command,
                                        const Transmission& transmission) {
    Path& path = *transmission.path;
    if (transmission.sectors > least_payload(path)) {
        path.large_passed_at[command.operation == Operation::read ? 0 : 1] = now;
    }
}

} // namespace uaoe::initiator
