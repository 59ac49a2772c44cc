// Round-trip time of one path and the retransmission timeout that follows from it (RFC 6298). Knows
// no commands.
#pragma once

#include "initiator/time.hpp"

namespace uaoe::initiator {

class RttEstimator {
  public:
    // Until the first sample rto() is `initial`; afterwards it is kept within `min`..`max`.
    RttEstimator(Duration initial, Duration min, Duration max);

    // Every transmission has a tag of its own, so each sample belongs to the copy it names (Karn's
    // problem does not arise). `rtt` > 0.
    void add_sample(Duration rtt);

    [[nodiscard]] bool has_sample() const { return srtt_ != Duration::zero(); }
    [[nodiscard]] Duration srtt() const { return srtt_; }
    [[nodiscard]] Duration rttvar() const { return rttvar_; }
    [[nodiscard]] Duration rto() const { return rto_; }

    // The timeout of a command that was sent `attempts` times before: doubled for each (RFC
    // 6298 5.5), at most `max`.
    [[nodiscard]] Duration rto_after(unsigned attempts) const;

  private:
    Duration min_;
    Duration max_;
    Duration srtt_{};
    Duration rttvar_{};
    Duration rto_;
};

} // namespace uaoe::initiator
