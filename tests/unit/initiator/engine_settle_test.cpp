// A new engine's writes wait until no frame of a predecessor can land any more.
#include "engine_bench.hpp"

using namespace uaoe;
using namespace uaoe::initiator;
using namespace uaoe::initiator::test;

namespace {

bool is_probe(const SentFrame& frame) {
    return frame.frame.command == proto::Command::query_config &&
           !frame.frame.destination.is_multicast();
}

bool is_write(const SentFrame& frame) {
    return frame.is(proto::AtaCommand::write_sectors_ext);
}

// An engine after a predecessor: its target has MAC a on port 0 and MAC b on port 1.
struct Restarted {
    explicit Restarted(Duration fail_after = 5s) : options{.fail_after = fail_after} {}

    // Both MACs are found, and the LUN is attached 1 ms after the engine's first input.
    void attach_both() {
        bench.advance(1ms);
        for (const std::uint32_t port : {0U, 1U}) {
            bench.config_answer(port == 0 ? target_mac_a : target_mac_b, 16, {port});
        }
        bench.serve_all();
        device = *bench.engine.attach(bench.now, lun, options);
        bench.attached = device;
    }
    // Time passes, and all but `silent` answer. False when a write was sent.
    bool run(Duration duration, std::optional<proto::MacAddress> silent = {}) {
        bool may = true;
        const Time end = bench.now + duration;
        while (true) {
            for (auto sent = bench.take_sent(); !sent.empty(); sent = bench.take_sent()) {
                for (const SentFrame& frame : sent) {
                    may = may && !is_write(frame);
                    if (frame.frame.destination != silent) {
                        bench.serve(frame);
                    }
                }
            }
            if (bench.now == end) {
                return may;
            }
            bench.advance(std::min<Duration>(10ms, end - bench.now));
        }
    }
    void submit(Io& io) { bench.engine.submit(bench.now, device, io.request); }

    Bench bench{{}, 1500, 2, 1s};
    DeviceOptions options;
    DeviceIndex device;
    Io write{bench, Operation::write, 10, 2, 2};
};

} // namespace

TEST_CASE("writes of a new engine wait until every MAC has answered something sent after settle") {
    Restarted restarted;
    Bench& bench = restarted.bench;
    restarted.attach_both();
    restarted.submit(restarted.write);
    CHECK(restarted.run(999ms));
    CHECK(bench.take_sent().empty());
    bench.advance(1ms);
    const auto asked = bench.take_sent();
    REQUIRE(asked.size() == 2);
    CHECK(is_probe(asked[0]));
    CHECK(is_probe(asked[1]));
    bench.serve(asked[0]);
    CHECK(bench.take_sent().empty()); // one is not enough
    bench.serve(asked[1]);
    CHECK(std::ranges::all_of(bench.take_sent(), is_write)); // one round trip
    bench.advance(300ms);
    bench.serve_all();
    CHECK(bench.completed_with(restarted.write.request, Status::ok));
    CHECK(bench.engine.device_status(restarted.device).fenced_writes == 0);
}

TEST_CASE("reads do not wait to settle; discards and zeroes do") {
    Restarted restarted;
    restarted.attach_both();
    Io read(restarted.bench, Operation::read, 10, 2);
    Io discard(restarted.bench, Operation::discard, 0, 8);
    Io zeroes(restarted.bench, Operation::write_zeroes, 100, 8);
    for (Io* io : {&read, &discard, &zeroes}) {
        restarted.submit(*io);
    }
    CHECK(restarted.run(990ms));
    CHECK(restarted.bench.completed_with(read.request, Status::ok));
    CHECK_FALSE(restarted.bench.completed_with(discard.request, Status::ok));
    CHECK_FALSE(restarted.bench.completed_with(zeroes.request, Status::ok));
    restarted.run(20ms);
    CHECK(restarted.bench.completed_with(discard.request, Status::ok));
    CHECK(restarted.bench.completed_with(zeroes.request, Status::ok));
}

TEST_CASE("data that was answered after settle is as good as a probe") {
    Restarted restarted;
    restarted.attach_both();
    restarted.run(1000ms);
    Io read(restarted.bench, Operation::read, 0, 64); // over both paths
    restarted.submit(read);
    restarted.submit(restarted.write);
    restarted.run(10ms);
    CHECK(restarted.bench.completed_with(restarted.write.request, Status::ok));
}

TEST_CASE("a target that stands still is feared for target_hold, and fail-after does not count") {
    Restarted restarted(5s);
    restarted.attach_both();
    restarted.submit(restarted.write);
    CHECK(restarted.run(29990ms, target_mac_b));
    CHECK(restarted.bench.engine.device_status(restarted.device).state == DeviceState::up);
    SUBCASE("it never goes on") {
        restarted.run(50ms, target_mac_b);
        CHECK(restarted.bench.completed_with(restarted.write.request, Status::ok));
    }
    SUBCASE("its port goes down: that explains nothing") {
        restarted.bench.set_port(1, false);
        CHECK(restarted.run(5ms, target_mac_b));
    }
}

TEST_CASE("a target that stood still is written as soon as it answers again") {
    Restarted restarted(5s);
    restarted.attach_both();
    restarted.submit(restarted.write);
    CHECK(restarted.run(10s, target_mac_b));
    restarted.run(1100ms);
    CHECK(restarted.bench.completed_with(restarted.write.request, Status::ok));
}

TEST_CASE("a port that goes down settles nothing, another way to the same MAC does") {
    Restarted restarted;
    Bench& bench = restarted.bench;
    restarted.attach_both();
    restarted.submit(restarted.write);
    bench.set_port(1, false);
    CHECK(restarted.run(5s));
    bench.config_answer(target_mac_b, 16, {0});
    restarted.run(10ms);
    CHECK(bench.completed_with(restarted.write.request, Status::ok));
}

TEST_CASE("where nothing answers, fail-after counts for the writes that wait") {
    Restarted restarted(5s);
    restarted.attach_both();
    restarted.submit(restarted.write);
    Duration took{};
    while (!restarted.bench.completed_with(restarted.write.request, Status::timed_out) &&
           took < 30s) {
        restarted.bench.take_sent();
        restarted.bench.advance(50ms);
        took += 50ms;
    }
    CHECK(took > 5s);
    CHECK(took < 8s);
}

TEST_CASE("a write that comes while all is silent has its own fail-after") {
    Restarted restarted(5s);
    restarted.attach_both();
    Io read(restarted.bench, Operation::read, 0, 1);
    restarted.submit(read);
    restarted.bench.serve_all();
    REQUIRE(restarted.bench.completed_with(read.request, Status::ok));
    restarted.bench.set_port(0, false);
    restarted.bench.set_port(1, false);
    restarted.bench.advance(3s);
    restarted.submit(restarted.write);
    restarted.bench.advance(1s);
    Io later(restarted.bench, Operation::write, 10, 2, 3); // does not begin it anew
    restarted.submit(later);
    restarted.bench.advance(3900ms);
    CHECK_FALSE(restarted.bench.completed_with(restarted.write.request, Status::timed_out));
    restarted.bench.advance(200ms);
    CHECK(restarted.bench.completed_with(restarted.write.request, Status::timed_out));
}

TEST_CASE("a MAC that the predecessor had is waited for although it was not heard of") {
    Restarted restarted(5s);
    Bench& bench = restarted.bench;
    restarted.device = bench.attach_known(restarted.options, {target_mac_a, target_mac_b});
    bench.config_answer(target_mac_a);
    restarted.submit(restarted.write);
    CHECK(restarted.run(10s)); // b stands still
    CHECK(bench.engine.device_status(restarted.device).state == DeviceState::up);
    SUBCASE("it goes on") {
        bool was_asked_for = false;
        for (int i = 0; i < 110; ++i) {
            bench.advance(10ms);
            for (const SentFrame& frame : bench.take_sent()) {
                was_asked_for = was_asked_for || frame.frame.destination.is_multicast();
                bench.serve(frame);
            }
        }
        CHECK(was_asked_for);
        CHECK_FALSE(bench.completed_with(restarted.write.request, Status::ok));
        bench.config_answer(target_mac_b, 16, {1});
        restarted.run(10ms);
        CHECK(bench.completed_with(restarted.write.request, Status::ok));
    }
    SUBCASE("it never does") {
        CHECK(restarted.run(19990ms));
        restarted.run(20ms);
        CHECK(bench.completed_with(restarted.write.request, Status::ok));
    }
}

TEST_CASE("a LUN settles each time it is attached: somebody else may have used it meanwhile") {
    Restarted restarted;
    Bench& bench = restarted.bench;
    restarted.attach_both();
    restarted.submit(restarted.write);
    restarted.run(1100ms);
    CHECK(bench.completed_with(restarted.write.request, Status::ok));
    bench.detach();
    bench.advance(60s);
    bench.serve_all();
    SUBCASE("found") {
        restarted.device = *bench.engine.attach(bench.now, lun, restarted.options);
        bench.attached = restarted.device;
    }
    SUBCASE("known") {
        restarted.device = bench.attach_known({.fail_after = 0s}, {target_mac_a});
    }
    Io again(bench, Operation::write, 10, 2, 2);
    restarted.submit(again);
    CHECK(restarted.run(990ms));
    restarted.run(50ms);
    CHECK(bench.completed_with(again.request, Status::ok));
}

TEST_CASE("a target that is settled stays so when another path is found") {
    Restarted restarted;
    Bench& bench = restarted.bench;
    bench.config_answer(target_mac_a);
    bench.serve_all();
    restarted.device = *bench.engine.attach(bench.now, lun, restarted.options);
    bench.attached = restarted.device;
    restarted.run(1010ms);
    bench.config_answer(target_mac_b, 16, {1});
    restarted.submit(restarted.write);
    CHECK(std::ranges::count_if(bench.take_sent(), is_write) == 1);
}

TEST_CASE("without a predecessor nothing waits, whatever MACs are known") {
    Bench bench;
    const DeviceIndex device = bench.attach_known({}, {target_mac_a, target_mac_b});
    bench.config_answer(target_mac_a);
    Io write(bench, Operation::write, 10, 2, 2);
    bench.engine.submit(bench.now, device, write.request);
    bench.serve_all();
    CHECK(bench.completed_with(write.request, Status::ok));
}
