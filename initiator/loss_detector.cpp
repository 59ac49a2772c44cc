// RACK with a learned reorder window.
#include "initiator/loss_detector.hpp"

#include <algorithm>

namespace uaoe::initiator {

void LossDetector::handle_answer(Time now, Time sent_at, std::uint64_t order) {
    const Duration rtt = now - sent_at;
    if (order > newest_order_) {
        newest_order_ = order;
        newest_rtt_ = rtt;
        return;
    }
    keeps_order_ = false;
    // Out of order, by so much. The largest that was seen, falling slowly where less is the rule.
    const Duration late = std::max(rtt - newest_rtt_, Duration{});
    extent_ = late > extent_ ? late : extent_ - (extent_ - late) / 64;
}

// RFC 8985 begins with a quarter of a round trip.
Duration LossDetector::reorder_window() const {
    return std::max(newest_rtt_ / 4, extent_ + extent_ / 4);
}

} // namespace uaoe::initiator
