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

TEST_CASE("the fence falls when the linger time has passed since the last unanswered copy") {
    LateCopy late;
    Io newer(late.bench, Operation::write, 11, 1, 2);
    late.bench.engine.submit(late.bench.now, late.device, newer.request);
    CHECK(late.bench.take_sent().empty());
    late.bench.advance(400ms);
    CHECK(late.bench.take_sent().empty());
    late.bench.advance(200ms);
    CHECK(late.bench.take_sent().size() == 1);
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
    late.bench.advance(1s);
    CHECK(late.bench.take_sent().size() == 1);
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
