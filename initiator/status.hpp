// What the engine tells about itself: snapshots for people, and events. None of it is on the data
// path; making a snapshot may allocate.
#pragma once

#include "initiator/device.hpp"
#include "initiator/latency_histogram.hpp"
#include "initiator/time.hpp"
#include "proto/address.hpp"
#include "proto/ethernet.hpp"
#include "proto/identify.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace uaoe::initiator {

// A local NIC, numbered by whoever owns the packet links; 0..ports_count_max-1.
struct PortIndex {
    std::uint32_t value = 0;
    friend constexpr auto operator<=>(PortIndex, PortIndex) = default;
};

struct PortState {
    bool up = false; // administratively up and carrier
    std::uint32_t mtu_bytes = 1500;
    proto::MacAddress mac;
    friend bool operator==(const PortState&, const PortState&) = default;
};

enum class PathState : std::uint8_t {
    unverified, // heard of by Query Config; IDENTIFY has not agreed yet: carries no data
    up,
    suspect,  // several timeouts in a row: carries no data until IDENTIFY agrees again
    conflict, // another disk answers there under the same address: never carries data
    down,     // the local port is down
};

enum class TargetState : std::uint8_t {
    identifying, // answered Query Config, not yet IDENTIFY
    ready,
    mute,        // answers Query Config, not IDENTIFY
    reserved,    // IDENTIFY answered with AoE error 6
    unavailable, // IDENTIFY answered with AoE error 3
    failed,      // IDENTIFY answered with another error, or with data that makes no sense
};

enum class DeviceState : std::uint8_t {
    up,
    silent, // no path answers; requests wait
    down,   // silent for longer than fail-after; requests fail at once until the target returns
};

struct PathStatus {
    PortIndex port;
    proto::MacAddress target_mac;
    PathState state = PathState::unverified;
    bool is_identifying = false; // IDENTIFY is being asked
    Duration srtt{};
    Duration rttvar{};
    Duration rto{};
    std::uint32_t cwnd = 0; // frames
    std::uint32_t ssthresh = 0;
    std::uint32_t in_flight = 0;
    std::uint32_t buffer_count = 0;       // as advertised
    std::uint32_t sectors_per_frame = 0;  // what this path carries
    std::uint32_t sectors_allowed = 0;    // what its MTU and its target allow
    std::uint32_t sectors_advertised = 0; // of 512 bytes: what the target takes there
    bool is_payload_proven = false;       // frames have shown what it carries; of attached LUNs
    std::uint64_t sent = 0;               // frames, retransmissions included
    std::uint64_t received = 0;           // valid answers
    std::uint64_t retransmitted = 0;
    std::uint64_t spurious = 0;     // retransmissions whose earlier copy was answered after all
    LatencyHistogram round_trips{}; // of frames with data, and of IDENTIFY: what srtt is made of
};

struct TargetStatus {
    proto::Address address;
    TargetState state = TargetState::identifying;
    proto::Identify identify;                                     // when ready
    std::array<std::byte, proto::identify_bytes> identify_data{}; // as received, when ready
    std::string config_string;
    std::uint16_t buffer_count = 0;
    std::uint16_t firmware_version = 0;
    std::uint32_t sectors_per_frame = 0; // as advertised
    std::vector<PathStatus> paths;
};

struct OperationCounters {
    std::uint64_t requests = 0;
    std::uint64_t bytes = 0;
    std::uint64_t errors = 0;
    LatencyHistogram latency{}; // of all requests, from submit() to their completion
};

struct DeviceStatus {
    DeviceInfo info;
    DeviceState state = DeviceState::up;
    std::array<OperationCounters, 5> operations; // by Operation
    std::uint64_t fenced_writes = 0; // writes that had to wait for an earlier overlapping one
    std::uint32_t requests_pending = 0;
};

// Frames that were looked at and not used.
struct EngineCounters {
    std::uint64_t received = 0;
    std::uint64_t malformed = 0;   // too short, or contradicting itself
    std::uint64_t not_for_us = 0;  // a request, another shard's tag, an unknown port
    std::uint64_t unknown_tag = 0; // no command waits for it
    std::uint64_t mismatched = 0;  // the tag fits, but address, command, MAC or length do not
    std::uint64_t late = 0;        // answers to an earlier copy of something already answered
    std::uint64_t events_dropped = 0;
    std::uint64_t targets_dropped = 0; // no room in the target table
};

enum class EventKind : std::uint8_t {
    target_found,      // first Query Config answer from an address
    target_changed,    // its TargetState changed
    path_changed,      // its PathState changed
    identity_conflict, // another disk at a known address
    device_changed,    // its DeviceState changed
    probe_answered,    // probe(): `duration` is the round trip
    payload_changed,   // a path carries `payload_bytes` a frame
    capacity_changed,  // the disk has grown, to `size_bytes`
};

struct Event {
    EventKind kind{};
    proto::Address address{};
    PortIndex port{};
    proto::MacAddress target_mac{};
    PathState path_state{};
    TargetState target_state{};
    DeviceState device_state{};
    Duration duration{};
    std::uint32_t payload_bytes = 0;
    std::uint64_t size_bytes = 0;
};

} // namespace uaoe::initiator
