// The shard's loop.
#include "initiator/linux/shard.hpp"

#include "initiator/linux/clock.hpp"
#include "initiator/linux/packet_link.hpp"
#include "initiator/linux/port_monitor.hpp"
#include "proto/aoe.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <poll.h>
#include <set>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>
#include <utility>

namespace uaoe::initiator {

namespace {

constexpr unsigned ring_entries = 1024;

// Hundreds of LUNs, each with as many requests, may be asked or aborted at once.
constexpr unsigned ring_completions_count = 8192;

// A link that could not be opened is tried again then.
constexpr Duration reopen_interval = std::chrono::seconds{1};

// Frames taken from one link before the others, the timers and the front ends have their turn.
constexpr std::size_t receive_frames_max = 256;

// A multishot poll of one descriptor; armed again when the kernel ends it.
struct PollOperation : RingOperation {
    int fd = -1;
    bool armed = false;
    bool ready = false;

    PollOperation() {
        complete = [](RingOperation& self, int /*result*/, std::uint32_t flags) {
            auto& poll = static_cast<PollOperation&>(self);
            poll.armed = (flags & IORING_CQE_F_MORE) != 0;
            poll.ready = true;
        };
    }

    void arm(Ring& ring) {
        if (!armed && fd >= 0) {
            io_uring_sqe& sqe = ring.prepare(*this);
            io_uring_prep_poll_multishot(&sqe, fd, POLLIN);
            io_uring_sqe_set_data(&sqe, static_cast<RingOperation*>(this));
            armed = true;
        }
    }

    // It still ends with a completion of its own.
    void cancel(Ring& ring) {
        RingOperation* const self = this;
        io_uring_sqe& sqe = ring.prepare(*this);
        io_uring_prep_cancel(&sqe, self, 0);
        io_uring_sqe_set_data(&sqe, nullptr); // its own completion tells nothing
    }
};

struct Port {
    std::unique_ptr<PacketLink> link;
    int ifindex = 0;
    Time reopen_at = Time::max(); // its link could not be opened
    bool failure_told = false;
    std::unique_ptr<PollOperation> poll = std::make_unique<PollOperation>();
};

class ShardDevice final : public Device {
  public:
    ShardDevice(Engine& engine, DeviceIndex index, const Time& now)
        : engine_(engine), index_(index), now_(now), info_(engine.device_info(index)) {}

    [[nodiscard]] const DeviceInfo& info() const override { return info_; }
    void submit(Request& request) override { engine_.submit(now_, index_, request); }
    [[nodiscard]] DeviceIndex index() const { return index_; }

  private:
    Engine& engine_;
    DeviceIndex index_;
    const Time& now_;
    DeviceInfo info_;
};

Error usage_error(const std::string& interface_name, std::string why, std::string what_to_do) {
    return {.what = "cannot use interface " + interface_name,
            .why = std::move(why),
            .what_to_do = std::move(what_to_do)};
}

std::optional<Error> refuse_interface(const std::string& name,
                                      const std::optional<InterfaceState>& state) {
    if (!state) {
        return usage_error(name, "there is no such interface",
                           "`ip link` lists those of this network namespace");
    }
    if (!state->is_ethernet) {
        return usage_error(name, "it is not an Ethernet interface", "name the NIC of the SAN");
    }
    if (state->is_bond_member) {
        return usage_error(name, "it is a member of a bond", "name the bond itself");
    }
    if (proto::sectors_per_frame_of_mtu(state->port.mtu_bytes, 512) == 0) {
        return usage_error(
            name, "its MTU of " + std::to_string(state->port.mtu_bytes) + " carries no sector",
            "`ip link set " + name + " mtu 1500`, or 9000 on a jumbo SAN");
    }
    return std::nullopt;
}

std::optional<Error> down_error(const std::string& name, const InterfaceState& state) {
    if (!state.administratively_up) {
        return usage_error(name, "it is down", "`ip link set " + name + " up`");
    }
    if (!state.port.up) {
        return usage_error(name, "it has no carrier", "check its cable and its switch port");
    }
    return std::nullopt;
}

// Longer answers than its link can receive are not to be asked for.
PortState usable_state(PortState state) {
    state.mtu_bytes = std::min(state.mtu_bytes, PacketLink::mtu_bytes_max);
    return state;
}

std::uint32_t random_word() {
    std::uint32_t word = 0;
    if (getrandom(&word, sizeof(word), 0) != sizeof(word)) {
        word = static_cast<std::uint32_t>(clock_now().time_since_epoch().count());
    }
    return word;
}

} // namespace

struct Shard::State {
    State(const ShardConfig& shard_config, Ring shard_ring)
        : config(shard_config), engine(shard_config.engine), ring(std::move(shard_ring)),
          ports(shard_config.interfaces.size()) {
        devices.reserve(config.engine.devices_count_max);
    }
    ~State() {
        if (wake.fd >= 0) {
            close(wake.fd);
        }
    }

    std::expected<void, Error> open_ports();
    void update_port(std::size_t index, const std::optional<InterfaceState>& state);
    std::expected<void, Error> open_link(std::size_t index, const InterfaceState& state);
    void reopen_link(std::size_t index, const InterfaceState& state);
    void reopen_due_links();
    void run_posted();
    bool receive();
    void transmit();
    bool complete();
    std::expected<Device*, AttachError> own(std::expected<DeviceIndex, AttachError> index);
    void turn(Time wake_at_latest);

    ShardConfig config;
    Engine engine;
    Ring ring;
    std::vector<Port> ports;
    std::vector<Error> interfaces_down; // when they were opened
    std::unique_ptr<PortMonitor> monitor;
    PollOperation monitor_poll;
    PollOperation wake;
    std::vector<std::unique_ptr<PollOperation>>
        retired_polls; // of closed links, until their last completion
    std::vector<std::unique_ptr<ShardDevice>> devices;
    std::function<void(const Event&)> handle_event;
    std::function<void(const Error&)> handle_error;
    Time now = clock_now();

    std::mutex posted_mutex;
    std::vector<std::function<void()>> posted;
    std::atomic<bool> has_posted = false;
    std::atomic<bool> stopping = false;
};

std::expected<void, Error> Shard::State::open_ports() {
    std::set<std::string> seen;
    for (const std::string& name : config.interfaces) {
        if (!seen.insert(name).second) {
            Error error = usage_error(name, "it is named twice", "name each interface once");
            error.exit_code = ExitCode::usage;
            return std::unexpected(error);
        }
    }
    if (config.interfaces.size() > config.engine.ports_count_max) {
        return std::unexpected(
            Error{.what = "too many interfaces",
                  .why = "at most " + std::to_string(config.engine.ports_count_max) + " are used",
                  .what_to_do = "name fewer",
                  .exit_code = ExitCode::usage});
    }
    auto opened = PortMonitor::open(config.interfaces);
    if (!opened) {
        return std::unexpected(opened.error());
    }
    monitor = std::move(*opened);
    for (std::size_t i = 0; i < config.interfaces.size(); ++i) {
        const std::string& name = config.interfaces[i];
        const auto& state = monitor->state(i);
        if (auto refused = refuse_interface(name, state)) {
            return std::unexpected(*refused);
        }
        if (auto down = down_error(name, *state)) {
            interfaces_down.push_back(std::move(*down));
        }
        if (auto opened_link = open_link(i, *state); !opened_link) {
            return opened_link;
        }
        engine.handle_port(now, {static_cast<std::uint32_t>(i)}, usable_state(state->port));
    }
    const std::size_t down_count_max = config.interfaces_up == InterfacesUp::all ? 0
                                       : config.interfaces_up == InterfacesUp::one
                                           ? config.interfaces.size() - 1
                                           : config.interfaces.size();
    if (interfaces_down.size() > down_count_max) {
        return std::unexpected(interfaces_down.front());
    }
    monitor->set_handler([this](std::size_t index, const std::optional<InterfaceState>& state) {
        update_port(index, state);
    });
    monitor_poll.fd = monitor->fd();
    wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    UAOE_ASSERT(wake.fd >= 0);
    return {};
}

std::expected<void, Error> Shard::State::open_link(std::size_t index, const InterfaceState& state) {
    auto link = PacketLink::open(config.interfaces[index], state.ifindex, config.engine.shard_index,
                                 config.ring_slots_count);
    if (!link) {
        return std::unexpected(std::move(link.error()));
    }
    Port& port = ports[index];
    port.link = std::move(*link);
    port.ifindex = state.ifindex;
    port.poll->fd = port.link->fd();
    return {};
}

// The cause of a failure (no memory, no descriptor left) sends no news when it is over.
void Shard::State::reopen_link(std::size_t index, const InterfaceState& state) {
    Port& port = ports[index];
    if (const auto opened = open_link(index, state)) {
        port.failure_told = false;
    } else {
        port.reopen_at = now + reopen_interval;
        if (!std::exchange(port.failure_told, true) && handle_error) {
            handle_error(opened.error());
        }
    }
}

void Shard::State::reopen_due_links() {
    for (std::size_t i = 0; i < ports.size(); ++i) {
        if (ports[i].reopen_at <= now) {
            update_port(i, monitor->state(i));
        }
    }
}

void Shard::State::update_port(std::size_t index, const std::optional<InterfaceState>& state) {
    Port& port = ports[index];
    const bool same_interface = state && state->ifindex == port.ifindex;
    if (!same_interface) {
        // Another one may have come in one piece of news: what was known of its paths is void.
        engine.handle_port(now, {static_cast<std::uint32_t>(index)}, PortState{});
    }
    if (port.link && !same_interface) {
        // A poll that is under way keeps the operation's address, and the socket open, until it
        // ends.
        if (port.poll->armed) {
            port.poll->cancel(ring);
            retired_polls.push_back(std::move(port.poll));
        }
        port.poll = std::make_unique<PollOperation>();
        port.link.reset();
    }
    port.reopen_at = Time::max();
    if (state && !port.link && state->is_ethernet) {
        reopen_link(index, *state);
    }
    PortState told = state ? usable_state(state->port) : PortState{};
    told.up = told.up && port.link;
    engine.handle_port(now, {static_cast<std::uint32_t>(index)}, told);
    if (told.up) {
        engine.discover(now); // what is on that network may have changed
    }
}

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
    bool has_more = false;
    for (std::uint32_t i = 0; i < ports.size(); ++i) {
        if (ports[i].link) {
            const std::size_t count =
                ports[i].link->receive(receive_frames_max, [&](proto::ConstBytes frame) {
                    engine.handle_frame(now, {i}, frame);
                });
            has_more = has_more || count == receive_frames_max;
        }
    }
    return has_more;
}

// Everything the engine wants to send. A batch of one port leaves before the next is filled,
// because the payload is borrowed only until the engine's next input.
void Shard::State::transmit() {
    bool any = false;
    Transmit transmit;
    while (engine.poll_transmit(now, transmit)) {
        any = true;
        PacketLink* link = ports[transmit.port.value].link.get();
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
        for (Port& port : ports) {
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
    devices.push_back(std::make_unique<ShardDevice>(engine, *index, now));
    return devices.back().get();
}

void Shard::State::turn(Time wake_at_latest) {
    now = clock_now();
    run_posted();
    reopen_due_links();
    const bool has_more = receive();
    engine.handle_timeout(now);
    // Front ends may submit from their completions, and what they submit may complete at once.
    while (complete()) {
    }
    transmit();
    monitor_poll.arm(ring);
    wake.arm(ring);
    for (Port& port : ports) {
        port.poll->arm(ring);
    }
    std::optional<Duration> wait;
    // News that came since its source was looked at completes the source's poll, so nothing is
    // missed by waiting.
    if (has_more || has_posted.load(std::memory_order_acquire)) {
        wait = Duration::zero();
    } else {
        Time until = wake_at_latest;
        if (const auto due = engine.poll_timeout()) {
            until = std::min(until, *due);
        }
        for (const Port& port : ports) {
            until = std::min(until, port.reopen_at);
        }
        wait = until == Time::max() ? std::optional<Duration>{}
                                    : std::max(until - clock_now(), Duration::zero());
    }
    ring.submit_and_wait(wait);
    now = clock_now();
    ring.dispatch();
    std::erase_if(retired_polls, [](const auto& poll) { return !poll->armed; });
    if (monitor_poll.ready) {
        monitor_poll.ready = false;
        monitor->handle_readable();
    }
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

const std::vector<Error>& Shard::interfaces_down() const {
    return state_->interfaces_down;
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
        state_->turn(Time::max());
    }
}

bool Shard::run_until(const std::function<bool()>& done, Duration timeout) {
    const Time end = clock_now() + timeout;
    while (!done()) {
        if (clock_now() >= end || state_->stopping.load(std::memory_order_acquire)) {
            return false;
        }
        state_->turn(end);
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
