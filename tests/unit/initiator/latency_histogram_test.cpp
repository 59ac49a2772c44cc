// Buckets exhaustively at their bounds, percentiles by hand, and what the engine puts into them.
#include "initiator/latency_histogram.hpp"

#include "engine_bench.hpp"

using namespace uaoe;
using namespace uaoe::initiator;
using namespace uaoe::initiator::test;

TEST_CASE("each bucket ends where the next begins, and takes its upper bound itself") {
    std::uint64_t lower_us = 0;
    for (std::size_t i = 0; i + 1 < LatencyHistogram::buckets_count; ++i) {
        const auto upper = LatencyHistogram::upper_bound_us(i);
        REQUIRE(upper.has_value());
        REQUIRE(*upper > lower_us);
        // No wider than a quarter of what is in it.
        REQUIRE((*upper - lower_us == 1 || 4 * (*upper - lower_us) <= lower_us));
        LatencyHistogram histogram;
        histogram.add(std::chrono::microseconds{lower_us} + 1ns);
        histogram.add(std::chrono::microseconds{*upper});
        REQUIRE(histogram.counts()[i] == 2);
        REQUIRE(LatencyHistogram::index_of(lower_us) == i);
        lower_us = *upper;
    }
    CHECK(lower_us == LatencyHistogram::bound_us_max);
    CHECK_FALSE(LatencyHistogram::upper_bound_us(LatencyHistogram::buckets_count - 1).has_value());
    LatencyHistogram histogram;
    histogram.add(std::chrono::microseconds{lower_us} + 1ns);
    histogram.add(std::chrono::hours{100'000});
    CHECK(histogram.counts().back() == 2);
}

TEST_CASE("nothing and less than nothing is in the first bucket") {
    LatencyHistogram histogram;
    histogram.add(0ns);
    histogram.add(-5s);
    CHECK(histogram.counts()[0] == 2);
    CHECK(histogram.sum_ns() == 2);
}

TEST_CASE("percentiles lie where they would if a bucket were even") {
    LatencyHistogram histogram;
    CHECK(histogram.quantile_us(0.5) == 0);
    for (int i = 0; i < 100; ++i) {
        histogram.add(100us); // (96, 112]
    }
    CHECK(histogram.quantile_us(0.5) == doctest::Approx(104));
    CHECK(histogram.quantile_us(1) == doctest::Approx(112));
    for (int i = 0; i < 100; ++i) {
        histogram.add(1000us); // (896, 1024]
    }
    CHECK(histogram.count() == 200);
    CHECK(histogram.sum_ns() == 110'000'000);
    CHECK(histogram.quantile_us(0.5) == doctest::Approx(112));
    CHECK(histogram.quantile_us(0.75) == doctest::Approx(960));
    histogram.add_counted(LatencyHistogram::buckets_count - 1, 10'000);
    CHECK(histogram.quantile_us(0.9) == doctest::Approx(LatencyHistogram::bound_us_max));
}

TEST_CASE(
    "a request is counted from submit() to its end, a round trip by the copy that was answered") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    Io io(bench, Operation::read, 0, 1);
    bench.engine.submit(bench.now, device, io.request);
    REQUIRE(bench.take_sent().size() == 1); // lost
    const auto before = bench.engine.target(lun)->paths[0].round_trips;
    bench.advance(1s); // sent again
    const auto again = bench.take_sent();
    REQUIRE_FALSE(again.empty());
    const Time sent_again_at = bench.now;
    bench.now += 300us;
    bench.serve(again.back());
    REQUIRE(bench.completed_with(io.request, Status::ok));
    const OperationCounters reads = bench.engine.device_status(device).operations[0];
    CHECK(reads.latency.count() == 1);
    CHECK(reads.latency.sum_ns() >= 1'000'300'000);
    CHECK(reads.latency.sum_ns() ==
          static_cast<std::uint64_t>((bench.now - sent_again_at + 1s).count()));
    const auto after = bench.engine.target(lun)->paths[0].round_trips;
    CHECK(after.count() - before.count() == 1);
    CHECK(after.sum_ns() - before.sum_ns() == 300'000);
}

TEST_CASE("each operation has its own, and as many as it has requests, failed ones too") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    Io write(bench, Operation::write, 0, 1);
    Io flush(bench, Operation::flush, 0, 0);
    Io past(bench, Operation::write, 4096, 1);
    bench.engine.submit(bench.now, device, write.request);
    bench.engine.submit(bench.now, device, flush.request);
    bench.engine.submit(bench.now, device, past.request);
    CHECK(bench.completed_with(past.request, Status::out_of_range));
    bench.now += 50us;
    for (int round = 0; round < 2; ++round) {
        for (const SentFrame& frame : bench.take_sent()) {
            bench.serve(frame);
        }
    }
    CHECK(bench.completed_with(write.request, Status::ok));
    CHECK(bench.completed_with(flush.request, Status::ok));
    const DeviceStatus status = bench.engine.device_status(device);
    for (const OperationCounters& operation : status.operations) {
        CHECK(operation.latency.count() == operation.requests);
    }
    CHECK(status.operations[1].requests == 2);
    CHECK(status.operations[1].latency.counts()[LatencyHistogram::index_of(49)] == 1);
    CHECK(status.operations[2].latency.counts()[LatencyHistogram::index_of(49)] == 1);
}
