// What goes out next: discovery first, then IDENTIFY, then data, in turns over the devices that
// have some.
#include "initiator/command_frame.hpp"
#include "initiator/engine_state.hpp"
#include "initiator/splitter.hpp"

#include <algorithm>

namespace uaoe::initiator {

namespace {

// Frames of one device before the next has its turn: a batch that stays together on disk, but no
// monopoly.
constexpr std::uint32_t burst_frames_max = 16;

constexpr std::uint32_t page_bytes = 4096;

// A command is lost so often in a row by chance, before its patience grows.
constexpr std::uint8_t overtaken_free_max = 3;

bool fits(const Command& command, const Path& path) {
    return command.kind != CommandKind::data || command.operation == Operation::discard ||
           command.sectors <= path.sectors_per_frame;
}

proto::FrameHeader frame_header(const Port& port, const proto::MacAddress& destination,
                                proto::Address address, proto::Command command, proto::Tag tag) {
    return {.destination = destination,
            .source = port.state.mac,
            .address = address,
            .command = command,
            .tag = tag};
}

} // namespace

bool Engine::State::poll_transmit(Time now, Transmit& transmit) {
    if (transmit_discover(transmit) || transmit_seek(transmit) || transmit_probe(now, transmit) ||
        transmit_identify(now, transmit) || transmit_payload_probe(now, transmit) ||
        transmit_administration(now, transmit)) {
        return true;
    }
    while (!ready.empty()) {
        DeviceEntry& device = ready.front();
        if (transmit_for(now, device, transmit)) {
            make_ready(device); // it may have starved for something else meanwhile
            if (++burst_count >= burst_frames_max) {
                burst_count = 0;
                ready.splice(ready.end(), ready, ready.begin());
            }
            return true;
        }
        burst_count = 0;
        // Blocked on its paths (an answer makes it ready again) or moved to the starved ones.
        if (!ready.empty() && &ready.front() == &device) {
            ready.pop_front();
        }
    }
    return false;
}

bool Engine::State::transmit_discover(Transmit& transmit) {
    if (discovers_wanted_count == 0) {
        return false;
    }
    for (std::uint32_t i = 0; i < ports.size(); ++i) {
        Port& port = ports[i];
        if (!port.wants_discover) {
            continue;
        }
        port.wants_discover = false;
        --discovers_wanted_count;
        write_query(transmit, {i}, proto::broadcast_mac, proto::broadcast_address,
                    query_generation++);
        return true;
    }
    UAOE_ASSERT(false);
    return false;
}

// To everybody, but for one LUN: nobody else answers.
bool Engine::State::transmit_seek(Transmit& transmit) {
    while (!seek_queue.empty()) {
        Target& target = seek_queue.front();
        while (target.seek_port_next < ports.size()) {
            const PortIndex port{target.seek_port_next++};
            if (ports[port.value].state.up) {
                write_query(transmit, port, proto::broadcast_mac, target.address,
                            query_generation++);
                return true;
            }
        }
        seek_queue.pop_front();
    }
    return false;
}

void Engine::State::write_query(Transmit& transmit, PortIndex port,
                                const proto::MacAddress& destination, proto::Address address,
                                std::uint32_t generation) const {
    const proto::Tag tag = make_tag(
        {.shard = config.shard_index, .slot = tag_slot_query_config, .generation = generation});
    const auto header =
        frame_header(ports[port.value], destination, address, proto::Command::query_config, tag);
    const std::size_t used = proto::write_query_config(
        transmit.header, header, {.version = proto::aoe_version, .string = {}});
    transmit.port = port;
    transmit.header_bytes = static_cast<std::uint32_t>(proto::pad_frame(transmit.header, used));
    transmit.payload = {};
}

bool Engine::State::transmit_probe(Time now, Transmit& transmit) {
    if (probe_queue.empty()) {
        return false;
    }
    Path& path = probe_queue.front();
    probe_queue.pop_front();
    path.probe_outstanding = true;
    path.probe_sent_at = now;
    path.probe_generation = static_cast<std::uint16_t>(query_generation & tag_generation_mask);
    ++query_generation;
    write_query(transmit, path.port, path.target_mac, path.target->address, path.probe_generation);
    return true;
}

bool Engine::State::transmit_identify(Time now, Transmit& transmit) {
    if (identify_queue.empty() || identifies_count >= config.identifies_in_flight_max) {
        return false;
    }
    // When slots are short, those that have one from their last try go on, and the others share
    // what is reserved for them.
    const bool may_allocate =
        commands.free_count() > 0 && (identify_slots_count < commands_reserved_for_identify ||
                                      commands.free_count() > config.commands_count_max / 2);
    const auto next = std::ranges::find_if(
        identify_queue, [&](const Path& path) { return path.identify != nullptr || may_allocate; });
    if (next == identify_queue.end()) {
        return false;
    }
    Path& path = *next;
    if (path.identify == nullptr) {
        path.identify = commands.allocate();
        ++identify_slots_count;
        path.identify->kind = CommandKind::identify;
        path.identify->target = path.target;
        path.identify->sectors = 1;
        path.identify->attempts_count = path.identify_attempts_count;
        path.identify->first_sent_at = now;
    }
    identify_queue.erase(next);
    ++identifies_count;
    send_command(now, *path.identify, path, transmit);
    return true;
}

bool Engine::State::transmit_for(Time now, DeviceEntry& device, Transmit& transmit) {
    prepare_flush(device);
    return transmit_again(now, device, transmit) || transmit_next_cut(now, device, transmit);
}

// Waits for a command slot or a scratch block; release_command() makes it ready again.
void Engine::State::starve(DeviceEntry& device) {
    if (device.is_starved) {
        return;
    }
    UAOE_ASSERT(device.ready_hook.is_linked());
    ready.erase(ready.iterator_to(device));
    starved.push_back(device);
    device.is_starved = true;
}

bool Engine::State::transmit_again(Time now, DeviceEntry& device, Transmit& transmit) {
    if (device.resend.empty()) {
        return false;
    }
    Command* command = &device.resend.front();
    const Path* last = command->transmissions_count > 0 ? command->latest().path : nullptr;
    // A tail probe takes the path it is to tell of, and the room that its first copy had there.
    Path* path = command->is_tail_probe && has_room(*command->latest().path, command->sectors)
                     ? command->latest().path
                     : pick_path(now, *device.target, last, 1);
    if (path != nullptr && !split_for(*command, *path)) {
        Path* const room = path;
        path = pick_path(now, *device.target, last, command->sectors); // one that carries it whole
        if (path == nullptr) {
            // What fits goes first: only its end brings back the slots that the others wait for.
            const auto fitting = std::ranges::find_if(
                device.resend, [&](const Command& other) { return fits(other, *room); });
            if (fitting != device.resend.end()) {
                command = &*fitting;
                path = room;
            }
        }
    }
    if (path == nullptr) {
        return false;
    }
    device.resend.erase(device.resend.iterator_to(*command));
    if (command->kind == CommandKind::flush && command->transmissions_count == 0) {
        command->first_sent_at = now; // it may have waited for a path since it was prepared
    }
    path->retransmitted += command->transmissions_count > 0 ? 1 : 0;
    send_command(now, *command, *path, transmit);
    return true;
}

// Makes a lost command fit a path that carries less: its tail becomes a command of its own. False
// when there is no slot for that yet.
bool Engine::State::split_for(Command& command, const Path& path) {
    if (fits(command, path)) {
        return true;
    }
    Command* tail = allocate_command(*command.device, true);
    if (tail == nullptr) {
        return false;
    }
    tail->kind = CommandKind::data;
    tail->target = command.target;
    tail->device = command.device;
    tail->request = command.request;
    tail->operation = command.operation;
    tail->lba = command.lba + SectorCount{path.sectors_per_frame};
    tail->sectors = command.sectors - path.sectors_per_frame;
    tail->buffer_offset_bytes =
        command.buffer_offset_bytes +
        static_cast<std::uint64_t>(path.sectors_per_frame) * command.device->info.sector_bytes;
    tail->attempts_count = command.attempts_count;
    tail->overtaken_count = command.overtaken_count;
    tail->refused_count = command.refused_count;
    tail->first_sent_at = command.first_sent_at;
    ++RequestState::commands_count(*command.request);
    command.sectors = path.sectors_per_frame;
    command.device->resend.insert(std::next(command.device->resend.iterator_to(command)), *tail);
    return true;
}

bool Engine::State::transmit_next_cut(Time now, DeviceEntry& device, Transmit& transmit) {
    if (device.send_queue.empty()) {
        return false;
    }
    Path* path = pick_path(now, *device.target, nullptr, 1);
    if (path == nullptr) {
        return false;
    }
    Request& request = device.send_queue.front();
    if (request.operation == Operation::discard && scratch_free.empty()) {
        starve(device);
        return false;
    }
    Command* command = allocate_command(device);
    if (command == nullptr) {
        return false;
    }
    SectorCount& unsent = RequestState::unsent(request);
    const SectorCount done = request.sectors - unsent;
    command->kind = CommandKind::data;
    command->target = device.target;
    command->device = &device;
    command->request = &request;
    command->operation = request.operation;
    command->lba = request.lba + done;
    command->buffer_offset_bytes = done.value * device.info.sector_bytes;
    command->first_sent_at = now;
    if (request.operation == Operation::discard) {
        command->scratch = scratch_free.back();
        scratch_free.pop_back();
        command->sectors = fill_discard(command->scratch, command->lba, unsent);
    } else {
        const std::uint32_t block_sectors =
            std::max(page_bytes, device.info.identify.physical_sector_bytes) /
            device.info.sector_bytes;
        command->sectors = cut_frame(command->lba, unsent, path->sectors_per_frame, block_sectors);
    }
    unsent = unsent - SectorCount{command->sectors};
    ++RequestState::commands_count(request);
    if (unsent.value == 0) {
        device.send_queue.pop_front();
    }
    send_command(now, *command, *path, transmit);
    return true;
}

void Engine::State::send_command(Time now, Command& command, Path& path, Transmit& transmit) {
    Transmission& transmission = command.add_transmission(path, now);
    transmission.ahead_count = path.in_flight_count;
    const proto::Tag tag = make_tag(
        {.shard = config.shard_index, .slot = command.slot, .generation = transmission.generation});
    const auto header = frame_header(ports[path.port.value], path.target_mac, path.target->address,
                                     proto::Command::ata, tag);
    std::size_t used = proto::write_ata(transmit.header, header, ata_fields(command));
    transmit.payload = payload_of(command);
    if (transmit.payload.empty()) {
        used = proto::pad_frame(transmit.header, used);
    }
    transmit.header_bytes = static_cast<std::uint32_t>(used);
    transmit.port = path.port;

    command.phase = CommandPhase::in_flight;
    command.is_tail_probe = false;
    ++path.sent;
    path.target->is_turn_of_data = path.target->is_turn_of_data && !command.is_windowed();
    if (command.is_windowed()) {
        transmission.order = ++path.order_last;
        path.last_sent = now;
        path.window.handle_send(now, path.in_flight_count, path.rtt.rto());
        // FLUSH and TRIM take a disk far longer than a round trip: three doublings of patience from
        // the start.
        const unsigned patience =
            command.kind == CommandKind::flush || command.operation == Operation::discard ? 3 : 0;
        // A command that is overtaken again and again is not lost by chance: not every round trip.
        const unsigned overtaken =
            command.overtaken_count - std::min(command.overtaken_count, overtaken_free_max);
        command.backoff_level = static_cast<std::uint8_t>(
            std::min(command.attempts_count + overtaken + patience, Path::backoff_levels - 1));
        path.in_flight[command.backoff_level].push_back(command);
        ++path.in_flight_count;
        const Duration rto = path.rtt.rto_after(command.backoff_level);
        timers.arm_at_most(path.timer, now + std::min(rto, tail_patience(path)));
        return;
    }
    arm_path_timer(path);
}

void Engine::State::make_ready(DeviceEntry& device) {
    if (device.target == nullptr || !device.has_work()) {
        return;
    }
    // A starved device can still send what already has its slot.
    if (device.is_starved && !device.resend.empty()) {
        starved.erase(starved.iterator_to(device));
        device.is_starved = false;
    }
    if (!device.ready_hook.is_linked()) {
        ready.push_back(device);
    }
}

// nullptr moves the device to the starved ones, which are ready again when a slot comes back. No
// LUN may hold more than twice what it leaves to the others, or a dead one would stop them all.
// What is reserved for the tails of lost commands may also be taken by a LUN that has nothing.
Command* Engine::State::allocate_command(DeviceEntry& device, bool is_split) {
    const std::size_t held_count = device.target->commands_count;
    const std::size_t free_count = commands.free_count();
    const bool is_urgent = is_split || held_count == 0;
    // What IDENTIFY has taken of its reserve need not be kept for it once more.
    const std::size_t reserved_count =
        commands_reserved_for_identify -
        std::min(commands_reserved_for_identify, identify_slots_count) +
        (is_urgent ? 0 : commands_reserved_for_splits);
    if (free_count <= reserved_count ||
        (!is_urgent && held_count >= 2 * (free_count - reserved_count))) {
        starve(device);
        return nullptr;
    }
    ++device.target->commands_count;
    ++device.commands_count;
    return commands.allocate();
}

void Engine::State::release_command(Command& command) {
    release_scratch(command);
    if (command.kind == CommandKind::identify) {
        --identify_slots_count;
    } else if (command.is_windowed()) {
        --command.target->commands_count;
        if (command.device != nullptr) { // not of one that lingered
            --command.device->commands_count;
        }
    }
    commands.release(command);
    wake_starved();
}

void Engine::State::release_scratch(Command& command) {
    if (!command.scratch.empty()) {
        scratch_free.push_back(command.scratch);
        command.scratch = {};
        wake_starved();
    }
}

void Engine::State::wake_starved() {
    while (!starved.empty()) {
        DeviceEntry& device = starved.front();
        starved.pop_front();
        device.is_starved = false;
        ready.push_back(device);
    }
}

} // namespace uaoe::initiator
