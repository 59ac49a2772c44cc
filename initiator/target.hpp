// What the engine knows of a LUN: its target-table entry, the paths to it, and, while it is
// attached, its device. Plain state; the rules are in discovery.cpp, transmit.cpp, answers.cpp,
// timeouts.cpp and devices.cpp.
#pragma once

#include "initiator/command.hpp"
#include "initiator/config.hpp"
#include "initiator/congestion_window.hpp"
#include "initiator/loss_detector.hpp"
#include "initiator/payload_search.hpp"
#include "initiator/request_state.hpp"
#include "initiator/rtt_estimator.hpp"
#include "initiator/status.hpp"
#include "initiator/timer_queue.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace uaoe::initiator {

// A frame that proves what a path carries; see payload.cpp.
struct PayloadProbe {
    enum class Stage : std::uint8_t { request, reply };
    Stage stage = Stage::request;
    bool is_outstanding = false;
    std::uint8_t tries_count = 0;  // that had no answer, of this size in this direction
    std::uint8_t silent_count = 0; // ... while nothing else had one: those tell nothing of a size
    std::uint16_t generation = 0;  // of a padded Query Config
    Command* command = nullptr;    // of a READ
    Time sent_at;
    std::optional<Time> retry_at; // of the largest size, when nothing is searched for
};

// A (port, target MAC) pair of one LUN. Made when a Query Config answer names it; never removed.
struct Path {
    Path(Target& path_target, PortIndex path_port, const proto::MacAddress& mac,
         const EngineConfig& config, std::uint32_t window_limit)
        : target(&path_target), port(path_port), target_mac(mac),
          rtt(config.rto_initial, config.rto_min, config.rto_max),
          window(config.window_frames_initial, window_limit) {}

    // Commands in flight, one queue for each level of back-off, each in the order they were sent:
    // so the first of a queue is the next of it to time out, whatever the timeout is by then.
    static constexpr unsigned backoff_levels = 8;

    Target* target;
    PortIndex port;
    proto::MacAddress target_mac;
    PathState state = PathState::unverified;
    std::uint32_t buffer_count = 0;       // as advertised
    std::uint32_t sectors_advertised = 2; // of 512 bytes
    // What its MTU and its target allow, and what it is used with: what was proved, while it
    // carries data of an attached LUN. In the LUN's logical sectors.
    std::uint32_t sectors_allowed = 0;
    std::uint32_t sectors_per_frame = 0;
    std::uint32_t sectors_reported = 0; // by the last event
    PayloadSearch payload;
    PayloadProbe payload_probe;
    std::array<Time, 2>
        large_passed_at{}; // more than the least payload: to the initiator, to the target

    RttEstimator rtt;
    CongestionWindow window;
    LossDetector losses;
    std::array<CommandQueue, backoff_levels> in_flight;
    std::uint32_t in_flight_count = 0;
    // Of commands and of a payload probe: what takes room at the target.
    [[nodiscard]] std::uint32_t frames_in_flight() const {
        return in_flight_count + (payload_probe.is_outstanding ? 1U : 0U);
    }
    std::uint64_t order_last = 0; // of sending; 0: nothing was sent
    Time last_sent;
    std::uint8_t tail_probes_count = 0; // since the last answer
    // What a frame in flight adds to the shortest round trip of the next one, smoothed.
    Duration frame_cost{};
    std::uint32_t silent_rounds_count =
        0; // timeouts in a row, one a round trip, with nothing heard in between
    Time last_heard;
    bool is_transfer_overdue = false; // and nothing heard since: a read or write timed out
    Time last_silent_round;
    bool was_silent_when_down = true; // before its port went down: that is not why it is silent
    Time answered_up_to; // when the newest frame that had an answer was sent; see fences.cpp

    Command* identify = nullptr; // the one that is queued or in flight
    Time identify_since;
    Time identified_at;
    std::uint8_t identify_attempts_count = 0; // that had no answer
    bool wants_identify = false;
    std::optional<Time> identify_retry_at; // it was answered with an error; ask again then
    bool wants_probe = false;
    bool probe_outstanding = false;
    std::uint16_t probe_generation = 0;
    std::uint8_t probes_missed_count = 0; // of fences.cpp, in a row
    Time probe_sent_at;

    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    std::uint64_t retransmitted = 0;
    std::uint64_t spurious = 0;
    LatencyHistogram round_trips;

    Timer timer{TimerKind::path, this};
    boost::intrusive::list_member_hook<> identify_hook; // paths that want to send IDENTIFY
    boost::intrusive::list_member_hook<> probe_hook;    // paths that want to send Query Config
    boost::intrusive::list_member_hook<> payload_hook;  // paths that want to send a payload probe
};

using PayloadQueue = boost::intrusive::list<
    Path,
    boost::intrusive::member_hook<Path, boost::intrusive::list_member_hook<>, &Path::payload_hook>>;
using IdentifyQueue =
    boost::intrusive::list<Path,
                           boost::intrusive::member_hook<Path, boost::intrusive::list_member_hook<>,
                                                         &Path::identify_hook>>;
using ProbeQueue = boost::intrusive::list<
    Path,
    boost::intrusive::member_hook<Path, boost::intrusive::list_member_hook<>, &Path::probe_hook>>;

struct DeviceEntry {
    std::uint32_t index = 0;
    Target* target = nullptr; // nullptr: not in use
    DeviceInfo info;
    DeviceOptions options;
    DeviceState state = DeviceState::up;

    RequestState::Queue waiting_writes; // overlap an earlier write or a fence
    RequestState::Queue send_queue;     // have sectors to be cut into commands
    RequestState::Queue flush_waiting;  // flushes, and writes whose FUA is still to come
    RequestState::Queue flush_batch;    // covered by the FLUSH that is under way
    RequestState::Writes writes;        // unfinished, oldest first
    RequestState::Ranges ranges;        // of admitted writes
    CommandQueue resend;                // commands to be sent as they are: lost ones, and FLUSH
    Command* flush_command = nullptr;

    std::uint64_t sequence_next = 0;
    std::uint32_t requests_pending = 0;
    std::uint32_t commands_count = 0; // data and FLUSH, in flight or to be sent again
    Time asked_since;                 // when a silence can have begun: before, nothing was asked
    Time silent_since;                // when its last path was lost
    Time last_answer; // to data or FLUSH: a target that only says who it is does no work
    Timer fail_timer{TimerKind::device, this};
    boost::intrusive::list_member_hook<> ready_hook; // in `ready` or `starved`
    bool is_starved = false;
    bool wants_admission = false; // a fence of its target fell

    std::array<OperationCounters, 5> operations;
    std::uint64_t fenced_writes = 0;

    // Whether the target owes it an answer. Writes that wait for a fence ask for nothing.
    [[nodiscard]] bool is_asking() const {
        return commands_count > 0 || !send_queue.empty() ||
               (!flush_waiting.empty() && waiting_writes.empty());
    }
    [[nodiscard]] bool has_work() const {
        return !resend.empty() || !send_queue.empty() || !flush_waiting.empty();
    }
};

using DeviceQueue = boost::intrusive::list<
    DeviceEntry, boost::intrusive::member_hook<DeviceEntry, boost::intrusive::list_member_hook<>,
                                               &DeviceEntry::ready_hook>>;

struct Target {
    explicit Target(proto::Address target_address) : address(target_address) {}

    // Whether a path leads to that MAC, and no other disk is known to be there.
    [[nodiscard]] bool leads_to(const proto::MacAddress& mac) const {
        return std::ranges::any_of(paths, [&](const auto& path) {
            return path->target_mac == mac && path->state != PathState::conflict;
        });
    }

    proto::Address address;
    TargetState state = TargetState::identifying;
    proto::Identify identify;
    std::array<std::byte, proto::identify_bytes> identify_data{};
    std::string config_string;
    std::uint16_t buffer_count = 0;
    std::uint16_t firmware_version = 0;
    std::uint32_t sectors_advertised = 2;
    std::vector<std::unique_ptr<Path>> paths;
    std::size_t path_next = 0;    // round robin
    bool is_turn_of_data = false; // before the next payload probe
    DeviceEntry* device = nullptr;
    std::size_t commands_count = 0; // slots of its data and flushes, lingering ones included

    // Of a target that attach_known() told of; see known_disks.cpp.
    bool is_hearsay = false; // its identity, which no path has confirmed yet
    std::vector<proto::MacAddress> known_macs;
    Timer seek_timer{TimerKind::seek, this};
    boost::intrusive::list_member_hook<> seek_hook; // targets that are to be asked for
    std::uint32_t seek_port_next = 0;

    bool is_settled = false;        // no write from before it was attached can land; see fences.cpp
    Time settle_from = Time::min(); // no write before
    Time settle_until = Time::min();     // then any
    Fences fences;                       // write copies that may still reach the disk
    std::uint64_t fence_sectors_max = 0; // no fence is longer

    // A target MAC queues buffer_count commands whichever of our ports they come from.
    [[nodiscard]] std::uint32_t in_flight_to(const proto::MacAddress& mac) const {
        std::uint32_t count = 0;
        for (const auto& path : paths) {
            count += path->target_mac == mac ? path->frames_in_flight() : 0;
        }
        return count;
    }
};

using SeekQueue = boost::intrusive::list<
    Target, boost::intrusive::member_hook<Target, boost::intrusive::list_member_hook<>,
                                          &Target::seek_hook>>;

} // namespace uaoe::initiator
