// Slow start, additive increase, and a decrease by what stands in a queue.
#include "initiator/congestion_window.hpp"

#include "proto/assert.hpp"

#include <algorithm>

namespace uaoe::initiator {

namespace {

// The shortest round trip of so long, at least, is what the path takes without a queue: it may have
// changed since.
constexpr Duration period = std::chrono::seconds{10};

// Fewer frames say nothing of how many of a hundred are lost.
constexpr std::uint32_t judged_frames_min = 24;

// Of more than so many the older ones count less with each round trip.
constexpr std::uint32_t forgotten_frames_min = 256;

} // namespace

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
    ++round_.answered;
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

void CongestionWindow::add_sample(Time now, Time sent_at) {
    if (sent_at >= round_began_at_) {
        begin_round(now);
    }
    const Duration rtt = now - sent_at;
    round_.rtt_min = std::min(round_.rtt_min, rtt);
    rtt_min_ = std::min(rtt_min_, rtt);
}

void CongestionWindow::begin_round(Time now) {
    round_began_at_ = now;
    if (earlier_.answered + earlier_.lost >= forgotten_frames_min) {
        earlier_.answered /= 2;
        earlier_.lost /= 2;
    }
    earlier_.answered += round_.answered;
    earlier_.lost += round_.lost;
    earlier_.rtt_min = round_.rtt_min;
    round_ = {};
    if (now - period_began_at_ >= period) {
        period_began_at_ = now;
        rtt_min_earlier_ = rtt_min_;
        rtt_min_ = Duration::max();
    }
}

// What is left when a loss tells of congestion; cwnd when it does not.
std::uint32_t CongestionWindow::reduced() const {
    const std::uint32_t half = std::max(cwnd_ / 2, 1U);
    const std::uint32_t lost = earlier_.lost + round_.lost;
    const std::uint32_t all = earlier_.answered + round_.answered + lost;
    if (all >= judged_frames_min && lost > all / 3) {
        return half;
    }
    // So few of so many overflow no queue for long, and more than `limit` are never in it. A
    // smaller window would only wake both ends more often: with 1 % of loss each way, and a round
    // trip that is mostly the target's queue of our own frames, it would cost half of the goodput.
    if (all >= judged_frames_min && lost <= all / 16) {
        return cwnd_;
    }
    const Duration shortest = rtt_min();
    const Duration present = std::min(round_.rtt_min, earlier_.rtt_min);
    if (present == Duration::max() || present <= Duration::zero()) {
        return cwnd_;
    }
    // What the path holds without a queue, and a quarter more: round trips are never all alike.
    const auto fitting = static_cast<std::int64_t>(cwnd_) * (shortest + shortest / 4) / present;
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(fitting, half, cwnd_));
}

CongestionWindow::Event CongestionWindow::decrease(Time now, std::uint32_t cwnd) {
    cwnd_before_ = cwnd_;
    ssthresh_before_ = decreased_ ? ssthresh_ : 0;
    cwnd_ = cwnd;
    ssthresh_ = cwnd;
    answers_count_ = 0;
    last_decrease_ = now;
    decreased_ = true;
    losses_count_ = 1;
    return ++event_;
}

CongestionWindow::Event CongestionWindow::handle_loss(Time now, Time sent_at) {
    ++round_.lost;
    if (is_same_event(sent_at)) {
        ++losses_count_;
        return event_;
    }
    const std::uint32_t left = reduced();
    return left == cwnd_ ? 0 : decrease(now, left);
}

CongestionWindow::Event CongestionWindow::handle_timeout(Time now, Time sent_at, bool again) {
    ++round_.lost;
    if (!is_same_event(sent_at)) {
        return decrease(now, std::max(cwnd_ / 2, 1U));
    }
    ++losses_count_;
    if (again) {
        cwnd_ = 1;
        answers_count_ = 0;
    }
    return event_;
}

void CongestionWindow::handle_spurious(Event event) {
    if (event == 0 || event != event_ || losses_count_ == 0 || --losses_count_ > 0) {
        return;
    }
    cwnd_ = std::min(std::max(cwnd_, cwnd_before_), limit_);
    decreased_ = ssthresh_before_ != 0;
    ssthresh_ = decreased_ ? std::min(ssthresh_before_, limit_) : limit_;
}

} // namespace uaoe::initiator
