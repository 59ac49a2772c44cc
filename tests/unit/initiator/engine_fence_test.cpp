// Late copies of writes: overlapping writes wait until no older copy can land.
#include "engine_bench.hpp"

using namespace uaoe;
using namespace uaoe::initiator;
using namespace uaoe::initiator::test;

namespace {

// A write whose first copy had no answer, while the second one was answered.
struct LateCopy {
    LateCopy() : device(bench.attach()) {
        bench.engine.submit(bench.now, device, first.request);
        early = bench.take_sent().at(0);
        bench.advance(500ms);
        auto again = bench.take_sent();
        REQUIRE(again.size() >= 1);
        bench.serve(again[0]);
        REQUIRE(bench.completed_with(first.request, Status::ok));
    }
    Bench bench;
    DeviceIndex device;
    Io first{bench, Operation::write, 10, 2, 1};
    SentFrame early;
};

} // namespace

TEST_CASE("an overlapping write waits while an unanswered copy may be on the wire") {
    LateCopy late;
    Io newer(late.bench, Operation::write, 11, 2, 2);
    late.bench.engine.submit(late.bench.now, late.device, newer.request);
    CHECK(late.bench.take_sent().empty());
    CHECK(late.bench.engine.device_status(late.device).fenced_writes == 1);
    // It lands now, harmlessly, and its answer lifts the fence.
    late.bench.serve(late.early);
    late.bench.serve_all();
    CHECK(late.bench.completed_with(newer.request, Status::ok));
    CHECK(late.bench.disk[11 * 512] == std::byte{2});
}

TEST_CASE("the fence falls when the linger time has passed and the target has answered since") {
    LateCopy late;
    Io newer(late.bench, Operation::write, 11, 1, 2);
    late.bench.engine.submit(late.bench.now, late.device, newer.request);
    CHECK(late.bench.take_sent().empty());
    late.bench.advance(400ms);
    CHECK(late.bench.take_sent().empty());
    late.bench.advance(110ms);
    Io read(late.bench, Operation::read, 100, 1);
    late.bench.engine.submit(late.bench.now, late.device, read.request);
    late.bench.serve_all();
    late.bench.advance(200ms);
    const auto sent = late.bench.take_sent();
    REQUIRE(sent.size() >= 1);
    CHECK(sent.back().is(proto::AtaCommand::write_sectors_ext));
}

TEST_CASE("an idle path is asked whether its target is done with an old copy") {
    LateCopy late;
    Io newer(late.bench, Operation::write, 11, 1, 2);
    late.bench.engine.submit(late.bench.now, late.device, newer.request);
    late.bench.advance(510ms);
    const auto asked = late.bench.take_sent();
    REQUIRE(asked.size() == 1);
    REQUIRE(asked[0].frame.command == proto::Command::query_config);
    late.bench.advance(3s);
    CHECK(std::ranges::none_of(late.bench.take_sent(), [](const SentFrame& frame) {
        return frame.is(proto::AtaCommand::write_sectors_ext);
    })); // no answer, no write
    for (int i = 0; i < 10; ++i) {
        late.bench.advance(50ms);
        late.bench.serve_all();
    }
    CHECK(late.bench.completed_with(newer.request, Status::ok));
}

TEST_CASE("a target that stands still with a copy in its queue is feared, but not for ever") {
    Bench bench({}, 1500, 2);
    const DeviceIndex device = bench.attach({.fail_after = 5s}); // of silence, not of waiting
    bench.config_answer(target_mac_b, 16, {1});
    bench.serve_all();
    Io older(bench, Operation::write, 10, 2, 1);
    Io newer(bench, Operation::write, 10, 2, 2);
    bench.engine.submit(bench.now, device, older.request);
    const SentFrame stuck = bench.take_sent().at(0); // a: stands still from now on
    const auto without_a = [&] {
        for (auto sent = bench.take_sent(); !sent.empty(); sent = bench.take_sent()) {
            for (const SentFrame& frame : sent) {
                if (frame.frame.destination != stuck.frame.destination) {
                    bench.serve(frame);
                }
            }
        }
    };
    while (!bench.completed_with(older.request, Status::ok)) {
        bench.advance(10ms);
        without_a();
    }
    bench.engine.submit(bench.now, device, newer.request);
    for (int i = 0; i < 200; ++i) {
        bench.advance(50ms);
        without_a();
    }
    CHECK_FALSE(bench.completed_with(newer.request, Status::ok));
    SUBCASE("it goes on and executes what it has") {
        bench.serve(stuck);
        CHECK(bench.disk[10 * 512] == std::byte{1});
        for (int i = 0; i < 50; ++i) {
            bench.advance(50ms);
            bench.serve_all();
        }
        CHECK(bench.completed_with(newer.request, Status::ok));
        CHECK(bench.disk[10 * 512] == std::byte{2});
    }
    SUBCASE("it never does") {
        for (int i = 0; i < 420; ++i) {
            bench.advance(50ms);
            without_a();
        }
        CHECK(bench.completed_with(newer.request, Status::ok));
    }
    SUBCASE("its port goes down, too: that explains nothing") {
        bench.set_port(stuck.port.value, false);
        for (int i = 0; i < 10; ++i) {
            bench.advance(50ms);
            for (const SentFrame& frame : bench.take_sent()) {
                CHECK(frame.port != stuck.port);
            }
        }
        CHECK_FALSE(bench.completed_with(newer.request, Status::ok));
    }
}

TEST_CASE("where the cable was pulled, the linger time is enough") {
    Bench bench({}, 1500, 2);
    const DeviceIndex device = bench.attach();
    bench.config_answer(target_mac_b, 16, {1});
    bench.serve_all();
    Io older(bench, Operation::write, 10, 2, 1);
    Io newer(bench, Operation::write, 10, 2, 2);
    bench.engine.submit(bench.now, device, older.request);
    const SentFrame cut_off = bench.take_sent().at(0);
    bench.set_port(cut_off.port.value, false);
    bench.serve_all();
    CHECK(bench.completed_with(older.request, Status::ok));
    bench.engine.submit(bench.now, device, newer.request);
    bench.advance(900ms);
    CHECK(bench.take_sent().empty());
    bench.advance(100ms);
    bench.serve_all();
    CHECK(bench.completed_with(newer.request, Status::ok));
}

// More copies than a command remembers, over both paths: a target that is well must not be feared
// for target_hold because it is forgotten which of its MACs they went to.
TEST_CASE("copies of which it is forgotten where they went are gone when every path has answered") {
    EngineConfig config;
    SUBCASE("its slot is kept") {}
    SUBCASE("slots are few") {
        config.commands_count_max = 16;
    }
    Bench bench(config, 1500, 2);
    const DeviceIndex device = bench.attach();
    bench.config_answer(target_mac_b, 16, {1});
    bench.serve_all();
    Io older(bench, Operation::write, 10, 2, 1);
    Io newer(bench, Operation::write, 10, 2, 2);
    bench.engine.submit(bench.now, device, older.request);
    std::size_t copies_count = 0;
    std::optional<SentFrame> last;
    for (int i = 0; i < 120'000 && copies_count < 16; ++i) {
        for (const SentFrame& frame : bench.take_sent()) {
            if (frame.is(proto::AtaCommand::write_sectors_ext)) {
                ++copies_count;
                last = frame;
            } else {
                bench.serve(frame);
            }
        }
        bench.advance(1ms);
    }
    REQUIRE(copies_count == 16);
    bench.serve(*last);
    REQUIRE(bench.completed_with(older.request, Status::ok));
    bench.engine.submit(bench.now, device, newer.request);
    bench.advance(400ms);
    CHECK(bench.take_sent().empty());
    for (int i = 0; i < 40; ++i) {
        bench.advance(50ms);
        bench.serve_all();
    }
    CHECK(bench.completed_with(newer.request, Status::ok));
}

TEST_CASE("writes of a new engine wait until frames of a killed one are gone; reads do not") {
    Bench bench({}, 1500, 1, 1s);
    const DeviceIndex device = bench.attach();
    Io write(bench, Operation::write, 10, 1, 2);
    Io read(bench, Operation::read, 10, 1);
    bench.engine.submit(bench.now, device, write.request);
    bench.engine.submit(bench.now, device, read.request);
    bench.serve_all();
    CHECK(bench.completed_with(read.request, Status::ok));
    bench.advance(999ms);
    bench.serve_all();
    CHECK_FALSE(bench.completed_with(write.request, Status::ok));
    bench.advance(1ms);
    bench.serve_all();
    CHECK(bench.completed_with(write.request, Status::ok));
    CHECK(bench.engine.device_status(device).fenced_writes == 0);
}

TEST_CASE("writes beside a fence, and reads of it, do not wait") {
    LateCopy late;
    Io beside(late.bench, Operation::write, 12, 2, 2);
    Io before(late.bench, Operation::write, 8, 2, 2);
    Io read(late.bench, Operation::read, 10, 2);
    for (Io* io : {&beside, &before, &read}) {
        late.bench.engine.submit(late.bench.now, late.device, io->request);
    }
    CHECK(late.bench.take_sent().size() == 3);
}

TEST_CASE("discard and write zeroes respect fences, too") {
    LateCopy late;
    Io discard(late.bench, Operation::discard, 0, 4096);
    Io zeroes(late.bench, Operation::write_zeroes, 10, 1);
    late.bench.engine.submit(late.bench.now, late.device, discard.request);
    late.bench.engine.submit(late.bench.now, late.device, zeroes.request);
    CHECK(late.bench.take_sent().empty());
    late.bench.serve(late.early);
    const auto sent = late.bench.take_sent();
    REQUIRE(sent.size() == 1); // the discard; the zeroes overlap it
    late.bench.answer(sent[0]);
    CHECK(late.bench.completed_with(discard.request, Status::ok));
    CHECK(late.bench.take_sent().size() == 1);
}

TEST_CASE("a fence outlives a detach") {
    LateCopy late;
    late.bench.detach();
    const auto again = late.bench.engine.attach(late.bench.now, lun, {.fail_after = 0s});
    REQUIRE(again.has_value());
    late.bench.attached = *again;
    Io newer(late.bench, Operation::write, 10, 1, 2);
    late.bench.engine.submit(late.bench.now, *again, newer.request);
    CHECK(late.bench.take_sent().empty());
    for (int i = 0; i < 20; ++i) {
        late.bench.advance(100ms);
        late.bench.serve_all();
    }
    CHECK(late.bench.completed_with(newer.request, Status::ok));
}

TEST_CASE("overlapping writes are done one after the other, in order of submission") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    Io a(bench, Operation::write, 0, 8, 1);
    Io b(bench, Operation::write, 4, 8, 2);
    Io c(bench, Operation::write, 10, 4, 3); // overlaps b, not a
    Io d(bench, Operation::write, 100, 1, 4);
    for (Io* io : {&a, &b, &c, &d}) {
        bench.engine.submit(bench.now, device, io->request);
    }
    const auto sent = bench.take_sent();
    CHECK(sent.size() == 5); // a's four frames and d
    for (const SentFrame& frame : sent) {
        bench.serve(frame);
    }
    bench.serve_all();
    for (Io* io : {&a, &b, &c, &d}) {
        CHECK(bench.completed_with(io->request, Status::ok));
    }
    CHECK(bench.disk[3 * 512] == std::byte{1});
    CHECK(bench.disk[9 * 512] == std::byte{2});
    CHECK(bench.disk[10 * 512] == std::byte{3});
    CHECK(bench.engine.device_status(device).fenced_writes == 2);
}

TEST_CASE("without a retransmission nothing is fenced") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    for (int i = 0; i < 10; ++i) {
        Io io(bench, Operation::write, 5, 3, 1);
        bench.engine.submit(bench.now, device, io.request);
        bench.serve_all();
        CHECK(bench.completed_with(io.request, Status::ok));
    }
    CHECK(bench.engine.device_status(device).fenced_writes == 0);
}

TEST_CASE("a path that answers no probe is silent, and fail-after counts for what waits on it") {
    Bench bench({.discover_interval = 0s});
    const DeviceIndex device = bench.attach({.fail_after = 5s});
    Io older(bench, Operation::write, 10, 2, 1);
    Io newer(bench, Operation::write, 10, 2, 2);
    bench.engine.submit(bench.now, device, older.request);
    REQUIRE(bench.take_sent().size() == 1); // lost
    bench.advance(25ms);
    bench.serve_all();
    REQUIRE(bench.completed_with(older.request, Status::ok));
    bench.engine.submit(bench.now, device, newer.request);
    Duration took{};
    while (!bench.completed_with(newer.request, Status::timed_out) && took < 30s) {
        bench.take_sent(); // nothing is answered any more
        bench.advance(50ms);
        took += 50ms;
    }
    CHECK(took > 5s);
    CHECK(took < 8s);
}
