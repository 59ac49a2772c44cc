// A shard: one engine, its packet links, and the one io_uring on which they and the front ends of
// its LUNs wait. It belongs to one thread, the one that calls run() or run_until(); only post() and
// stop() may be called from others. `uaoe discover` and its like drive a shard on their main thread
// with run_until(); servers give it a thread and run().
#pragma once

#include "initiator/engine.hpp"
#include "initiator/linux/busy_poll.hpp"
#include "initiator/linux/error.hpp"
#include "initiator/linux/link.hpp"
#include "initiator/linux/link_kind.hpp"
#include "initiator/linux/ring.hpp"

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace uaoe::initiator {

// Of those named, which must be up when a shard is opened. All of them must exist, but for `later`:
// none need exist yet. Once it is open both are states the engine copes with.
enum class InterfacesUp : std::uint8_t { all, one, none, later };

struct ShardConfig {
    EngineConfig engine;
    std::vector<std::string> interfaces; // PortIndex n is interfaces[n]; more by add_interface()
    InterfacesUp interfaces_up = InterfacesUp::all;
    LinkKind link = LinkKind::packet;
    // Answers with data that wait, per interface, each in 16 KiB of memory: a multiple of 64. The
    // default takes what a busy LUN has in flight; discovery needs fewer.
    std::size_t ring_slots_count = 1024;
    // Longest time to look for news before sleeping, where that pays: see busy_poll.hpp. Zero:
    // sleeps at once.
    Duration busy_poll = BusyPoll::time_max_default;
};

// An interface as a shard has it.
struct PortStatus {
    std::string interface;
    bool up = false;             // with carrier, and a link on it
    std::uint32_t mtu_bytes = 0; // 0: there is no such interface now
    LinkCounters frames;         // since the shard was opened, also over links that were replaced
};

class Shard {
  public:
    static std::expected<std::unique_ptr<Shard>, Error> open(const ShardConfig& config);
    ~Shard();
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    // ---- on the shard's thread ----
    [[nodiscard]] Engine& engine();
    [[nodiscard]] Ring& ring();
    [[nodiscard]] Time
    now() const; // of the present turn of the loop; updated by clock() when it matters
    [[nodiscard]] const std::string& interface_name(PortIndex port) const;
    // One for each interface; asks the kernel.
    [[nodiscard]] std::vector<PortStatus> port_statuses();
    // There are fewer than interfaces_count_max() when this is called. It gets the next PortIndex,
    // and is used as soon as it is there and up.
    void add_interface(const std::string& name);
    [[nodiscard]] std::size_t interfaces_count() const;
    // Of open(): one for each interface that was down, or not there, and did not have to be up.
    [[nodiscard]] const std::vector<Error>& interfaces_down() const;

    // Of open(): one for each interface that has a packet socket, although ShardConfig::link is
    // xdp.
    [[nodiscard]] const std::vector<Error>& links_replaced() const;

    void discover();
    // The Device lives until detach().
    std::expected<Device*, AttachError> attach(proto::Address address,
                                               const DeviceOptions& options);
    // As Engine::attach_known(): the LUN need not answer, and is asked for until it does.
    std::expected<Device*, AttachError> attach_known(proto::Address address, const KnownDisk& disk,
                                                     const DeviceOptions& options);
    void detach(Device& device); // its requests come back as cancelled before this returns
    [[nodiscard]] DeviceIndex index_of(const Device& device) const;

    // Called for each engine event, on the shard's thread.
    void set_event_handler(std::function<void(const Event&)> handler);

    // Called on the shard's thread when an interface has come, or come back, and cannot be used:
    // once, though a link that cannot be opened is tried again every second. Also when it then has
    // a packet socket instead of AF_XDP.
    void set_error_handler(std::function<void(const Error&)> handler);

    // Serves until stop(), or until `done` says so (asked once a turn) or `timeout` has passed.
    // False on timeout.
    void run();
    bool run_until(const std::function<bool()>& done, Duration timeout);

    // ---- from any thread (and the shard's own) ----
    void post(std::function<void()> task);                  // runs on the shard's thread, in order
    void stop();                                            // run() returns soon after
    [[nodiscard]] std::size_t interfaces_count_max() const; // EngineConfig::ports_count_max

  private:
    struct State;
    explicit Shard(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace uaoe::initiator
