// The AoE initiator as a state machine without I/O: no socket, thread, clock, random device, file
// or log.
//
// The owner calls an input or a command, then drains the outputs, in this order:
//   while (poll_transmit(now, transmit)) ...   frames; must leave before the next input is given,
//   because their
//                                              payload is borrowed from requests
//   while (poll_completion()) ...              requests that are done; may submit new ones, then
//   transmit again while (poll_event()) ...                   news poll_timeout() when to call
//   handle_timeout() if nothing else happens
// Nothing is called back from inside an input. After construction nothing allocates on the data
// path: submit, handle_frame of ATA replies, handle_timeout, poll_*. Discovery of a new target and
// administrative questions may.
#pragma once

#include "initiator/admin_question.hpp"
#include "initiator/config.hpp"
#include "initiator/device.hpp"
#include "initiator/request.hpp"
#include "initiator/status.hpp"
#include "proto/wire.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace uaoe::initiator {

struct DeviceIndex {
    std::uint32_t value = 0;
    friend constexpr auto operator<=>(DeviceIndex, DeviceIndex) = default;
};

// One frame to send: `header_bytes` of `header`, then `payload`, on `port`. Frames without payload
// are already padded to 60 bytes.
struct Transmit {
    PortIndex port;
    std::uint32_t header_bytes = 0;
    std::array<std::byte, 64> header;
    proto::ConstBytes payload;
};

enum class AttachError : std::uint8_t {
    no_such_target,
    not_ready, // the target is there, but its TargetState is not ready
    already_attached,
    no_room,      // devices_count_max, or of a known disk targets_count_max
    unusable_mtu, // no path carries a single sector
    bad_identity, // of a known disk: its identify_data makes no sense
};

// A LUN that is known from before, by the books of an earlier process.
struct KnownDisk {
    std::array<std::byte, proto::identify_bytes> identify_data{};
    // Every target MAC that the earlier process had a path to, or knew of itself in this way: a
    // write of its may wait in the queue of each.
    std::vector<proto::MacAddress> target_macs;
};

class Engine {
  public:
    explicit Engine(const EngineConfig& config); // allocates everything
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // ---- inputs ----
    // A received Ethernet frame; the bytes are borrowed for the call. Read data is copied from here
    // into the request's buffer: the one copy of payload in user space.
    void handle_frame(Time now, PortIndex port, proto::ConstBytes frame);
    // A port appeared or changed. `up = false` also for one that vanished.
    void handle_port(Time now, PortIndex port, const PortState& state);
    void handle_timeout(Time now);

    // ---- commands ----
    // Broadcasts Query Config on every port that is up, now (and every discover_interval if that is
    // set, more often after a port came up: discover_first).
    void discover(Time now);
    // Asks every path of a target for its configuration (a frame that touches no data); each answer
    // is an Event probe_answered. False when there is no such target.
    bool probe(Time now, proto::Address address);
    // Asks every path of a target that is up for its disk again: what has grown is used then, and
    // another disk is a conflict. PathStatus::is_identifying until it is answered, or given up.
    // False when there is no such target.
    bool revalidate(Time now, proto::Address address);
    // Asks a target an administrative question, over its paths in turns; attached or not, and
    // beside its requests. One at a time: the next one after poll_answer() gave the answer, which
    // comes in any case: silence is one.
    std::expected<void, AskError> ask(Time now, AdminQuestion question);
    // Opens a discovered target for requests.
    std::expected<DeviceIndex, AttachError> attach(Time now, proto::Address address,
                                                   const DeviceOptions& options);
    // Opens a LUN that is known from before, whether it answers at present or not: its requests
    // wait for it as for a target that was lost. It is asked for until it is found; a path carries
    // data when IDENTIFY agrees with what is known, and is a conflict when another disk answers.
    // device_info() is what identify_data says.
    std::expected<DeviceIndex, AttachError> attach_known(Time now, proto::Address address,
                                                         const KnownDisk& disk,
                                                         const DeviceOptions& options);
    // Every request of it completes as cancelled; then the index is free.
    void detach(Time now, DeviceIndex device);
    void submit(Time now, DeviceIndex device, Request& request);

    // ---- outputs ----
    bool poll_transmit(Time now, Transmit& transmit);
    Request* poll_completion();
    std::optional<Event> poll_event();
    std::optional<AdminAnswer> poll_answer();
    std::optional<Time> poll_timeout() const;

    // ---- getters ----
    const DeviceInfo& device_info(DeviceIndex device) const;
    DeviceStatus device_status(DeviceIndex device) const;
    std::optional<TargetStatus> target(proto::Address address) const;
    std::vector<TargetStatus> targets() const; // by address
    std::size_t targets_count() const;
    const EngineCounters& counters() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace uaoe::initiator
