// Slow start and AIMD in frames.
#include "initiator/congestion_window.hpp"

#include "proto/assert.hpp"

#include <algorithm>

namespace uaoe::initiator {

CongestionWindow::CongestionWindow(std::uint32_t initial, std::uint32_t limit)
    : initial_(initial), limit_(limit), cwnd_(std::min(initial, limit)), ssthresh_(limit) {
    UAOE_ASSERT(initial >= 1 && limit >= 1);
}

void CongestionWindow::set_limit(std::uint32_t limit) {
    UAOE_ASSERT(limit >= 1);
    // Without a loss ssthresh means "no limit known": it follows.
    if (!decreased_ || ssthresh_ > limit) {
        ssthresh_ = limit;
    }
    limit_ = limit;
    cwnd_ = std::min(cwnd_, limit_);
}

void CongestionWindow::handle_send(Time now, std::uint32_t in_flight, Duration rto) {
    if (in_flight == 0 && sent_ && now - last_send_ > rto) {
        cwnd_ = std::min(cwnd_, std::min(initial_, limit_));
    }
    last_send_ = now;
    sent_ = true;
}

void CongestionWindow::handle_answer(std::uint32_t in_flight) {
    if (cwnd_ >= limit_ || in_flight < cwnd_) {
        return;
    }
    if (cwnd_ < ssthresh_) {
        ++cwnd_;
        return;
    }
    if (++answers_count_ >= cwnd_) {
        answers_count_ = 0;
        ++cwnd_;
    }
}

bool CongestionWindow::handle_loss(Time now, Time sent_at) {
    if (decreased_ && sent_at < last_decrease_) {
        return false;
    }
    ssthresh_ = std::max(cwnd_ / 2, 1U);
    cwnd_ = ssthresh_;
    answers_count_ = 0;
    last_decrease_ = now;
    decreased_ = true;
    return true;
}

void CongestionWindow::handle_repeated_loss() {
    cwnd_ = 1;
    answers_count_ = 0;
}

} // namespace uaoe::initiator
