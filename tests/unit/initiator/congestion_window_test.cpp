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

TEST_CASE("a loss halves the window, once for each round trip") {
    CongestionWindow window(32, 64);
    CHECK(window.handle_loss(at(10ms), at(1ms)));
    CHECK(window.cwnd() == 16);
    CHECK(window.ssthresh() == 16);
    // Sent before the decrease: part of the same event.
    CHECK_FALSE(window.handle_loss(at(11ms), at(9ms)));
    CHECK(window.cwnd() == 16);
    CHECK(window.handle_loss(at(30ms), at(20ms)));
    CHECK(window.cwnd() == 8);
}

TEST_CASE("above ssthresh the window grows by one for each window of answers") {
    CongestionWindow window(8, 64);
    CHECK(window.handle_loss(at(10ms), at(1ms)));
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
    CHECK(window.handle_loss(at(10ms), at(1ms)));
    window.handle_repeated_loss();
    CHECK(window.cwnd() == 1);
    for (std::uint32_t expected = 2; expected <= 16; ++expected) {
        window.handle_answer(window.cwnd());
        CHECK(window.cwnd() == expected);
    }
}

TEST_CASE("the window never falls below one frame") {
    CongestionWindow window(1, 64);
    for (int i = 1; i < 10; ++i) {
        window.handle_loss(at(10ms * i), at(10ms * i - 1ms));
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
