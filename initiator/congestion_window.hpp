// How many frames may be in flight on one path: slow start, then additive increase and
// multiplicative decrease (RFC 5681), in frames, never above what the target says it can queue.
// Knows no commands and no timers.
#pragma once

#include "initiator/time.hpp"

#include <cstdint>

namespace uaoe::initiator {

class CongestionWindow {
  public:
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

    // A frame that left at `sent_at` is lost. One decrease per round trip: losses of frames that
    // were sent before the last decrease are part of the same event. True when this one was a new
    // event.
    bool handle_loss(Time now, Time sent_at);

    // The same frame was lost again: the path is hardly there. Back to one frame (RFC 5681 3.1,
    // loss window).
    void handle_repeated_loss();

    [[nodiscard]] std::uint32_t cwnd() const { return cwnd_; }
    [[nodiscard]] std::uint32_t ssthresh() const { return ssthresh_; }
    [[nodiscard]] std::uint32_t limit() const { return limit_; }

  private:
    std::uint32_t initial_;
    std::uint32_t limit_;
    std::uint32_t cwnd_;
    std::uint32_t ssthresh_;
    std::uint32_t answers_count_ = 0; // since the last additive increase
    Time last_decrease_;
    Time last_send_;
    bool decreased_ = false;
    bool sent_ = false;
};

} // namespace uaoe::initiator
