// Looks or sleeps, by what was measured.
#include "initiator/linux/busy_poll.hpp"

#include <algorithm>

namespace uaoe::initiator {

namespace {

// Under way: with more, answers come one after the other, and large ones take their time anyway.
constexpr std::uint64_t requests_max = 2;
constexpr std::uint64_t bytes_max = 32 * 1024;

// Before it is worth while to look.
constexpr std::uint32_t short_waits_min = 8;

// Waits between two trials of what is not done, and of a trial.
constexpr std::uint32_t usual_waits = 248;
constexpr std::uint32_t trial_waits = 8;

// Looking for much longer than waits take brings nothing.
constexpr int averages_max = 4;

} // namespace

Duration BusyPoll::time_to_look(std::uint64_t requests_count, std::uint64_t bytes) {
    counts_ = time_max_ > Duration::zero() && requests_count <= requests_max &&
              bytes <= bytes_max && short_waits_count_ >= short_waits_min;
    return counts_ && looks_ != is_trial_ ? limit_ : Duration::zero();
}

void BusyPoll::handle_wait(Duration waited, bool has_news) {
    if (!has_news || waited >= time_max_) {
        short_waits_count_ = 0;
        if (!has_news) {
            return; // nobody would have had it sooner
        }
    } else {
        short_waits_count_ = std::min(short_waits_count_ + 1, short_waits_min);
    }
    if (!counts_) {
        return;
    }
    Waits& waits = is_trial_ ? trial_ : usual_;
    waits.sum += std::min(waited, time_max_);
    ++waits.count;
    if (is_trial_ && trial_.count >= trial_waits) {
        decide();
    } else if (!is_trial_ && usual_.count >= (was_measured_ ? usual_waits : trial_waits)) {
        was_measured_ = true;
        is_trial_ = true;
        trial_ = {};
    }
}

void BusyPoll::decide() {
    const Duration asleep = looks_ ? trial_.average() : usual_.average();
    const Duration looking = looks_ ? usual_.average() : trial_.average();
    looks_ = looking <= asleep - asleep / 8;
    limit_ = std::clamp(averages_max * (looks_ ? looking : asleep), Duration{1}, time_max_);
    is_trial_ = false;
    usual_ = {};
}

} // namespace uaoe::initiator
