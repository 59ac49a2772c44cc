// TimerQueue.
#include "initiator/timer_queue.hpp"

#include <doctest/doctest.h>

using namespace uaoe::initiator;
using namespace std::chrono_literals;

TEST_CASE("timers fire in the order of their deadlines, once each") {
    TimerQueue queue;
    Timer a(TimerKind::path);
    Timer b(TimerKind::device);
    CHECK_FALSE(queue.next_deadline());
    queue.arm(a, Time{20ms});
    queue.arm(b, Time{10ms});
    CHECK(queue.next_deadline() == Time{10ms});
    CHECK(queue.pop_due(Time{9ms}) == nullptr);
    CHECK(queue.pop_due(Time{30ms}) == &b);
    CHECK(queue.pop_due(Time{30ms}) == &a);
    CHECK(queue.pop_due(Time{30ms}) == nullptr);
    CHECK_FALSE(a.is_armed());
}

TEST_CASE("arm_at_most only ever moves a deadline nearer") {
    TimerQueue queue;
    Timer timer(TimerKind::path);
    queue.arm_at_most(timer, Time{20ms});
    queue.arm_at_most(timer, Time{30ms});
    CHECK(timer.deadline == Time{20ms});
    queue.arm_at_most(timer, Time{5ms});
    CHECK(timer.deadline == Time{5ms});
    queue.disarm(timer);
    CHECK_FALSE(queue.next_deadline());
}
