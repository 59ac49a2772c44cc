// How long things took, counted in buckets of fixed bounds: percentiles come from these. Adding one
// costs some twenty instructions and two cache lines, and allocates nothing.
#pragma once

#include "initiator/time.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace uaoe::initiator {

// Four buckets for each doubling, so that a percentile is at most a quarter off: (0, 1], (1, 2] ...
// (7, 8], (8, 10], (10, 12] ... microseconds. The last one takes what is above `bound_us_max`.
class LatencyHistogram {
  public:
    static constexpr std::size_t buckets_count = 109;
    static constexpr std::uint64_t bound_us_max = 1U << 28U; // 268 s

    void add(Duration latency) {
        const auto ns = static_cast<std::uint64_t>(std::max<Duration::rep>(latency.count(), 1));
        ++counts_.data()[index_of((ns - 1) / 1000)]; // the index is in range: nothing to check
        sum_ns_ += ns;
    }
    // Of a bucket: what was counted elsewhere. `index` < buckets_count.
    void add_counted(std::size_t index, std::uint64_t count) { counts_[index] += count; }

    // Everything in it is at most so long; nothing for the last bucket.
    [[nodiscard]] static constexpr std::optional<std::uint64_t> upper_bound_us(std::size_t index) {
        if (index + 1 >= buckets_count) {
            return std::nullopt;
        }
        const std::size_t shift = std::max<std::size_t>(index / 4, 1) - 1;
        return (index - 4 * shift + 1) << shift;
    }
    // The bucket for more than `us` microseconds, and not more than one more.
    [[nodiscard]] static constexpr std::size_t index_of(std::uint64_t us) {
        const std::uint64_t clamped = std::min(us, bound_us_max);
        const auto shift = 61U - static_cast<unsigned>(std::countl_zero(clamped | 4U));
        return std::size_t{4} * shift + static_cast<std::size_t>(clamped >> shift);
    }

    [[nodiscard]] const std::array<std::uint64_t, buckets_count>& counts() const { return counts_; }
    [[nodiscard]] std::uint64_t count() const;
    // Wraps after 584 years, which all that waits at a time add to.
    [[nodiscard]] std::uint64_t sum_ns() const { return sum_ns_; }
    // What a share of them (0 to 1) did not exceed, in microseconds, as if they were even within
    // their bucket; of the last bucket its lower bound. 0 when there are none.
    [[nodiscard]] double quantile_us(double share) const;

  private:
    std::array<std::uint64_t, buckets_count> counts_{};
    std::uint64_t sum_ns_ = 0;
};

} // namespace uaoe::initiator
