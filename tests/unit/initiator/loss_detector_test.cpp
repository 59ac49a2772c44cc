// LossDetector against sequences computed by hand.
#include "initiator/loss_detector.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using uaoe::initiator::LossDetector;
using uaoe::initiator::Time;

namespace {

constexpr Time at(std::chrono::nanoseconds since_start) {
    return Time{since_start};
}

} // namespace

TEST_CASE("a frame is overtaken when one that was sent later is answered") {
    LossDetector losses;
    CHECK_FALSE(losses.is_overtaken(1));
    losses.handle_answer(at(100us), at(0us), 2);
    CHECK(losses.is_overtaken(1));
    CHECK_FALSE(losses.is_overtaken(2));
    CHECK_FALSE(losses.is_overtaken(3));
}

TEST_CASE("it is lost a quarter of a round trip later, and later by each doubling of patience") {
    LossDetector losses;
    losses.handle_answer(at(110us), at(10us), 2);
    CHECK(losses.deadline(at(9us), 0) == at(134us));
    CHECK(losses.deadline(at(9us), 2) == at(509us));
}

TEST_CASE("answers out of order widen the window by how late they were, and it narrows again") {
    LossDetector losses;
    losses.handle_answer(at(100us), at(0us), 2);
    CHECK(losses.reorder_window() == 25us);
    losses.handle_answer(at(900us), at(0us), 1); // 800 us later than was to be expected
    CHECK(losses.reorder_window() == 1000us);
    CHECK(losses.deadline(at(0us), 0) == at(1100us));
    // In order: nothing is learned.
    losses.handle_answer(at(1000us), at(900us), 3);
    CHECK(losses.reorder_window() == 1000us);
    // Less late than that, again and again.
    losses.handle_answer(at(1100us), at(1000us), 205);
    for (std::uint64_t order = 5; order < 205; ++order) {
        losses.handle_answer(at(1110us), at(1000us), order);
    }
    CHECK(losses.reorder_window() < 100us);
    CHECK(losses.reorder_window() >= 25us);
}

TEST_CASE("each true loss narrows it, too") {
    LossDetector losses;
    losses.handle_answer(at(100us), at(0us), 2);
    losses.handle_answer(at(900us), at(0us), 1);
    for (int i = 0; i < 16; ++i) {
        losses.handle_loss();
    }
    CHECK(losses.reorder_window() > 300us);
    CHECK(losses.reorder_window() < 400us);
}
