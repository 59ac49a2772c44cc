// What losses, slow paths and dead paths may cost. The tables of goodput.txt have the figures;
// these are the bounds. The losses that a path's own congestion makes are here too: who ignores all
// of them to pass the rest fails these.
#include "tests/sim/goodput.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace uaoe;
using namespace uaoe::sim;
using initiator::Operation;

namespace {

std::string name_of(Operation operation) {
    return operation == Operation::read ? "reads" : "writes";
}

constexpr Operation operations[] = {Operation::read, Operation::write};

double megabytes(const Goodput& goodput) {
    return goodput.bytes_per_second() / 1e6;
}

double milliseconds(Duration duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
}

Goodput measure(const GoodputOptions& options, Duration warm_up, Duration length) {
    GoodputScene scene(options);
    scene.measure(warm_up);
    const Goodput result = scene.measure(length);
    CHECK(result.failed == 0);
    return result;
}

} // namespace

TEST_CASE("a wire takes its time, in turn, and drops what its queue does not hold") {
    const Time begin{1s};
    Wire wire{.bits_per_second = gigabit, .queue_bytes_max = 2500};
    constexpr std::size_t frame_bytes = 976; // 1000 on the wire: 8 us
    CHECK(wire.take(begin, frame_bytes) == begin + 8us);
    CHECK(wire.take(begin, frame_bytes) == begin + 16us);
    CHECK_FALSE(wire.take(begin, frame_bytes));
    CHECK(wire.take(begin + 4us, frame_bytes) == begin + 24us); // half of the first has left
    CHECK_FALSE(wire.take(begin + 4us, 60));
    CHECK(wire.dropped_count == 2);
    CHECK(wire.take(begin + 30us, 9976) == begin + 110us); // nothing before it
    CHECK(wire.queue_time_max() == 20us);
    CHECK(Wire{}.take(begin, 9000) == begin);
}

TEST_CASE("without loss goodput is what wires and windows allow") {
    for (const Operation operation : operations) {
        for (const std::uint64_t bits_per_second : {std::uint64_t{0}, gigabit, 10 * gigabit}) {
            for (const Duration round_trip : {Duration{50us}, Duration{200us}, Duration{2ms}}) {
                for (const std::uint16_t buffer_count : {std::uint16_t{16}, std::uint16_t{64}}) {
                    const GoodputOptions options{.operation = operation,
                                                 .paths_count = 2,
                                                 .buffer_count = buffer_count,
                                                 .round_trip = round_trip,
                                                 .bits_per_second = bits_per_second};
                    const Goodput result = measure(options, 40 * round_trip, 100 * round_trip);
                    CAPTURE(name_of(operation));
                    CAPTURE(bits_per_second);
                    CAPTURE(round_trip / 1us);
                    CAPTURE(buffer_count);
                    const double share = result.bytes_per_second() / goodput_limit(options);
                    CHECK(share > 0.95);
                    CHECK(share < 1.05);
                    CHECK(result.retransmitted == 0);
                }
            }
        }
    }
}

namespace {

// The bounds hold at 200 us and 64 buffers: 85 % at 1 % of loss, 60 % at 5 %. On a wire of 10
// Gbit/s, which half a window fills, and without one, where only the window limits.
void check_loss(const GoodputOptions& without_loss, Duration warm_up, Duration length) {
    const double best = megabytes(measure(without_loss, warm_up, length));
    CHECK(best * 1e6 > 0.95 * goodput_limit(without_loss));
    for (const auto& [loss, share_min] : {std::pair(0.01, 0.85), std::pair(0.05, 0.6)}) {
        GoodputOptions options = without_loss;
        options.loss = loss;
        const Goodput result = measure(options, warm_up, length);
        const double share = megabytes(result) / best;
        MESSAGE(name_of(options.operation)
                << " at " << options.bits_per_second / gigabit << " Gbit/s and " << 100 * loss
                << " % loss: " << megabytes(result) << " of " << best << " MB/s, " << 100 * share
                << " %; again " << result.retransmitted << ", needless " << result.spurious
                << " of " << result.sent);
        CHECK(share >= share_min);
    }
}

} // namespace

TEST_CASE("reads: 1 % of loss costs at most 15 %, 5 % at most 40 %") {
    check_loss({}, 100ms, 300ms);
    check_loss({.bits_per_second = 0}, 100ms, 200ms);
}

TEST_CASE("writes without fences: 1 % of loss costs at most 15 %, 5 % at most 40 %") {
    GoodputOptions options{.operation = Operation::write};
    options.config.linger = options.config.target_hold = 0s;
    check_loss(options, 100ms, 300ms);
    options.bits_per_second = 0;
    check_loss(options, 100ms, 200ms);
}

// A finished write that was sent twice is remembered for `linger`. After more than that it shows
// whether there is room for that.
TEST_CASE("writes: 1 % of loss costs at most 15 %, 5 % at most 40 %, for seconds") {
    check_loss({.operation = Operation::write}, 1500ms, 1500ms);
}

// A write that was sent twice keeps its fence for a second: two paths of 10 Gbit/s get to some
// twenty-five thousand of them, far more than there are commands.
TEST_CASE("finished writes that are remembered do not stop the others") {
    GoodputOptions fenced{.operation = Operation::write, .paths_count = 2, .loss = 0.05};
    GoodputOptions free = fenced;
    free.config.linger = free.config.target_hold = 0s;
    const Goodput best = measure(free, 200ms, 500ms);
    const Goodput result = measure(fenced, 1200ms, 1200ms);
    MESSAGE("with fences " << megabytes(result) << ", without " << megabytes(best)
                           << " MB/s; no request ended for " << milliseconds(result.gap_max)
                           << " ms, without fences " << milliseconds(best.gap_max));
    CHECK(megabytes(result) >= 0.8 * megabytes(best));
    CHECK(result.gap_max <= 10ms);
}

TEST_CASE("a queue that holds less than the window is used well, and not flooded") {
    for (const Operation operation : operations) {
        const GoodputOptions options{.operation = operation,
                                     .buffer_count = 256,
                                     .bits_per_second = gigabit,
                                     .queue_bytes_max = std::uint64_t{32} * 9000};
        const Goodput result = measure(options, 200ms, 1s);
        const double share = result.bytes_per_second() / goodput_limit(options);
        MESSAGE(name_of(operation)
                << " through a queue of 32 frames: " << 100 * share << " % of the wire; again "
                << result.retransmitted << " of " << result.sent);
        CHECK(share > 0.85);
        CHECK(static_cast<double>(result.retransmitted) < 0.1 * static_cast<double>(result.sent));
    }
}

TEST_CASE("frames that overtake each other cost nothing") {
    for (const Operation operation : operations) {
        const GoodputOptions on_time{.operation = operation};
        GoodputOptions late = on_time;
        late.jitter = 50us;
        const double best = megabytes(measure(on_time, 50ms, 100ms));
        const Goodput result = measure(late, 50ms, 100ms);
        MESSAGE(name_of(operation)
                << " with 50 us of jitter: " << 100 * megabytes(result) / best << " %; again "
                << result.retransmitted << ", needless " << result.spurious);
        CHECK(megabytes(result) >= 0.95 * best);
        CHECK(static_cast<double>(result.retransmitted) < 0.01 * static_cast<double>(result.sent));

        // A window that the round trip limits pays for the time that frames are late on average,
        // and for nothing else.
        late.buffer_count = 16;
        GoodputOptions longer = late;
        longer.round_trip += late.jitter;
        const Goodput narrow = measure(late, 50ms, 100ms);
        MESSAGE(name_of(operation) << " with 16 buffers: again " << narrow.retransmitted
                                   << ", needless " << narrow.spurious);
        CHECK(narrow.bytes_per_second() >= 0.95 * goodput_limit(longer));
        CHECK(static_cast<double>(narrow.retransmitted) < 0.01 * static_cast<double>(narrow.sent));
    }
}

TEST_CASE("two paths carry twice what one does, four nearly four times as much") {
    for (const Operation operation : operations) {
        const auto run_with = [&](std::uint32_t paths_count) {
            return megabytes(measure(
                {.operation = operation, .paths_count = paths_count, .bits_per_second = gigabit},
                50ms, 200ms));
        };
        const double one = run_with(1);
        CHECK(one * 1e6 > 0.95 * goodput_limit({.bits_per_second = gigabit}));
        const double two = run_with(2) / one;
        const double four = run_with(4) / one;
        MESSAGE(name_of(operation) << " on two paths: " << two << " times one, on four: " << four);
        CHECK(two >= 1.9);
        CHECK(four >= 3.6);
    }
}

namespace {

double with_slow_path(Operation operation, std::uint32_t paths_count, std::uint32_t depth,
                      std::uint64_t bits_per_second) {
    return megabytes(measure({.operation = operation,
                              .paths_count = paths_count,
                              .bits_per_second = bits_per_second,
                              .last_slower_by = paths_count > 1 ? 4U : 1U,
                              .depth = depth},
                             200ms, 500ms));
}

} // namespace

TEST_CASE("a path four times slower takes nothing from the fast one") {
    for (const Operation operation : operations) {
        for (const std::uint64_t bits_per_second : {gigabit, 10 * gigabit}) {
            for (const std::uint32_t depth : {128U, 8U}) {
                const double fast = with_slow_path(operation, 1, depth, bits_per_second);
                const double both = with_slow_path(operation, 2, depth, bits_per_second);
                CAPTURE(depth);
                CHECK(fast * 1e6 > 0.95 * goodput_limit({.bits_per_second = bits_per_second}));
                MESSAGE(name_of(operation)
                        << " at " << bits_per_second / gigabit << " Gbit/s, " << depth
                        << " outstanding: fast and slow " << both << ", fast alone " << fast
                        << " MB/s: " << both / fast << " times");
                CHECK(both >= 0.995 * fast); // a request more or less
            }
        }
    }
}

namespace {

struct Death {
    Goodput around; // from the path's death on
    Goodput after;
    Duration rto{}; // of the path, before
};

Death kill_one_of_two(Operation operation, std::uint32_t depth) {
    GoodputScene scene(
        {.operation = operation, .paths_count = 2, .bits_per_second = gigabit, .depth = depth});
    scene.measure(200ms);
    Death death;
    death.rto = scene.path(0).rto;
    scene.kill_path(0);
    death.around = scene.measure(1s);
    death.after = scene.measure(1s);
    return death;
}

} // namespace

TEST_CASE("a path that dies silently costs no error and a stall of at most three RTOs") {
    for (const Operation operation : operations) {
        for (const std::uint32_t depth : {1U, 8U, 128U}) {
            const Death death = kill_one_of_two(operation, depth);
            const Goodput alone = measure(
                {.operation = operation, .bits_per_second = gigabit, .depth = depth}, 200ms, 1s);
            const double gap_ms = milliseconds(death.around.gap_max);
            const Duration longer = death.around.latency_max - alone.latency_max;
            CAPTURE(depth);
            MESSAGE(name_of(operation)
                    << ", " << depth << " outstanding: no request ended for " << gap_ms
                    << " ms, one took " << milliseconds(longer) << " ms longer, the RTO was "
                    << milliseconds(death.rto) << " ms; then "
                    << 100 * megabytes(death.after) / megabytes(alone) << " % of one path");
            CHECK(death.around.failed == 0);
            CHECK(death.after.failed == 0);
            CHECK(death.around.gap_max <= 3 * death.rto);
            CHECK(longer <= 3 * death.rto);
            // The other path carries all there is, as if it had never had company.
            CHECK(megabytes(death.after) >= 0.95 * megabytes(alone));
        }
    }
}
