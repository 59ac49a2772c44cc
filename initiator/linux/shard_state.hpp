// The inside of a shard: its state, and which file holds what. Included by those alone.
#pragma once

#include "initiator/linux/busy_poll.hpp"
#include "initiator/linux/clock.hpp"
#include "initiator/linux/link.hpp"
#include "initiator/linux/port_monitor.hpp"
#include "initiator/linux/shard.hpp"

#include <atomic>
#include <mutex>
#include <poll.h>
#include <unistd.h>
#include <utility>

namespace uaoe::initiator {

// A poll of one descriptor that ends with the first news. A link's is armed just before the shard
// sleeps: frames that arrive while it works wake nobody. With a multishot poll each of them does.
struct PollOperation : RingOperation {
    int fd = -1;
    bool armed = false;
    bool ready = false;

    PollOperation() {
        complete = [](RingOperation& self, int /*result*/, std::uint32_t /*flags*/) {
            auto& poll = static_cast<PollOperation&>(self);
            poll.armed = false;
            poll.ready = true;
        };
    }

    void arm(Ring& ring) {
        if (!armed && fd >= 0) {
            io_uring_sqe& sqe = ring.prepare(*this);
            io_uring_prep_poll_add(&sqe, fd, POLLIN);
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

struct ShardPort {
    std::unique_ptr<Link> link;
    int ifindex = 0;
    bool xdp_is_due = false;      // the link is a packet socket only because the interface is down
    Time reopen_at = Time::max(); // its link could not be opened
    bool failure_told = false;
    std::vector<std::unique_ptr<PollOperation>> polls; // of the link's descriptors
    LinkCounters of_closed_links;
};

// Requests under way.
struct ShardLoad {
    std::uint64_t requests_count = 0;
    std::uint64_t bytes = 0; // of their buffers
};

class ShardDevice final : public Device {
  public:
    ShardDevice(Engine& engine, DeviceIndex index, const Time& now, ShardLoad& load)
        : engine_(engine), index_(index), now_(now), load_(load), info_(engine.device_info(index)) {
    }

    [[nodiscard]] const DeviceInfo& info() const override { return info_; }
    void submit(Request& request) override {
        ++load_.requests_count;
        load_.bytes += request.buffer.size();
        engine_.submit(now_, index_, request);
    }
    [[nodiscard]] DeviceIndex index() const { return index_; }

  private:
    Engine& engine_;
    DeviceIndex index_;
    const Time& now_;
    ShardLoad& load_;
    DeviceInfo info_;
};

struct Shard::State {
    State(const ShardConfig& shard_config, Ring shard_ring)
        : config(shard_config), engine(shard_config.engine), ring(std::move(shard_ring)),
          ports(shard_config.interfaces.size()), busy_poll(shard_config.busy_poll) {
        devices.reserve(config.engine.devices_count_max);
    }
    ~State() {
        if (wake.fd >= 0) {
            close(wake.fd);
        }
    }

    // ---- shard_ports.cpp: interfaces, and the links on them ----
    std::expected<void, Error> open_ports();
    void add_port(const std::string& name);
    void update_port(std::size_t index, const std::optional<InterfaceState>& state);
    std::expected<void, Error> open_link(std::size_t index, const InterfaceState& state);
    std::expected<std::unique_ptr<Link>, Error> make_link(std::size_t index,
                                                          const InterfaceState& state);
    void close_link(std::size_t index);
    [[nodiscard]] bool wants_another_link(std::size_t index, const InterfaceState& state) const;
    void reopen_link(std::size_t index, const InterfaceState& state);
    void reopen_due_links();
    [[nodiscard]] std::vector<PortStatus> port_statuses();

    // ---- shard.cpp: a turn of the loop: work() with what is there, and wait() for more ----
    void work();
    void wait(Time wake_at_latest);
    unsigned sleep(std::optional<Duration> timeout);
    [[nodiscard]] bool has_frames();
    void arm_link_polls();
    void run_posted();
    bool receive();
    void transmit();
    bool complete();
    std::expected<Device*, AttachError> own(std::expected<DeviceIndex, AttachError> index);

    ShardConfig config;
    Engine engine;
    Ring ring;
    std::vector<ShardPort> ports;
    std::vector<Error> interfaces_down; // when they were opened
    std::vector<Error> links_replaced;  // likewise: no AF_XDP there
    std::unique_ptr<PortMonitor> monitor;
    PollOperation monitor_poll;
    PollOperation wake;
    std::vector<std::unique_ptr<PollOperation>>
        retired_polls; // of closed links, until their last completion
    std::vector<std::unique_ptr<ShardDevice>> devices;
    std::function<void(const Event&)> handle_event;
    std::function<void(const Error&)> handle_error;
    Time now = clock_now();
    bool has_more = false; // than work() took
    ShardLoad load;
    BusyPoll busy_poll;

    std::mutex posted_mutex;
    std::vector<std::function<void()>> posted;
    std::atomic<bool> has_posted = false;
    std::atomic<bool> stopping = false;
};

} // namespace uaoe::initiator
