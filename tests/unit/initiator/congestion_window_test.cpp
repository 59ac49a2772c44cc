// CongestionWindow against sequences computed by hand.
#include "initiator/congestion_window.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using uaoe::initiator::CongestionWindow;
using uaoe::initiator::Time;

namespace {

constexpr Time at(std::chrono::nanoseconds since_start) {
    return Time{since_start};
}

} // namespace

TEST_CASE("slow start: one frame more for each answer while the window is full") {
    CongestionWindow window(4, 64);
    CHECK(window.cwnd() == 4);
    window.handle_answer(4);
    CHECK(window.cwnd() == 5);
    window.handle_answer(5);
    CHECK(window.cwnd() == 6);
}

TEST_CASE("a window that was not full does not grow") {
    CongestionWindow window(4, 64);
    window.handle_answer(3);
    CHECK(window.cwnd() == 4);
}

TEST_CASE("the window never exceeds what the target queues") {
    CongestionWindow window(10, 16);
    for (int i = 0; i < 100; ++i) {
        window.handle_answer(window.cwnd());
    }
    CHECK(window.cwnd() == 16);
    window.set_limit(3);
    CHECK(window.cwnd() == 3);
    CHECK(CongestionWindow(10, 1).cwnd() == 1);
}

namespace {

// A round trip of `frames` answers that took `rtt` each, sent at `start`.
void answer_round(CongestionWindow& window, std::chrono::nanoseconds start, std::uint32_t frames,
                  std::chrono::nanoseconds rtt) {
    for (std::uint32_t i = 0; i < frames; ++i) {
        window.add_sample(at(start + rtt), at(start));
        window.handle_answer(1); // not full: it does not grow
    }
}

} // namespace

TEST_CASE("a loss while round trips are as short as ever does not shrink the window") {
    CongestionWindow window(32, 64);
    answer_round(window, 1ms, 32, 100us);
    answer_round(window, 2ms, 31, 120us); // within a quarter
    CHECK(window.handle_loss(at(3ms), at(2ms)) == 0);
    CHECK(window.cwnd() == 32);
}

TEST_CASE("few losses of many frames do not shrink the window, whatever stands in a queue") {
    CongestionWindow window(32, 64);
    answer_round(window, 1ms, 32, 100us);
    answer_round(window, 2ms, 32, 800us);
    answer_round(window, 3ms, 32, 800us);
    for (int lost = 1; lost <= 6; ++lost) { // 6 of 102
        CHECK(window.handle_loss(at(4ms), at(3ms)) == 0);
    }
    CHECK(window.cwnd() == 32);
    CHECK(window.handle_loss(at(4ms), at(3ms)) != 0);
    CHECK(window.cwnd() == 16);
}

TEST_CASE("a loss behind a queue shrinks the window by what stands in it, at most to half") {
    CongestionWindow window(32, 64);
    answer_round(window, 1ms, 7, 100us);
    SUBCASE("a short queue") {
        answer_round(window, 2ms, 7, 160us);
        answer_round(window, 3ms, 7, 160us);
        CHECK(window.handle_loss(at(4ms), at(3ms)) != 0);
        CHECK(window.cwnd() == 25); // 32 * 125 / 160
    }
    SUBCASE("a long one") {
        answer_round(window, 2ms, 7, 800us);
        answer_round(window, 3ms, 7, 800us);
        const auto event = window.handle_loss(at(4ms), at(3ms));
        CHECK(event != 0);
        CHECK(window.cwnd() == 16);
        CHECK(window.ssthresh() == 16);
        // Sent before the decrease: part of the same event.
        CHECK(window.handle_loss(at(4100us), at(3900us)) == event);
        CHECK(window.cwnd() == 16);
        CHECK(window.handle_loss(at(6ms), at(5ms)) != event);
        CHECK(window.cwnd() == 8);
    }
}

TEST_CASE("losing a third of all is congestion, whatever the round trips say") {
    CongestionWindow window(32, 64);
    answer_round(window, 1ms, 32, 100us);
    answer_round(window, 2ms, 20, 100us);
    for (int i = 0; i < 17; ++i) {
        CHECK(window.handle_loss(at(2200us), at(2ms)) == 0);
    }
    answer_round(window, 3ms, 10, 100us);
    for (int i = 0; i < 17; ++i) {
        window.handle_loss(at(3200us), at(3ms));
    }
    CHECK(window.cwnd() == 16);
}

TEST_CASE("a timeout halves the window, once for each round trip") {
    CongestionWindow window(32, 64);
    const auto event = window.handle_timeout(at(10ms), at(1ms), false);
    CHECK(event != 0);
    CHECK(window.cwnd() == 16);
    CHECK(window.handle_timeout(at(11ms), at(9ms), false) == event);
    CHECK(window.cwnd() == 16);
    CHECK(window.handle_timeout(at(30ms), at(20ms), false) != event);
    CHECK(window.cwnd() == 8);
}

TEST_CASE("above ssthresh the window grows by one for each window of answers") {
    CongestionWindow window(8, 64);
    window.handle_timeout(at(10ms), at(1ms), false);
    REQUIRE(window.cwnd() == 4);
    for (int i = 0; i < 3; ++i) {
        window.handle_answer(4);
        CHECK(window.cwnd() == 4);
    }
    window.handle_answer(4);
    CHECK(window.cwnd() == 5);
}

TEST_CASE("the same frame lost again leaves one frame, and slow start leads back") {
    CongestionWindow window(32, 64);
    window.handle_timeout(at(10ms), at(1ms), false);
    window.handle_timeout(at(10ms), at(2ms), true);
    CHECK(window.cwnd() == 1);
    for (std::uint32_t expected = 2; expected <= 16; ++expected) {
        window.handle_answer(window.cwnd());
        CHECK(window.cwnd() == expected);
    }
}

TEST_CASE("a decrease is taken back when every frame of it was answered after all") {
    CongestionWindow window(32, 64);
    const auto event = window.handle_timeout(at(30ms), at(1ms), false);
    CHECK(window.handle_timeout(at(30ms), at(2ms), false) == event);
    REQUIRE(window.cwnd() == 16);
    window.handle_spurious(event);
    CHECK(window.cwnd() == 16); // the other one may be lost
    window.handle_spurious(event + 1);
    CHECK(window.cwnd() == 16);
    window.handle_spurious(event);
    CHECK(window.cwnd() == 32);
    CHECK(window.ssthresh() == 64);
    window.handle_spurious(event); // once
    CHECK(window.cwnd() == 32);
}

TEST_CASE("the window never falls below one frame") {
    CongestionWindow window(1, 64);
    for (int i = 1; i < 10; ++i) {
        window.handle_timeout(at(10ms * i), at(10ms * i - 1ms), i > 1);
        CHECK(window.cwnd() == 1);
    }
}

TEST_CASE("a window that was idle for longer than a timeout starts again at the initial one") {
    CongestionWindow window(4, 64);
    window.handle_send(at(0ms), 0, 20ms);
    for (int i = 0; i < 20; ++i) {
        window.handle_answer(window.cwnd());
    }
    CHECK(window.cwnd() == 24);
    window.handle_send(at(10ms), 0, 20ms);
    CHECK(window.cwnd() == 24);
    window.handle_send(at(100ms), 5, 20ms); // others are in flight: not idle
    CHECK(window.cwnd() == 24);
    window.handle_send(at(200ms), 0, 20ms);
    CHECK(window.cwnd() == 4);
}
