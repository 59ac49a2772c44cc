// Which frames in flight on one path are lost, in the manner of RACK (RFC 8985): a frame is lost
// when one that was sent later has been answered, and a reorder window has passed in which its own
// answer would still be no surprise. The window is learned, because targets answer out of order:
// disks do, and so do several workers. Knows no commands and no timers.
#pragma once

#include "initiator/time.hpp"

#include <cstdint>

namespace uaoe::initiator {

class LossDetector {
  public:
    // The first answer to a copy, whether it was still waited for or given up. `order`: of sending
    // on this path, counted up by each frame.
    void handle_answer(Time now, Time sent_at, std::uint64_t order);
    // A frame was given up because it was overtaken. Each one lets the window, which may be wider
    // than it need be, shrink.
    void handle_loss() { extent_ -= extent_ / 16; }

    // A later frame was answered.
    [[nodiscard]] bool is_overtaken(std::uint64_t order) const { return order < newest_order_; }
    // Every answer so far came in the order of sending, but for those that never came.
    [[nodiscard]] bool keeps_order() const { return keeps_order_; }
    // When an overtaken frame is lost. `level`: doublings of patience, 0..7.
    [[nodiscard]] Time deadline(Time sent_at, unsigned level) const {
        return sent_at + (newest_rtt_ + reorder_window()) * (1LL << level);
    }
    [[nodiscard]] Duration reorder_window() const;

  private:
    std::uint64_t newest_order_ = 0; // of the answered frames; 0: none yet
    Duration newest_rtt_{};          // of that one
    bool keeps_order_ = true;
    Duration extent_{}; // how much longer than that an overtaken frame may take
};

} // namespace uaoe::initiator
