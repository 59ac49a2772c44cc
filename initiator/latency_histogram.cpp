// What is read from the buckets: for people, not on the data path.
#include "initiator/latency_histogram.hpp"

#include <numeric>

namespace uaoe::initiator {

std::uint64_t LatencyHistogram::count() const {
    return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

double LatencyHistogram::quantile_us(double share) const {
    const double wanted = share * static_cast<double>(count());
    double below = 0;
    double lower_us = 0;
    for (std::size_t i = 0; i < buckets_count; ++i) {
        const auto inside = static_cast<double>(counts_[i]);
        const auto upper = upper_bound_us(i);
        if (inside > 0 && below + inside >= wanted) {
            return upper ? lower_us + (static_cast<double>(*upper) - lower_us) *
                                          std::max(wanted - below, 0.0) / inside
                         : lower_us;
        }
        below += inside;
        lower_us = upper ? static_cast<double>(*upper) : lower_us;
    }
    return 0;
}

} // namespace uaoe::initiator
