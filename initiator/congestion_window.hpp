// How many frames may be in flight on one path: slow start, then additive increase (RFC 5681), in
// frames, never above what the target says it can queue. Knows no commands and no timers.
//
// What a loss does depends on what it tells. A full queue, a switch's or a target's, shows in the
// round trips long before it drops anything: then the window shrinks by what stands in the queue,
// at most to half. Frames that get lost while round trips are as short as they ever are, are lost
// to a bad wire, and a smaller window would lose as many of a hundred: it stays. (TCP Veno and
// Westwood tell the two apart likewise.) When hardly any of all is lost, a third of all, or nothing
// is answered for a whole timeout, no round trip is asked.
#pragma once

#include "initiator/time.hpp"

#include <algorithm>
#include <cstdint>

namespace uaoe::initiator {

class CongestionWindow {
  public:
    // The decrease that a lost frame had a part in; 0: none.
    using Event = std::uint32_t;

    // `initial` and `limit`: frames, >= 1.
    CongestionWindow(std::uint32_t initial, std::uint32_t limit);

    // The target's buffer_count, already clamped to >= 1. Growing it does not grow cwnd: answers
    // do.
    void set_limit(std::uint32_t limit);

    // A frame goes out while `in_flight` others are under way. A window that was not used for
    // longer than `rto` is no measure of anything any more (RFC 5681 4.1).
    void handle_send(Time now, std::uint32_t in_flight, Duration rto);

    // An answer came; `in_flight` counts its frame. The window grows only when it was what held us
    // back (RFC 7661 in spirit), or it would grow without being tested.
    void handle_answer(std::uint32_t in_flight);
    // ... to a frame that left at `sent_at`, and whose work at the target takes no longer than
    // others' does.
    void add_sample(Time now, Time sent_at);

    // A frame that left at `sent_at` was overtaken and is lost. One decrease per round trip: losses
    // of frames that were sent before the last decrease are part of the same event.
    Event handle_loss(Time now, Time sent_at);
    // One was not answered within its timeout. `again`: it is not its first one, so the path is
    // hardly there: back to one frame (RFC 5681 3.1, loss window).
    Event handle_timeout(Time now, Time sent_at, bool again);
    // A frame of that event was answered after all. When all of them were, the decrease is taken
    // back (RFC 4015).
    void handle_spurious(Event event);

    // Of the last ten to twenty seconds; 0: none yet.
    [[nodiscard]] Duration rtt_min() const {
        const Duration shortest = std::min(rtt_min_, rtt_min_earlier_);
        return shortest == Duration::max() ? Duration{} : shortest;
    }
    [[nodiscard]] std::uint32_t cwnd() const { return cwnd_; }
    [[nodiscard]] std::uint32_t ssthresh() const { return ssthresh_; }
    [[nodiscard]] std::uint32_t limit() const { return limit_; }

  private:
    // Frames of a round trip.
    struct Round {
        std::uint32_t answered = 0;
        std::uint32_t lost = 0;
        Duration rtt_min = Duration::max();
    };
    [[nodiscard]] bool is_same_event(Time sent_at) const {
        return event_ != 0 && sent_at < last_decrease_;
    }
    [[nodiscard]] std::uint32_t reduced() const;
    Event decrease(Time now, std::uint32_t cwnd);
    void begin_round(Time now);

    std::uint32_t initial_;
    std::uint32_t limit_;
    std::uint32_t cwnd_;
    std::uint32_t ssthresh_;
    std::uint32_t answers_count_ = 0; // since the last additive increase
    Time last_send_;
    bool decreased_ = false;
    bool sent_ = false;

    Round round_;   // the present one
    Round earlier_; // those before it, each counting half as much as the next
    Time round_began_at_;
    Duration rtt_min_ = Duration::max();         // since the period began
    Duration rtt_min_earlier_ = Duration::max(); // in the one before
    Time period_began_at_;

    // The last decrease, and what it would take to take it back.
    Event event_ = 0;
    Time last_decrease_;
    std::uint32_t losses_count_ = 0; // of frames that nobody answered yet
    std::uint32_t cwnd_before_ = 0;
    std::uint32_t ssthresh_before_ = 0;
};

} // namespace uaoe::initiator
