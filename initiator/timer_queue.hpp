// The engine's timers, ordered by deadline. Intrusive: arming allocates nothing.
#pragma once

#include "initiator/time.hpp"
#include "proto/assert.hpp"

#include <boost/intrusive/set.hpp>

#include <cstdint>
#include <optional>

namespace uaoe::initiator {

enum class TimerKind : std::uint8_t {
    path,     // retransmission timeouts of a path's commands, IDENTIFY included
    device,   // fail-after of a device
    discover, // the next Query Config broadcast
    seek,     // the next one for a known disk that is not found
    linger,   // the first copy of a finished write that may still be on its way
    settle,   // an earlier engine's frames are out of the fabric; then who has not answered since
    administration, // of an administrative question
};

struct Timer {
    explicit Timer(TimerKind timer_kind, void* timer_owner = nullptr)
        : kind(timer_kind), owner(timer_owner) {}
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    boost::intrusive::set_member_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>>
        hook;
    Time deadline;
    TimerKind kind;
    void* owner; // what the kind says

    [[nodiscard]] bool is_armed() const { return hook.is_linked(); }
};

class TimerQueue {
  public:
    ~TimerQueue() { timers_.clear(); }

    void arm(Timer& timer, Time deadline) {
        disarm(timer);
        timer.deadline = deadline;
        timers_.insert(timer);
    }

    // Never later than `deadline`. A timer that fires early looks at its owner and is armed again,
    // so most sends and answers leave the queue alone.
    void arm_at_most(Timer& timer, Time deadline) {
        if (!timer.is_armed() || timer.deadline > deadline) {
            arm(timer, deadline);
        }
    }

    void disarm(Timer& timer) {
        if (timer.is_armed()) {
            timers_.erase(timers_.iterator_to(timer));
        }
    }

    [[nodiscard]] std::optional<Time> next_deadline() const {
        return timers_.empty() ? std::nullopt : std::optional(timers_.begin()->deadline);
    }

    [[nodiscard]] Timer* first() { return timers_.empty() ? nullptr : &*timers_.begin(); }

    // The first timer whose deadline has come, disarmed; none: nullptr.
    Timer* pop_due(Time now) {
        if (timers_.empty() || timers_.begin()->deadline > now) {
            return nullptr;
        }
        Timer& timer = *timers_.begin();
        timers_.erase(timers_.begin());
        return &timer;
    }

  private:
    struct EarlierDeadline {
        bool operator()(const Timer& a, const Timer& b) const { return a.deadline < b.deadline; }
    };
    boost::intrusive::multiset<
        Timer,
        boost::intrusive::member_hook<Timer,
                                      boost::intrusive::set_member_hook<
                                          boost::intrusive::link_mode<boost::intrusive::safe_link>>,
                                      &Timer::hook>,
        boost::intrusive::compare<EarlierDeadline>>
        timers_;
};

} // namespace uaoe::initiator
