// The shard's loop.
#include "initiator/linux/shard_state.hpp"

#include <algorithm>
#include <sys/random.h>

namespace uaoe::initiator {

namespace {

constexpr unsigned ring_entries = 1024;

// Hundreds of LUNs, each with as many requests, may be asked or aborted at once.
constexpr unsigned ring_completions_count = 8192;

// Frames taken from one link before the others, the timers and the front ends have their turn.
constexpr std::size_t receive_frames_max = 256;

std::uint32_t random_word() {
    std::uint32_t word = 0;
    if (getrandom(&word, sizeof(word), 0) != sizeof(word)) {
        word = static_cast<std::uint32_t>(clock_now().time_since_epoch().count());
    }
    return word;
}

} // namespace

void Shard::State::run_posted() {
    if (!has_posted.load(std::memory_order_acquire)) {
        return;
    }
    std::uint64_t count = 0;
    while (read(wake.fd, &count, sizeof(count)) > 0) {
    }
    std::vector<std::function<void()>> tasks;
    {
        const std::lock_guard lock(posted_mutex);
        tasks.swap(posted);
        has_posted.store(false, std::memory_order_release);
    }
    for (const auto& task : tasks) {
        task();
    }
}

// Whether there may be more.
bool Shard::State::receive() {
    bool more = false;
    for (std::uint32_t i = 0; i < ports.size(); ++i) {
        if (ports[i].link) {
            const std::size_t count =
                ports[i].link->receive(receive_frames_max, [&](proto::ConstBytes frame) {
                    engine.handle_frame(now, {i}, frame);
                });
            more = more || count == receive_frames_max;
        }
    }
    return more;
}

// Everything the engine wants to send. A batch of one port leaves before the next is filled,
// because the payload is borrowed only until the engine's next input.
void Shard::State::transmit() {
    bool any = false;
    Transmit transmit;
    while (engine.poll_transmit(now, transmit)) {
        any = true;
        Link* link = ports[transmit.port.value].link.get();
        if (link == nullptr) {
            continue; // the port has just gone; the engine hears of it
        }
        link->next_transmit() = transmit;
        link->queue();
        if (link->is_full()) {
            link->flush();
        }
    }
    if (any) {
        for (ShardPort& port : ports) {
            if (port.link) {
                port.link->flush();
            }
        }
    }
}

bool Shard::State::complete() {
    bool any = false;
    while (Request* request = engine.poll_completion()) {
        any = true;
        --load.requests_count;
        load.bytes -= request->buffer.size();
        request->owner->handle_completion(*request);
    }
    while (const auto event = engine.poll_event()) {
        if (handle_event) {
            handle_event(*event);
        }
    }
    return any;
}

std::expected<Device*, AttachError>
Shard::State::own(std::expected<DeviceIndex, AttachError> index) {
    if (!index) {
        return std::unexpected(index.error());
    }
    devices.push_back(std::make_unique<ShardDevice>(engine, *index, now, load));
    return devices.back().get();
}

// With all that is there: what was posted, frames, timers, completions, and what is to be sent
// then.
void Shard::State::work() {
    now = clock_now();
    run_posted();
    reopen_due_links();
    has_more = receive();
    engine.handle_timeout(now);
    // Front ends may submit from their completions, and what they submit may complete at once.
    while (complete()) {
    }
    transmit();
    monitor_poll.arm(ring);
    wake.arm(ring);
}

bool Shard::State::has_frames() {
    return std::ranges::any_of(
        ports, [](const ShardPort& port) { return port.link && port.link->has_received(); });
}

// Frames that arrive before wake nobody, and cost the ring nothing.
void Shard::State::arm_link_polls() {
    for (ShardPort& port : ports) {
        for (const auto& poll : port.polls) {
            poll->arm(ring);
        }
    }
}

void Shard::State::wait(Time wake_at_latest) {
    // News that came since its source was looked at completes the source's poll, so nothing is
    // missed by waiting.
    if (has_more || has_posted.load(std::memory_order_acquire)) {
        sleep(Duration::zero());
        return;
    }
    Time until = wake_at_latest;
    if (const auto due = engine.poll_timeout()) {
        until = std::min(until, *due);
    }
    for (const ShardPort& port : ports) {
        until = std::min(until, port.reopen_at);
    }
    const Time begin = clock_now();
    const Duration look = busy_poll.time_to_look(load.requests_count, load.bytes);
    bool found = has_frames();
    if (!found && look > Duration::zero() && begin < until) {
        // One call of the kernel submits and collects; what it brings has not been waited for.
        if ((ring.has_prepared() || ring.has_news()) && sleep(Duration::zero()) > 0) {
            return;
        }
        const Time end = std::min(until, begin + look);
        do {
            found = ring.has_news() || has_frames();
        } while (!found && clock_now() < end);
    }
    if (!found) {
        arm_link_polls();
        sleep(until == Time::max() ? std::optional<Duration>{}
                                   : std::max(until - clock_now(), Duration::zero()));
    } else if (ring.has_prepared() || ring.has_news()) {
        sleep(Duration::zero());
    } else {
        now = clock_now(); // frames: they need no call of the kernel
    }
    busy_poll.handle_wait(now - begin, now < until);
}

// Until there is something in the ring, and takes it out. Returns how much that was.
unsigned Shard::State::sleep(std::optional<Duration> timeout) {
    ring.submit_and_wait(timeout);
    now = clock_now();
    const unsigned count = ring.dispatch();
    std::erase_if(retired_polls, [](const auto& poll) { return !poll->armed; });
    if (monitor_poll.ready) {
        monitor_poll.ready = false;
        monitor->handle_readable();
    }
    return count;
}

Shard::Shard(std::unique_ptr<State> state) : state_(std::move(state)) {}
Shard::~Shard() = default;

std::expected<std::unique_ptr<Shard>, Error> Shard::open(const ShardConfig& config) {
    auto ring = Ring::open(ring_entries, ring_completions_count);
    if (!ring) {
        return std::unexpected(ring.error());
    }
    ShardConfig seeded = config;
    seeded.engine.tag_generation_first = random_word();
    auto state = std::make_unique<State>(seeded, std::move(*ring));
    if (auto opened = state->open_ports(); !opened) {
        return std::unexpected(opened.error());
    }
    return std::unique_ptr<Shard>(new Shard(std::move(state)));
}

Engine& Shard::engine() {
    return state_->engine;
}
Ring& Shard::ring() {
    return state_->ring;
}
Time Shard::now() const {
    return state_->now;
}
const std::string& Shard::interface_name(PortIndex port) const {
    return state_->config.interfaces.at(port.value);
}

void Shard::add_interface(const std::string& name) {
    state_->add_port(name);
}

std::size_t Shard::interfaces_count() const {
    return state_->config.interfaces.size();
}

std::size_t Shard::interfaces_count_max() const {
    return state_->config.engine.ports_count_max;
}

const std::vector<Error>& Shard::interfaces_down() const {
    return state_->interfaces_down;
}

std::vector<PortStatus> Shard::port_statuses() {
    return state_->port_statuses();
}

const std::vector<Error>& Shard::links_replaced() const {
    return state_->links_replaced;
}

void Shard::discover() {
    state_->engine.discover(state_->now);
}

std::expected<Device*, AttachError> Shard::attach(proto::Address address,
                                                  const DeviceOptions& options) {
    return state_->own(state_->engine.attach(state_->now, address, options));
}

std::expected<Device*, AttachError>
Shard::attach_known(proto::Address address, const KnownDisk& disk, const DeviceOptions& options) {
    return state_->own(state_->engine.attach_known(state_->now, address, disk, options));
}

void Shard::detach(Device& device) {
    state_->engine.detach(state_->now, index_of(device));
    state_->complete();
    std::erase_if(state_->devices, [&](const auto& owned) { return owned.get() == &device; });
}

DeviceIndex Shard::index_of(const Device& device) const {
    return static_cast<const ShardDevice&>(device).index();
}

void Shard::set_event_handler(std::function<void(const Event&)> handler) {
    state_->handle_event = std::move(handler);
}

void Shard::set_error_handler(std::function<void(const Error&)> handler) {
    state_->handle_error = std::move(handler);
}

void Shard::run() {
    while (!state_->stopping.load(std::memory_order_acquire)) {
        state_->work();
        state_->wait(Time::max());
    }
}

bool Shard::run_until(const std::function<bool()>& done, Duration timeout) {
    const Time end = clock_now() + timeout;
    while (!done()) {
        if (clock_now() >= end || state_->stopping.load(std::memory_order_acquire)) {
            return false;
        }
        state_->work();
        if (done()) {
            state_->ring.submit(); // whoever comes next may not know that something is prepared
            return true;
        }
        state_->wait(end);
    }
    return true;
}

void Shard::post(std::function<void()> task) {
    {
        const std::lock_guard lock(state_->posted_mutex);
        state_->posted.push_back(std::move(task));
        state_->has_posted.store(true, std::memory_order_release);
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = write(state_->wake.fd, &one, sizeof(one));
}

void Shard::stop() {
    state_->stopping.store(true, std::memory_order_release);
    post([] {});
}

} // namespace uaoe::initiator
