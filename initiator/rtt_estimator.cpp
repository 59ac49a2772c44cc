// RFC 6298 in nanoseconds.
#include "initiator/rtt_estimator.hpp"

#include <algorithm>
#include <chrono>

namespace uaoe::initiator {

RttEstimator::RttEstimator(Duration initial, Duration min, Duration max)
    : min_(min), max_(max), rto_(std::clamp(initial, min, max)) {}

void RttEstimator::add_sample(Duration rtt) {
    rtt = std::max(rtt, Duration{1});
    if (!has_sample()) {
        // RFC 6298 2.2
        srtt_ = rtt;
        rttvar_ = rtt / 2;
    } else {
        // RFC 6298 2.3: the variance first, with the old mean; gains 1/4 and 1/8
        const Duration deviation = std::chrono::abs(srtt_ - rtt);
        rttvar_ += (deviation - rttvar_) / 4;
        srtt_ = std::max(srtt_ + (rtt - srtt_) / 8, Duration{1});
    }
    // RFC 6298 2.3 and 2.4; the clock's granularity is far below min_
    rto_ = std::clamp(srtt_ + 4 * rttvar_, min_, max_);
}

Duration RttEstimator::rto_after(unsigned attempts) const {
    // 2^16 times the smallest possible floor is beyond any ceiling.
    const Duration backed_off = rto_ * (1LL << std::min(attempts, 16U));
    return std::min(backed_off, std::max(max_, rto_));
}

} // namespace uaoe::initiator
