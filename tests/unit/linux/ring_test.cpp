// The ring: completions reach their operations, waits end, and it belongs to the thread that first
// uses it.
#include "initiator/linux/clock.hpp"
#include "initiator/linux/ring.hpp"

#include <doctest/doctest.h>

#include <array>
#include <poll.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace uaoe::initiator;
using namespace std::chrono_literals;

namespace {

struct Counted : RingOperation {
    int completions = 0;
    int result = 0;
    Counted() {
        complete = [](RingOperation& self, int value, std::uint32_t) {
            auto& counted = static_cast<Counted&>(self);
            ++counted.completions;
            counted.result = value;
        };
    }
};

} // namespace

TEST_CASE("every operation completes once, also more than the submission queue holds") {
    auto ring = Ring::open(8);
    REQUIRE(ring.has_value());
    std::vector<Counted> operations(100);
    for (Counted& operation : operations) {
        io_uring_sqe& sqe = ring->prepare(operation);
        io_uring_prep_nop(&sqe);
        io_uring_sqe_set_data(&sqe, static_cast<RingOperation*>(&operation));
    }
    for (int i = 0; i < 100; ++i) {
        ring->submit_and_wait(0ns);
        ring->dispatch();
    }
    for (const Counted& operation : operations) {
        CHECK(operation.completions == 1);
    }
}

TEST_CASE("news is seen without waiting for it") {
    auto ring = Ring::open(8);
    REQUIRE(ring.has_value());
    std::array<int, 2> pipe{};
    REQUIRE(::pipe(pipe.data()) == 0);
    Counted polled;
    io_uring_sqe& sqe = ring->prepare(polled);
    io_uring_prep_poll_add(&sqe, pipe[0], POLLIN);
    io_uring_sqe_set_data(&sqe, static_cast<RingOperation*>(&polled));
    CHECK(ring->has_prepared());
    ring->submit();
    CHECK_FALSE(ring->has_prepared());
    CHECK_FALSE(ring->has_news());
    REQUIRE(write(pipe[1], "x", 1) == 1);
    const Time end = clock_now() + 5s;
    while (!ring->has_news() && clock_now() < end) {
    }
    CHECK(ring->has_news());
    CHECK(polled.completions == 0);
    ring->submit_and_wait(0ns);
    CHECK(ring->dispatch() == 1);
    CHECK(polled.completions == 1);
    CHECK_FALSE(ring->has_news());
    close(pipe[0]);
    close(pipe[1]);
}

TEST_CASE("a wait without completions ends at its timeout") {
    auto ring = Ring::open(8);
    REQUIRE(ring.has_value());
    const Time begin = clock_now();
    ring->submit_and_wait(30ms);
    CHECK(clock_now() - begin >= 29ms);
    CHECK(ring->dispatch() == 0);
}

TEST_CASE("a handover is told once, when what was prepared is with the kernel; an urgent one does "
          "not wait") {
    struct Told : RingHandover {
        Ring* ring = nullptr;
        bool urgent = false;
        int count = 0;
        bool was_prepared = false;
    };
    auto ring = Ring::open(8);
    REQUIRE(ring.has_value());
    Told told;
    told.ring = &*ring;
    told.handed_over = [](RingHandover& self) {
        auto& handover = static_cast<Told&>(self);
        ++handover.count;
        handover.was_prepared = handover.ring->has_prepared();
    };
    told.is_urgent = [](const RingHandover& self) { return static_cast<const Told&>(self).urgent; };
    Counted operation;
    const auto prepare = [&] {
        io_uring_sqe& sqe = ring->prepare(operation);
        io_uring_prep_nop(&sqe);
        io_uring_sqe_set_data(&sqe, static_cast<RingOperation*>(&operation));
        ring->tell_handover(told);
    };
    prepare();
    CHECK(told.count == 0);
    SUBCASE("by submit()") {
        ring->submit();
    }
    SUBCASE("by a wait") {
        ring->submit_and_wait(1s);
        CHECK(ring->dispatch() == 1);
    }
    SUBCASE("urgently: nothing else would end this wait") {
        ring->submit();
        told.urgent = true;
        ring->tell_handover(told);
        ring->submit_and_wait(0ns);
        ring->dispatch();
        told.count = 0;
        ring->tell_handover(told);
        ring->submit_and_wait(std::nullopt);
    }
    CHECK(told.count == 1);
    CHECK_FALSE(told.was_prepared);
    ring->submit_and_wait(0ns);
    CHECK(told.count == 1);
}

TEST_CASE("a ring opened here is used there; what arrives ends the wait") {
    auto ring = Ring::open(8);
    REQUIRE(ring.has_value());
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    std::thread user([&] {
        Counted readable;
        char byte = 0;
        io_uring_sqe& sqe = ring->prepare(readable);
        io_uring_prep_read(&sqe, fds[0], &byte, 1, 0);
        io_uring_sqe_set_data(&sqe, static_cast<RingOperation*>(&readable));
        for (int i = 0; i < 100 && readable.completions == 0; ++i) {
            ring->submit_and_wait(1s);
            ring->dispatch();
        }
        CHECK(readable.result == 1);
        CHECK(byte == 'x');
    });
    CHECK(write(fds[1], "x", 1) == 1);
    user.join();
    close(fds[0]);
    close(fds[1]);
}
