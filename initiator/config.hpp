// Limits and times of an engine, fixed when it is made. Everything is sized from them at start.
#pragma once

#include "initiator/time.hpp"

#include <cstdint>

namespace uaoe::initiator {

using namespace std::chrono_literals;

struct EngineConfig {
    std::uint8_t shard_index = 0; // 0..15: bits 27-30 of every tag, see tag.hpp
    // First generation of every tag: an engine that is started anew must not take answers to its
    // predecessor's commands for its own, so whoever makes it draws this at random.
    std::uint32_t tag_generation_first = 0;

    std::uint32_t ports_count_max = 16;      // local NICs
    std::uint32_t targets_count_max = 4096;  // discovered LUNs
    std::uint32_t devices_count_max = 256;   // attached LUNs
    std::uint32_t paths_per_target_max = 16; // (port, target MAC) pairs of one LUN
    std::uint32_t commands_count_max = 4096; // in flight over all devices, <= 8190
    // Finished writes of which a copy may still be on its way, beside those that keep their
    // commands' slots.
    std::uint32_t fences_count_max = 32768;
    std::uint32_t window_frames_max = 1024;   // ceiling for any advertised buffer_count
    std::uint32_t window_frames_initial = 10; // RFC 6928
    std::uint32_t identifies_in_flight_max =
        128; // over all targets: 4096 at once would be a burst nobody holds

    Duration rto_initial = 200ms; // before a path's first RTT sample
    Duration rto_min = 20ms;      // a busy target's scheduling pauses are not losses
    Duration rto_max = 2s;        // also how soon a returning target is noticed
    // After two round trips without an answer, and not less than this, the newest command in flight
    // on a path is sent once more: its answer tells what is lost (RFC 8985 7). Below rto_min, since
    // that costs nobody anything but a frame.
    Duration tail_probe_min = 500us;

    // How long a frame may live in the fabric: a copy of a write that was sent and not answered is
    // treated as still on its way for this long. IEEE 802.1D 7.7.3: a bridge discards a frame after
    // at most 1 s.
    Duration linger = 1s;
    // A target that stands still executes what waits in its queue when it goes on. So an unanswered
    // copy of a write is feared, beyond `linger`, until its target MAC has answered something that
    // was sent after the copy can have arrived, but at most for this long.
    Duration target_hold = 30s;
    // Writes to a LUN wait for this long, and not less than `linger`, after it was attached: frames
    // of whoever had it before, a process that was ended or killed under load, may live as long.
    // Then each known target MAC has to answer, as above, but at most for `target_hold` after that.
    // 0 where nobody can have had it: nothing waits.
    Duration settle = 1s;

    Duration discover_interval = 60s; // Query Config broadcasts; 0 = only when discover() is called
    // After a port came up it is done again so soon, then after twice as long each time, up to
    // discover_interval: a switch may not forward yet (IEEE 802.1D: for 30 s), a frame may be lost.
    Duration discover_first = 1s;
    Duration probe_interval = 1s; // of a path that does not answer
    // A path that carries less than its MTU and its target allow is tried with that much again. 0:
    // what they allow is believed, and no path is probed.
    Duration payload_retry = 60s;
    // A disk in use is identified again at the first Query Config answer after so long: it may have
    // grown. 0: never.
    Duration identify_interval = 30s;
    Duration identify_timeout = 10s; // then a target that answers only Query Config is called mute
};

struct DeviceOptions {
    Duration fail_after = 180s; // of silence, then requests fail; 0 = wait for ever
    bool read_only = false;
    // Promised by whoever attaches it: the network and the link below the engine keep the order of
    // frames between two MACs, and the target does its commands one after the other, in that order
    // (vblade does, Coraid's and others with several workers do not). Then writes that overlap a
    // lost one need not wait; see fences.cpp. A path that is seen to break the promise is treated
    // as if it had not been given.
    bool in_order = false;
};

} // namespace uaoe::initiator
