// Requests and their life on a device: admission, the order that writes and flushes keep,
// completion.
//
//   submit -> [waiting_writes] -> send_queue -> commands -> [flush_waiting -> flush_batch] ->
//   completed
//
// Writes whose ranges overlap are done one after the other. A write is admitted when no admitted
// write and no fence overlaps it; a fence is a finished command of which a copy may still be on the
// wire (AoE has no sequence numbers, so a late copy would overwrite newer data).
#include "initiator/engine_state.hpp"

#include <algorithm>

namespace uaoe::initiator {

std::expected<DeviceIndex, AttachError> Engine::State::attach(Time now, proto::Address address,
                                                              const DeviceOptions& options) {
    const auto found = targets.find(address);
    if (found == targets.end()) {
        return std::unexpected(AttachError::no_such_target);
    }
    Target& target = *found->second;
    if (target.device != nullptr) {
        return std::unexpected(AttachError::already_attached);
    }
    if (target.state != TargetState::ready) {
        return std::unexpected(AttachError::not_ready);
    }
    const bool usable = std::ranges::any_of(target.paths, [](const auto& path) {
        return path->state == PathState::up && path->sectors_per_frame > 0;
    });
    if (!usable) {
        return std::unexpected(AttachError::unusable_mtu);
    }
    const auto free = std::ranges::find(devices, nullptr, &DeviceEntry::target);
    if (free == devices.end()) {
        return std::unexpected(AttachError::no_room);
    }
    return open_device(now, target, *free, target.identify, options);
}

DeviceIndex Engine::State::open_device(Time now, Target& target, DeviceEntry& device,
                                       const proto::Identify& identify,
                                       const DeviceOptions& options) {
    device.target = &target;
    device.options = options;
    device.state = DeviceState::up;
    device.sequence_next = 0;
    device.last_answer = now;
    device.operations = {};
    device.fenced_writes = 0;
    device.info = {.address = target.address,
                   .identify = identify,
                   .sectors = identify.sectors,
                   .sector_bytes = identify.logical_sector_bytes,
                   .read_only = options.read_only,
                   .can_flush = identify.flush_cache || identify.flush_cache_ext,
                   .can_discard = identify.trim && identify.lba48};
    target.device = &device;
    update_device_state(now, target);
    for (const auto& path : target.paths) {
        if (path->state == PathState::up) {
            restart_payload_search(now, *path);
        }
    }
    begin_to_settle(now, target);
    return DeviceIndex{device.index};
}

void Engine::State::detach(Time now, DeviceEntry& device) {
    for (const auto& path : device.target->paths) {
        stop_payload_search(*path);
        path->sectors_per_frame = path->sectors_allowed;
    }
    fail_everything(now, device, Status::cancelled);
    timers.disarm(device.fail_timer);
    if (device.ready_hook.is_linked()) {
        DeviceQueue& queue = device.is_starved ? starved : ready;
        queue.erase(queue.iterator_to(device));
        device.is_starved = false;
    }
    Target& target = *device.target;
    target.device = nullptr;
    device.target = nullptr;
    forget_hearsay(now, target);
}

// Why a request cannot be right, if so.
std::optional<Status> Engine::State::refuse(const DeviceEntry& device, const Request& request) {
    const DeviceInfo& info = device.info;
    if (request.operation == Operation::flush) {
        return info.can_flush ? std::nullopt : std::optional(Status::unsupported);
    }
    if (request.sectors.value == 0) {
        return Status::invalid;
    }
    if (request.lba > Lba{info.sectors.value} ||
        request.sectors > info.sectors - SectorCount{request.lba.value}) {
        return Status::out_of_range;
    }
    if (changes_data(request.operation) && info.read_only) {
        return Status::read_only;
    }
    if ((request.operation == Operation::discard && !info.can_discard) ||
        (request.fua && changes_data(request.operation) && !info.can_flush)) {
        return Status::unsupported;
    }
    const bool has_buffer =
        request.operation == Operation::read || request.operation == Operation::write;
    if (has_buffer && request.buffer.size() / info.sector_bytes != request.sectors.value) {
        return Status::invalid;
    }
    return std::nullopt;
}

void Engine::State::submit(Time now, DeviceEntry& device, Request& request) {
    UAOE_ASSERT(!RequestState::is_queued(request) && !RequestState::is_unfinished_write(request));
    request.status = Status::ok;
    RequestState::submitted_at(request) = now;
    RequestState::sequence(request) = device.sequence_next++;
    RequestState::unsent(request) =
        request.operation == Operation::flush ? SectorCount{} : request.sectors;
    RequestState::commands_count(request) = 0;
    begin_to_ask(now, device);
    if (device.requests_pending++ == 0 && device.options.fail_after > Duration::zero()) {
        timers.arm_at_most(device.fail_timer, now + device.options.fail_after);
    }
    if (const auto refused = refuse(device, request)) {
        complete(now, device, request, *refused);
        return;
    }
    if (device.state == DeviceState::down) {
        complete(now, device, request, Status::timed_out);
        return;
    }
    if (request.operation == Operation::flush) {
        device.flush_waiting.push_back(request);
    } else if (!changes_data(request.operation)) {
        device.send_queue.push_back(request);
    } else {
        device.writes.push_back(request);
        if (may_admit(device, request)) {
            admit(device, request);
        } else {
            device.fenced_writes += device.target->is_settled ? 1 : 0;
            device.waiting_writes.push_back(request);
        }
    }
    make_ready(device);
}

// Something may be asked of the target now. When requests wait already and no path is up, the
// silence goes on.
void Engine::State::begin_to_ask(Time now, DeviceEntry& device) {
    if (!device.is_asking()) {
        const bool is_silent = device.requests_pending > 0 && device.state == DeviceState::silent;
        device.asked_since = is_silent ? std::max(device.asked_since, device.silent_since) : now;
    }
}

// No admitted write, no fence, and no write that waits longer overlaps it.
bool Engine::State::may_admit(DeviceEntry& device, Request& request) const {
    const auto after = device.ranges.lower_bound(request.lba.value + request.sectors.value);
    if (after != device.ranges.begin()) {
        const Request& before = *std::prev(after);
        if (overlaps(before.lba, before.sectors, request.lba, request.sectors)) {
            return false;
        }
    }
    const Target& target = *device.target;
    if (!target.is_settled) {
        return false;
    }
    const std::uint64_t reach = std::min(target.fence_sectors_max, request.lba.value);
    for (auto fence = target.fences.lower_bound(request.lba.value - reach);
         fence != target.fences.end() &&
         fence->lba.value < request.lba.value + request.sectors.value;
         ++fence) {
        if (overlaps(fence->lba, {fence->sectors_max}, request.lba, request.sectors) &&
            !is_done_in_order(*fence)) {
            return false;
        }
    }
    for (const Request& waiting : device.waiting_writes) {
        if (&waiting == &request) {
            break;
        }
        if (overlaps(waiting.lba, waiting.sectors, request.lba, request.sectors)) {
            return false;
        }
    }
    return true;
}

void Engine::State::admit(DeviceEntry& device, Request& request) {
    const bool inserted = device.ranges.insert(request).second;
    UAOE_ASSERT(inserted);
    device.send_queue.push_back(request);
}

// After a write or a fence is gone.
void Engine::State::admit_waiting(Time now, DeviceEntry& device) {
    begin_to_ask(now, device);
    for (auto it = device.waiting_writes.begin(); it != device.waiting_writes.end();) {
        Request& request = *it;
        if (!may_admit(device, request)) {
            ++it;
            continue;
        }
        it = device.waiting_writes.erase(it);
        admit(device, request);
    }
    make_ready(device);
}

// One FLUSH at a time covers everything that waits for one and may have it: flushes whose earlier
// writes are all finished, and writes that wait for their FUA.
void Engine::State::prepare_flush(DeviceEntry& device) {
    if (device.flush_command != nullptr || device.flush_waiting.empty()) {
        return;
    }
    const auto may_flush = [&](Request& request) {
        return request.operation != Operation::flush || device.writes.empty() ||
               RequestState::sequence(device.writes.front()) > RequestState::sequence(request);
    };
    if (std::ranges::none_of(device.flush_waiting, may_flush)) {
        return;
    }
    Command* command = allocate_command(device);
    if (command == nullptr) {
        return;
    }
    for (auto it = device.flush_waiting.begin(); it != device.flush_waiting.end();) {
        Request& request = *it;
        if (!may_flush(request)) {
            ++it;
            continue;
        }
        it = device.flush_waiting.erase(it);
        device.flush_batch.push_back(request);
    }
    command->kind = CommandKind::flush;
    command->operation = Operation::flush;
    command->target = device.target;
    command->device = &device;
    command->lba = {};
    command->sectors = 0;
    device.flush_command = command;
    device.resend.push_front(*command);
}

void Engine::State::finish_flush(Time now, DeviceEntry& device, Status status) {
    device.flush_command = nullptr;
    while (!device.flush_batch.empty()) {
        Request& request = device.flush_batch.front();
        device.flush_batch.pop_front();
        complete(now, device, request, status);
    }
    make_ready(device);
}

// The command is answered or given up.
void Engine::State::finish_command(Time now, Command& command, Status status) {
    if (command.phase == CommandPhase::in_flight) {
        remove_from_flight(command);
    } else if (command.queue_hook.is_linked()) {
        command.device->resend.erase(command.device->resend.iterator_to(command));
    }
    DeviceEntry& device = *command.device;
    Request* request = command.request;
    const bool is_flush = command.kind == CommandKind::flush;
    retire_command(now, command);
    if (is_flush) {
        finish_flush(now, device, status);
        return;
    }
    UAOE_ASSERT(RequestState::commands_count(*request) > 0);
    --RequestState::commands_count(*request);
    if (status != Status::ok) {
        fail_request(device, *request, status);
    }
    if (RequestState::commands_count(*request) == 0 && RequestState::unsent(*request).value == 0) {
        finish_request_data(now, device, *request);
    }
    make_ready(device); // it left room in a window, also when it was given up
}

// The first failure decides; what was not sent yet never is. The commands under way are waited for.
void Engine::State::fail_request(DeviceEntry& device, Request& request, Status status) {
    if (request.status == Status::ok) {
        request.status = status;
    }
    if (RequestState::unsent(request).value > 0) {
        RequestState::unsent(request) = {};
        device.send_queue.erase(device.send_queue.iterator_to(request));
    }
}

void Engine::State::finish_request_data(Time now, DeviceEntry& device, Request& request) {
    if (request.status == Status::ok && request.fua && changes_data(request.operation)) {
        device.writes.erase(device.writes.iterator_to(request));
        device.ranges.erase(device.ranges.iterator_to(request));
        device.flush_waiting.push_back(request);
        admit_waiting(now, device);
        return;
    }
    complete(now, device, request, request.status);
}

// The request is in no queue; it goes back to its owner.
void Engine::State::complete(Time now, DeviceEntry& device, Request& request, Status status) {
    UAOE_ASSERT(!RequestState::is_queued(request) && device.requests_pending > 0);
    request.status = status;
    if (RequestState::is_unfinished_write(request)) {
        device.writes.erase(device.writes.iterator_to(request));
    }
    const bool was_admitted = RequestState::is_admitted(request);
    if (was_admitted) {
        device.ranges.erase(device.ranges.iterator_to(request));
    }
    --device.requests_pending;
    OperationCounters& counter = device.operations[static_cast<std::size_t>(request.operation)];
    ++counter.requests;
    counter.latency.add(now - RequestState::submitted_at(request));
    if (status == Status::ok) {
        counter.bytes += request.operation == Operation::flush
                             ? 0
                             : request.sectors.value * device.info.sector_bytes;
    } else {
        ++counter.errors;
    }
    completed.push_back(request);
    if (was_admitted) {
        admit_waiting(now, device);
    }
}

// Every request of the device ends now. Writes of which a copy may be on the wire leave their
// fences.
void Engine::State::fail_everything(Time now, DeviceEntry& device, Status status) {
    while (!device.waiting_writes.empty()) {
        Request& request = device.waiting_writes.front();
        device.waiting_writes.pop_front();
        complete(now, device, request, status);
    }
    for (Command& command : commands.slots()) {
        const bool is_live =
            command.phase == CommandPhase::queued || command.phase == CommandPhase::in_flight;
        if (is_live && command.device == &device && command.kind != CommandKind::payload) {
            finish_command(now, command, status);
        }
    }
    while (!device.send_queue.empty()) {
        Request& request = device.send_queue.front();
        device.send_queue.pop_front();
        RequestState::unsent(request) = {};
        complete(now, device, request, status);
    }
    while (!device.flush_waiting.empty()) {
        Request& request = device.flush_waiting.front();
        device.flush_waiting.pop_front();
        complete(now, device, request, status);
    }
    UAOE_ASSERT(device.requests_pending == 0 && device.writes.empty() && device.ranges.empty() &&
                device.resend.empty() && device.flush_batch.empty());
}

} // namespace uaoe::initiator
