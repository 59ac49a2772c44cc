// The largest frame that really passes a path: a search by halves between a size that passes and
// one that does not, the largest first. Sizes are sectors of payload. Knows no frames and no
// timers.
#pragma once

#include <algorithm>
#include <cstdint>

namespace uaoe::initiator {

class PayloadSearch {
  public:
    // `passing` is known to pass, or taken for granted; `largest` >= it is the most that may.
    void begin(std::uint32_t passing, std::uint32_t largest) {
        passing_ = passing;
        failing_ = largest + 1;
        trial_ = largest;
    }
    [[nodiscard]] bool is_done() const { return failing_ - passing_ <= 1; }
    // What to try next; not when done.
    [[nodiscard]] std::uint32_t trial() const { return trial_; }
    [[nodiscard]] std::uint32_t passing() const { return passing_; }

    void handle_passed() {
        passing_ = trial_;
        halve();
    }
    void handle_failed() {
        failing_ = trial_;
        halve();
    }

  private:
    void halve() { trial_ = passing_ + std::max((failing_ - passing_) / 2, 1U); }

    std::uint32_t passing_ = 0;
    std::uint32_t failing_ = 1;
    std::uint32_t trial_ = 0;
};

} // namespace uaoe::initiator
