// The dice and the held frames of the model target's program.
#include "hex.hpp"

#include "tests/target/faults.hpp"

#include <doctest/doctest.h>

using namespace uaoe;
using namespace uaoe::target;
using namespace uaoe::target::test;

TEST_CASE("dice fall as often as asked, the same for the same seed") {
    Dice dice(7);
    Dice same(7);
    unsigned falls_count = 0;
    for (unsigned i = 0; i < 100'000; ++i) {
        const bool falls = dice.falls(3);
        CHECK(falls == same.falls(3));
        falls_count += falls ? 1 : 0;
    }
    CHECK(falls_count > 2800);
    CHECK(falls_count < 3200);
    for (unsigned i = 0; i < 100; ++i) {
        CHECK_FALSE(dice.falls(0));
        CHECK(dice.falls(100));
    }
}

TEST_CASE("held frames leave by time, then by order of arrival") {
    HeldFrames held(4 * 64, 64);
    CHECK_FALSE(held.next_due_ns().has_value());
    CHECK(held.hold({.due_ns = 30}, from_hex("03")));
    CHECK(held.hold({.due_ns = 10}, from_hex("01"), from_hex("11")));
    CHECK(held.hold({.due_ns = 30}, from_hex("04")));
    CHECK(held.hold({.due_ns = 20}, from_hex("02")));
    CHECK_FALSE(held.hold({.due_ns = 5}, from_hex("05"))); // full
    std::string order;
    while (const auto due_ns = held.next_due_ns()) {
        const auto entry = held.take();
        CHECK(entry.due_ns == *due_ns);
        order += to_hex(held.bytes(entry)) + " ";
        held.done(entry);
    }
    CHECK(order == "0111 02 03 04 ");
    CHECK(held.hold({.due_ns = 1}, from_hex("06*64")));
    CHECK_FALSE(held.hold({.due_ns = 1}, from_hex("07*65"))); // larger than a slot
}
