// What comes in: finding the command an answer belongs to, and what the answer says.
//
// An answer is taken only when everything it carries fits the copy its tag names: address, command,
// the port it was sent from, and both MACs. Otherwise it is counted and ignored.
#include "initiator/engine_state.hpp"

#include <algorithm>
#include <cstring>

namespace uaoe::initiator {

namespace {

// What another disk may have done is not done: the command is sent again over another path.
bool is_trusted(const Path& path) {
    return path.state != PathState::conflict && path.state != PathState::unverified;
}

std::size_t bytes_of(const Command& command, std::uint32_t sectors) {
    return static_cast<std::size_t>(sectors) * command.device->info.sector_bytes;
}

Status status_of_aoe_error(proto::AoeError error) {
    switch (error) {
    case proto::AoeError::target_is_reserved:
        return Status::reserved;
    case proto::AoeError::device_unavailable:
        return Status::unavailable;
    case proto::AoeError::unrecognized_command:
    case proto::AoeError::unsupported_version:
        return Status::unsupported;
    case proto::AoeError::none:
    case proto::AoeError::bad_argument:
    case proto::AoeError::config_string_present:
        break;
    }
    return Status::io_error;
}

Status status_of_ata_error(const Command& command, std::uint8_t status, std::uint8_t error) {
    if ((status & proto::ata_status_device_fault) != 0) {
        return Status::io_error; // whatever else it says: the disk is broken, not unable
    }
    if ((error & proto::ata_error_id_not_found) != 0) {
        return Status::out_of_range;
    }
    const bool is_write = command.kind == CommandKind::data && changes_data(command.operation);
    if (is_write && (error & proto::ata_error_write_protected) != 0) {
        return Status::read_only;
    }
    // An aborted transfer that is inside the disk is a target that does not do that: a read-only
    // vblade says so to writes. An aborted FLUSH or TRIM is a command it does not know.
    if ((error & proto::ata_error_abort) != 0) {
        if (command.kind == CommandKind::flush || command.operation == Operation::discard) {
            return Status::unsupported;
        }
        return is_write ? Status::read_only : Status::io_error;
    }
    return Status::io_error;
}

// What a target says to a transfer of more than it takes: a bad argument (a model of those that
// check what fits into their frames), or an aborted command. The second is also said for other
// reasons, but then it is said again to less.
bool says_too_large(const proto::Frame& frame) {
    if (frame.is_error) {
        return frame.error == proto::AoeError::bad_argument;
    }
    const auto ata = proto::parse_ata(frame.argument);
    return ata && (ata->command_status & proto::ata_status_device_fault) == 0 &&
           (ata->command_status & proto::ata_status_error) != 0 &&
           (ata->error_feature & proto::ata_error_abort) != 0;
}

// Refusals of one command, before they are believed to have nothing to do with how much it is.
constexpr std::uint8_t refused_max = 8;

} // namespace

void Engine::State::handle_frame(Time now, PortIndex port, proto::ConstBytes bytes) {
    ++counters.received;
    const auto frame = proto::parse_frame(bytes);
    if (!frame || frame->source.is_multicast()) {
        ++counters.malformed;
        return;
    }
    if (!frame->is_response || port.value >= ports.size() || !ports[port.value].state.up) {
        ++counters.not_for_us;
        return;
    }
    // A NIC in a bridge, or a switch that floods, brings what other initiators are told.
    const bool is_for_us =
        frame->destination == ports[port.value].state.mac ||
        (frame->command == proto::Command::query_config && frame->destination.is_multicast());
    if (!is_for_us) {
        ++counters.not_for_us;
        return;
    }
    const TagFields tag = split_tag(frame->tag);
    const bool is_boot = frame->tag.value == 0 && frame->command == proto::Command::query_config;
    const bool is_ours =
        (frame->tag.value & tag_shard_mask) == tag_shard_pattern(config.shard_index);
    if (!is_boot && !is_ours) {
        ++counters.not_for_us;
        return;
    }
    if (is_boot || tag.slot >= tag_slot_administration) {
        if (!is_boot && tag.slot == tag_slot_administration) {
            handle_administration(now, port, *frame);
        } else if (frame->command == proto::Command::query_config) {
            handle_query_config(now, port, *frame);
        } else {
            ++counters.mismatched;
        }
        return;
    }
    Command* command = commands.at(tag.slot);
    Transmission* transmission = command != nullptr ? command->find(tag.generation) : nullptr;
    if (transmission == nullptr && command != nullptr && command->has_forgotten(tag.generation)) {
        handle_forgotten_answer(now, *command, port, *frame);
        return;
    }
    if (transmission == nullptr) {
        ++counters.unknown_tag;
        return;
    }
    if (frame->command != proto::Command::ata || frame->address != command->target->address ||
        frame->source != transmission->path->target_mac || port != transmission->path->port) {
        ++counters.mismatched;
        return;
    }
    if (!frame->is_error && frame->argument.size() < sizeof(proto::AtaArgument)) {
        ++counters.malformed;
        return;
    }
    if (transmission->answered) {
        ++counters.late;
        return;
    }
    handle_answer(now, *command, *transmission, *frame);
}

// A target that is slower than the copies follow each other answers only old ones.
void Engine::State::handle_forgotten_answer(Time now, Command& command, PortIndex port,
                                            const proto::Frame& frame) {
    const auto path = std::ranges::find_if(command.target->paths, [&](const auto& candidate) {
        return candidate->port == port && candidate->target_mac == frame.source;
    });
    if (frame.command != proto::Command::ata || frame.address != command.target->address ||
        path == command.target->paths.end()) {
        ++counters.mismatched;
        return;
    }
    if (!frame.is_error && frame.argument.size() < sizeof(proto::AtaArgument)) {
        ++counters.malformed;
        return;
    }
    ++counters.late;
    if (command.phase == CommandPhase::lingering) {
        return;
    }
    handle_sign_of_life(now, **path, command);
    // How much that copy asked for is not known any more; it may have been more than the command
    // asks for since.
    const bool is_short =
        !frame.is_error && command.kind == CommandKind::data &&
        command.operation == Operation::read &&
        frame.argument.size() < sizeof(proto::AtaArgument) + bytes_of(command, command.sectors_max);
    const bool may_be_too_large =
        command.kind == CommandKind::data && command.operation != Operation::discard &&
        command.sectors_max > least_payload(**path) && says_too_large(frame);
    if (is_trusted(**path) && !is_short && !may_be_too_large) {
        end_command(now, command, **path, frame, command.sectors_max);
    }
}

void Engine::State::handle_answer(Time now, Command& command, Transmission& transmission,
                                  const proto::Frame& frame) {
    account_answer(now, command, transmission);
    // It may have been the last to say that a copy is done, where order is promised.
    DeviceEntry* const device = command.target->device;
    const bool may_admit_more = device != nullptr && device->options.in_order &&
                                !device->waiting_writes.empty() && !command.target->fences.empty();
    if (command.phase == CommandPhase::lingering) {
        const bool all_answered =
            std::ranges::all_of(std::span(command.transmissions).first(command.transmissions_count),
                                &Transmission::answered);
        if (all_answered && !command.forgotten_sent_at) {
            remove_fence(command.fence);
            admit_wanted(now);
        } else if (may_admit_more) {
            admit_waiting(now, *device);
        }
        return;
    }
    Path& path = *transmission.path;
    if (command.is_windowed() && !is_trusted(path)) {
        return;
    }
    if (!take_refused_size(now, command, transmission, frame)) {
        end_command(now, command, path, frame, transmission.sectors);
    }
    detect_losses(now, path);
    arm_tail_probe(now, path);
    if (may_admit_more) {
        admit_waiting(now, *device);
    }
}

// Whether a target said that so much is too much. Its frames may have become smaller while the
// engine was not told (a boot advertisement was lost): then less is asked for, and what passes is
// searched for. A command that is refused with the least, too, has failed.
bool Engine::State::take_refused_size(Time now, Command& command, const Transmission& copy,
                                      const proto::Frame& frame) {
    Path& path = *copy.path;
    if (command.kind != CommandKind::data || command.operation == Operation::discard ||
        copy.sectors <= least_payload(path) || command.refused_count >= refused_max ||
        command.request->status != Status::ok || !says_too_large(frame)) {
        return false;
    }
    ++command.refused_count;
    const bool is_latest = &copy == &command.latest();
    if (path.sectors_per_frame >= copy.sectors) {
        restart_payload_search(now, path);
    }
    if (is_latest && command.phase == CommandPhase::in_flight) {
        remove_from_flight(command);
        command.device->resend.push_back(command);
        make_ready(*command.device);
    }
    return true;
}

// `sectors_asked`: by the copy that was answered.
void Engine::State::end_command(Time now, Command& command, Path& path, const proto::Frame& frame,
                                std::uint32_t sectors_asked) {
    if (command.kind == CommandKind::identify) {
        handle_identify(now, path, frame);
        return;
    }
    if (command.kind == CommandKind::payload) {
        take_payload_read(now, path, frame);
        return;
    }
    finish_command(now, command, read_answer(command, frame, sectors_asked));
}

void Engine::State::handle_sign_of_life(Time now, Path& path, const Command& command) {
    ++path.received;
    path.last_heard = now;
    path.silent_rounds_count = 0;
    path.is_transfer_overdue = false;
    path.tail_probes_count = 0;
    if (command.target->device != nullptr && command.kind != CommandKind::identify) {
        command.target->device->last_answer = now;
    }
}

// Window, round-trip time and signs of life, by the copy that was answered.
void Engine::State::account_answer(Time now, Command& command, Transmission& transmission) {
    Path& path = *transmission.path;
    transmission.answered = true;
    handle_sign_of_life(now, path, command);
    path.answered_up_to = std::max(path.answered_up_to, transmission.sent_at);
    settle_target(now, *path.target);
    const bool is_transfer =
        command.kind == CommandKind::identify ||
        (command.kind == CommandKind::data && command.operation != Operation::discard);
    if (is_transfer) {
        path.rtt.add_sample(now - transmission.sent_at);
        path.round_trips.add(now - transmission.sent_at);
    }
    if (is_transfer && command.kind == CommandKind::data) {
        note_passed_payload(now, command, transmission);
        path.losses.handle_answer(now, transmission.sent_at, transmission.order);
        path.window.add_sample(now, transmission.sent_at);
        if (!transmission.given_up) {
            const Duration queued = now - transmission.sent_at - path.window.rtt_min();
            const Duration cost = queued / (transmission.ahead_count + 1LL);
            path.frame_cost += (std::min(cost, config.rto_max) - path.frame_cost) / 8;
        }
    }
    if (transmission.given_up) {
        path.window.handle_spurious(transmission.window_event);
    }
    const bool is_latest = &transmission == &command.latest();
    if (command.phase == CommandPhase::in_flight && is_latest) {
        if (command.is_windowed()) {
            path.window.handle_answer(path.in_flight_count);
        }
    } else {
        ++counters.late;
        // It had been sent again, and need not have been.
        path.spurious += is_latest ? 0 : 1;
    }
    if (command.target->device != nullptr) {
        make_ready(*command.target->device);
    }
}

// Copies what a read brought into the request's buffer, and says how the command ended.
Status Engine::State::read_answer(const Command& command, const proto::Frame& frame,
                                  std::uint32_t sectors_asked) {
    if (frame.is_error) {
        return status_of_aoe_error(frame.error);
    }
    const auto ata = proto::parse_ata(frame.argument);
    UAOE_ASSERT(ata.has_value());
    const std::uint8_t status = ata->command_status;
    if (command.kind == CommandKind::flush &&
        (status == static_cast<std::uint8_t>(proto::AtaCommand::flush_cache) ||
         status == static_cast<std::uint8_t>(proto::AtaCommand::flush_cache_ext))) {
        return Status::unsupported; // ggaoed answers without doing or setting anything
    }
    if ((status & (proto::ata_status_error | proto::ata_status_device_fault)) != 0) {
        return status_of_ata_error(command, status, ata->error_feature);
    }
    if ((status & (proto::ata_status_busy | proto::ata_status_data_request)) != 0) {
        return Status::io_error; // the command did not end
    }
    if (command.kind == CommandKind::data && command.operation == Operation::read) {
        // A command that was split since asks for less than an earlier copy of it did. What is
        // short for that copy is no answer, although it would do for the command.
        const std::size_t bytes = bytes_of(command, command.sectors);
        if (ata->data.size() < bytes_of(command, std::max(sectors_asked, command.sectors))) {
            return Status::io_error;
        }
        std::memcpy(command.request->buffer.data() + command.buffer_offset_bytes, ata->data.data(),
                    bytes);
    }
    return Status::ok;
}

} // namespace uaoe::initiator
