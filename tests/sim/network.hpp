// What a world is made of: segments with their wires and faults, and target hosts on them.
#pragma once

#include "initiator/status.hpp"
#include "proto/ethernet.hpp"
#include "tests/sim/disk.hpp"
#include "tests/sim/event_queue.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <vector>

namespace uaoe::sim {

using initiator::PortIndex;

// What happens to frames on one segment, in each direction alike unless said.
struct Faults {
    // Whose frames are lost, in bursts or alone, or for their length.
    enum class Loses : std::uint8_t { all, requests, answers };
    Loses loses = Loses::all;
    double loss = 0;
    double burst_loss = 0; // chance that a burst begins, in which the next frames are lost
    double duplicate = 0;  // a request is executed twice; an answer comes again, up to 20 s later
    double late = 0;       // held up for up to late_max: what a retransmission overtakes
    double forge = 0;      // an answer is followed by forged ones
    double inject = 0;     // a request draws an answer that is another's, or false
    bool inject_short = false; // ... also true ones with less data than asked for
    Duration late_max{};
    std::uint32_t bytes_max =
        65536; // longer frames are dropped silently, as a switch without jumbos does
};

// What a frame takes on a wire beside its own bytes: preamble 8, FCS 4, gap 12 (IEEE 802.3).
inline constexpr std::uint64_t ethernet_overhead_bytes = 24;

// One direction of a segment's cable, and the queue in front of it, a switch's or a NIC's. Frames
// leave in the order they came.
struct Wire {
    std::uint64_t bits_per_second = 0; // 0: no limit, no queue
    // Of what has not left yet. What does not fit is dropped silently; an idle wire takes anything.
    std::uint64_t queue_bytes_max = std::numeric_limits<std::uint64_t>::max();

    // ---- state ----
    Time free_at{}; // the last of what waits has left
    std::uint64_t dropped_count = 0;

    // When the last bit of a frame that comes now has left; nothing when it is dropped.
    std::optional<Time> take(Time now, std::size_t frame_bytes);
    // The longest that a frame can wait here; the queue has a limit.
    [[nodiscard]] Duration queue_time_max() const;
};

struct Segment {
    Duration latency = std::chrono::microseconds{50};
    Duration jitter{}; // more than 0 reorders
    Wire to_targets;
    Wire to_ports;
    Faults faults;
    std::uint32_t burst_left = 0;
};

// A target port: one MAC on one segment, in front of a LUN. Holds at most buffer_count commands,
// drops more silently. Several hosts in front of one disk are processes that share it.
struct TargetHost {
    PortIndex segment;
    proto::MacAddress mac;
    std::uint32_t mtu_bytes = 1500;
    target::ModelTarget* lun = nullptr;
    std::uint32_t buffer_count = 16;
    Duration service_min = std::chrono::microseconds{5};
    Duration service_max = std::chrono::microseconds{20};
    bool in_order = true; // else each command takes its own time, as disks do
    bool up = true;
    Disk* disk = nullptr;       // for flush_service
    Duration flush_service{};   // more than service: of a FLUSH with something to write back
    bool is_other_disk = false; // not the one that was attached

    // ---- state ----
    struct Waiting {
        std::vector<std::byte> frame;
        unsigned copies = 1;
        std::uint32_t tag = 0;
        std::uint64_t sequence = 0;
        bool is_due = false; // out of order: its time has come while the process was paused
    };
    std::deque<Waiting> queue{}; // in the order of arrival
    bool is_busy = false;        // in order: with the first of them
    bool is_paused = false;      // the process does not run; the queue still fills
    Time paused_at{};            // ... since when
    Time power_back_at{};        // its power was cut: it does not start before
    bool is_mute = false;        // answers all but data and flush: its disk hangs
    std::uint32_t life = 0;      // counted up by a restart: what it held is forgotten
};

} // namespace uaoe::sim
