// The engine's face: hands inputs to the rules and makes snapshots of the state.
#include "initiator/engine.hpp"

#include "initiator/engine_state.hpp"

#include <algorithm>

namespace uaoe::initiator {

namespace {

constexpr std::size_t events_count_max = 1024;
constexpr std::size_t scratch_blocks_count = 64;
constexpr std::size_t identify_reserve_max = 128;

PathStatus status_of(const Path& path) {
    return {.port = path.port,
            .target_mac = path.target_mac,
            .state = path.state,
            .is_identifying = path.wants_identify,
            .srtt = path.rtt.srtt(),
            .rttvar = path.rtt.rttvar(),
            .rto = path.rtt.rto(),
            .cwnd = path.window.cwnd(),
            .ssthresh = path.window.ssthresh(),
            .in_flight = path.in_flight_count,
            .buffer_count = path.buffer_count,
            .sectors_per_frame = path.sectors_per_frame,
            .sectors_allowed = path.sectors_allowed,
            .sectors_advertised = path.sectors_advertised,
            .is_payload_proven = path.state == PathState::up && path.target->device != nullptr &&
                                 path.payload.is_done(),
            .sent = path.sent,
            .received = path.received,
            .retransmitted = path.retransmitted,
            .spurious = path.spurious,
            .round_trips = path.round_trips};
}

TargetStatus status_of(const Target& target) {
    TargetStatus status{.address = target.address,
                        .state = target.state,
                        .identify = target.identify,
                        .identify_data = target.identify_data,
                        .config_string = target.config_string,
                        .buffer_count = target.buffer_count,
                        .firmware_version = target.firmware_version,
                        .sectors_per_frame = target.sectors_advertised,
                        .paths = {}};
    status.paths.reserve(target.paths.size());
    for (const auto& path : target.paths) {
        status.paths.push_back(status_of(*path));
    }
    return status;
}

} // namespace

Engine::State::State(const EngineConfig& engine_config)
    : config(engine_config), ports(config.ports_count_max), devices(config.devices_count_max),
      commands(config.commands_count_max, config.tag_generation_first),
      commands_reserved_for_identify(
          std::min<std::size_t>(identify_reserve_max, config.commands_count_max / 4)),
      commands_reserved_for_splits(commands_reserved_for_identify), fences(config.fences_count_max),
      scratch_blocks(scratch_blocks_count),
      query_generation(static_cast<std::uint16_t>(config.tag_generation_first)),
      discover_wait(std::min(config.discover_first, config.discover_interval)),
      administration(config.shard_index, config.tag_generation_first, config.linger),
      events(events_count_max) {
    UAOE_ASSERT(config.shard_index < tag_shards_max);
    UAOE_ASSERT(config.rto_min > Duration::zero() && config.rto_max >= config.rto_min);
    UAOE_ASSERT(config.discover_first > Duration::zero());
    UAOE_ASSERT(config.window_frames_initial >= 1 && config.window_frames_max >= 1);
    for (std::uint32_t i = 0; i < devices.size(); ++i) {
        devices[i].index = i;
    }
    for (Fence& fence : fences) {
        spare_fences.push_back(fence);
    }
    scratch_free.reserve(scratch_blocks.size());
    for (auto& block : scratch_blocks) {
        scratch_free.emplace_back(block);
    }
}

// Requests that are still under way are the owner's to forget: nothing is completed any more.
Engine::State::~State() {
    completed.clear();
    ready.clear();
    starved.clear();
    identify_queue.clear();
    probe_queue.clear();
    payload_queue.clear();
    seek_queue.clear();
    lingering.clear();
    held.clear();
    spare_fences.clear();
    for (const auto& [address, target] : targets) {
        target->fences.clear();
        timers.disarm(target->seek_timer);
        for (const auto& path : target->paths) {
            timers.disarm(path->timer);
            for (CommandQueue& queue : path->in_flight) {
                queue.clear();
            }
        }
    }
    for (DeviceEntry& device : devices) {
        timers.disarm(device.fail_timer);
        device.waiting_writes.clear();
        device.send_queue.clear();
        device.flush_waiting.clear();
        device.flush_batch.clear();
        device.writes.clear();
        device.ranges.clear();
        device.resend.clear();
    }
    timers.disarm(discover_timer);
    timers.disarm(linger_timer);
    timers.disarm(settle_timer);
    timers.disarm(administration_timer);
}

// A full ring drops the oldest: news is for people, who rather hear the latest.
void Engine::State::push_event(const Event& event) {
    if (events_count == events.size()) {
        events_first = (events_first + 1) % events.size();
        --events_count;
        ++counters.events_dropped;
    }
    events[(events_first + events_count) % events.size()] = event;
    ++events_count;
}

std::optional<Event> Engine::State::poll_event() {
    if (events_count == 0) {
        return std::nullopt;
    }
    const Event event = events[events_first];
    events_first = (events_first + 1) % events.size();
    --events_count;
    return event;
}

DeviceEntry& Engine::State::device_at(DeviceIndex index) {
    UAOE_ASSERT(index.value < devices.size() && devices[index.value].target != nullptr);
    return devices[index.value];
}

Engine::Engine(const EngineConfig& config) : state_(std::make_unique<State>(config)) {}
Engine::~Engine() = default;

void Engine::handle_frame(Time now, PortIndex port, proto::ConstBytes frame) {
    state_->handle_frame(now, port, frame);
}

void Engine::handle_port(Time now, PortIndex port, const PortState& state) {
    state_->handle_port(now, port, state);
}

void Engine::handle_timeout(Time now) {
    state_->handle_timeout(now);
}

void Engine::discover(Time now) {
    state_->discover(now);
}

bool Engine::probe(Time /*now*/, proto::Address address) {
    return state_->probe(address);
}

bool Engine::revalidate(Time now, proto::Address address) {
    return state_->revalidate(now, address);
}

std::expected<void, AskError> Engine::ask(Time now, AdminQuestion question) {
    return state_->ask(now, std::move(question));
}

std::expected<DeviceIndex, AttachError> Engine::attach(Time now, proto::Address address,
                                                       const DeviceOptions& options) {
    return state_->attach(now, address, options);
}

std::expected<DeviceIndex, AttachError> Engine::attach_known(Time now, proto::Address address,
                                                             const KnownDisk& disk,
                                                             const DeviceOptions& options) {
    return state_->attach_known(now, address, disk, options);
}

void Engine::detach(Time now, DeviceIndex device) {
    state_->detach(now, state_->device_at(device));
}

void Engine::submit(Time now, DeviceIndex device, Request& request) {
    state_->submit(now, state_->device_at(device), request);
}

bool Engine::poll_transmit(Time now, Transmit& transmit) {
    return state_->poll_transmit(now, transmit);
}

Request* Engine::poll_completion() {
    if (state_->completed.empty()) {
        return nullptr;
    }
    Request& request = state_->completed.front();
    state_->completed.pop_front();
    return &request;
}

std::optional<Event> Engine::poll_event() {
    return state_->poll_event();
}

std::optional<AdminAnswer> Engine::poll_answer() {
    return state_->administration.poll_answer();
}

std::optional<Time> Engine::poll_timeout() const {
    return state_->next_timeout();
}

const DeviceInfo& Engine::device_info(DeviceIndex device) const {
    return state_->device_at(device).info;
}

DeviceStatus Engine::device_status(DeviceIndex index) const {
    const DeviceEntry& device = state_->device_at(index);
    return {.info = device.info,
            .state = device.state,
            .operations = device.operations,
            .fenced_writes = device.fenced_writes,
            .requests_pending = device.requests_pending};
}

std::optional<TargetStatus> Engine::target(proto::Address address) const {
    const auto found = state_->targets.find(address);
    if (found == state_->targets.end()) {
        return std::nullopt;
    }
    return status_of(*found->second);
}

std::vector<TargetStatus> Engine::targets() const {
    std::vector<TargetStatus> all;
    all.reserve(state_->targets.size());
    for (const auto& [address, target] : state_->targets) {
        all.push_back(status_of(*target));
    }
    return all;
}

std::size_t Engine::targets_count() const {
    return state_->targets.size();
}

const EngineCounters& Engine::counters() const {
    return state_->counters;
}

} // namespace uaoe::initiator
