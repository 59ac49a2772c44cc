// Round trips of one path, as ping(8) sums them up.
#pragma once

#include "initiator/time.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace uaoe::tools {

class RoundTrips {
  public:
    void count_sent() { ++sent_count_; }
    void add(initiator::Duration round_trip) {
        const double value_us = std::chrono::duration<double, std::micro>(round_trip).count();
        min_us_ = answered_count_ == 0 ? value_us : std::min(min_us_, value_us);
        max_us_ = std::max(max_us_, value_us);
        ++answered_count_;
        // Welford: sums of squares of large numbers lose what is looked for.
        const double before = value_us - average_us_;
        average_us_ += before / static_cast<double>(answered_count_);
        squares_ += before * (value_us - average_us_);
    }

    [[nodiscard]] std::uint64_t sent_count() const { return sent_count_; }
    [[nodiscard]] std::uint64_t answered_count() const { return answered_count_; }
    [[nodiscard]] double min_us() const { return min_us_; }
    [[nodiscard]] double average_us() const { return average_us_; }
    [[nodiscard]] double max_us() const { return max_us_; }
    [[nodiscard]] double deviation_us() const { // of the population, as ping(8) does
        return answered_count_ == 0 ? 0
                                    : std::sqrt(squares_ / static_cast<double>(answered_count_));
    }

  private:
    std::uint64_t sent_count_ = 0;
    std::uint64_t answered_count_ = 0;
    double min_us_ = 0;
    double max_us_ = 0;
    double average_us_ = 0;
    double squares_ = 0;
};

} // namespace uaoe::tools
