// Looks for news only where that was measured to bring it sooner.
#include "initiator/linux/busy_poll.hpp"

#include <doctest/doctest.h>

using namespace uaoe::initiator;
using namespace std::chrono_literals;

namespace {

constexpr Duration time_max = 2ms;

// News that takes so long, by whether it is looked for.
struct World {
    Duration looking;
    Duration asleep;
};

// One wait with a request of 4 KiB under way. Returns whether it was looked in it.
bool wait(BusyPoll& poll, const World& world, std::uint64_t requests_count = 1,
          std::uint64_t bytes = 4096) {
    const bool looks = poll.time_to_look(requests_count, bytes) > Duration::zero();
    poll.handle_wait(looks ? world.looking : world.asleep, true);
    return looks;
}

int looks_of(BusyPoll& poll, const World& world, int waits) {
    int count = 0;
    for (int i = 0; i < waits; ++i) {
        count += wait(poll, world) ? 1 : 0;
    }
    return count;
}

constexpr World pays{.looking = 20us, .asleep = 60us};
constexpr World does_not_pay{.looking = 58us, .asleep = 60us};

} // namespace

TEST_CASE("looks where that brings news sooner") {
    BusyPoll poll(time_max);
    looks_of(poll, pays, 64);
    CHECK(poll.is_looking());
    CHECK(looks_of(poll, pays, 1000) > 900); // the others are trials
}

TEST_CASE("sleeps where looking brings nothing, but for a trial now and then") {
    BusyPoll poll(time_max);
    looks_of(poll, does_not_pay, 64);
    CHECK_FALSE(poll.is_looking());
    const int looks = looks_of(poll, does_not_pay, 2560);
    CHECK(looks > 0);
    CHECK(looks <= 88);
}

TEST_CASE("follows a change within a few hundred waits") {
    BusyPoll poll(time_max);
    looks_of(poll, pays, 64);
    REQUIRE(poll.is_looking());
    looks_of(poll, {.looking = 500us, .asleep = 60us}, 520); // somebody needs the processor
    CHECK_FALSE(poll.is_looking());
    looks_of(poll, pays, 520);
    CHECK(poll.is_looking());
}

TEST_CASE("an idle shard sleeps: the load has to be going on") {
    BusyPoll poll(time_max);
    looks_of(poll, pays, 64);
    REQUIRE(wait(poll, pays));
    SUBCASE("after a long wait") {
        poll.handle_wait(10ms, true);
    }
    SUBCASE("after one that ended with a timer") {
        poll.handle_wait(50us, false);
    }
    for (int i = 0; i < 8; ++i) {
        CHECK_FALSE(wait(poll, pays));
    }
    CHECK(wait(poll, pays));
}

TEST_CASE("many or large requests need no looking") {
    BusyPoll poll(time_max);
    looks_of(poll, pays, 64);
    CHECK(wait(poll, pays, 2, 8192));
    CHECK_FALSE(wait(poll, pays, 3, 12288));
    CHECK_FALSE(wait(poll, pays, 1, 65536));
    CHECK(wait(poll, pays, 0, 0)); // the next request is waited for
}

TEST_CASE("looks for no longer than a few times what waits take, and never beyond the limit") {
    BusyPoll poll(time_max);
    looks_of(poll, pays, 64);
    const Duration look = poll.time_to_look(1, 4096);
    CHECK(look >= 40us);
    CHECK(look <= 160us);
    BusyPoll slow(time_max);
    looks_of(slow, {.looking = 1500us, .asleep = 1900us}, 64);
    CHECK(slow.is_looking());
    CHECK(slow.time_to_look(1, 4096) == time_max);
}

TEST_CASE("switched off, it never looks") {
    BusyPoll poll(0us);
    CHECK(looks_of(poll, pays, 1000) == 0);
}
