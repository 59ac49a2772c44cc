// What a path carries: proved before it is used, searched for where less passes, and tried again.
#include "engine_bench.hpp"

using namespace uaoe;
using namespace uaoe::initiator;
using namespace uaoe::initiator::test;

namespace {

// A wire that silently drops longer frames, in each direction.
struct Wire {
    std::size_t to_target_max = 65536;
    std::size_t to_initiator_max = 65536;
};

Bench jumbo_bench() {
    return Bench({.discover_interval = 0s}, 9000, 1, 0s, 60s);
}

std::size_t answer_bytes(const SentFrame& sent) {
    return sent.is(proto::AtaCommand::read_sectors_ext) ? 36 + sent.ata.sector_count * 512UL : 60;
}

// Until `done`, or for as long as a search may take.
template <typename Done>
bool serve_until(Bench& bench, const Wire& wire, Done done) {
    for (int i = 0; i < 15'000 && !done(); ++i) {
        for (const SentFrame& frame : bench.take_sent()) {
            if (frame.bytes.size() <= wire.to_target_max &&
                answer_bytes(frame) <= wire.to_initiator_max) {
                bench.serve(frame);
            }
        }
        bench.drain();
        bench.advance(1ms);
    }
    return done();
}

std::uint32_t payload(const Bench& bench) {
    return bench.engine.target(lun)->paths.at(0).sectors_per_frame;
}

} // namespace

TEST_CASE("a frame in each direction proves what a path carries; until then it carries the least") {
    Bench bench = jumbo_bench();
    bench.attach({}, 16, 17);
    CHECK(payload(bench) == 2);
    CHECK(bench.engine.target(lun)->paths[0].sectors_allowed == 17);
    CHECK_FALSE(bench.engine.target(lun)->paths[0].is_payload_proven);
    auto sent = bench.take_sent();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].frame.command == proto::Command::query_config);
    CHECK(sent[0].bytes.size() == 36 + 17 * 512); // as long as a WRITE
    bench.serve(sent[0]);
    CHECK(payload(bench) == 2);
    sent = bench.take_sent();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].is(proto::AtaCommand::read_sectors_ext));
    CHECK(sent[0].ata.sector_count == 17);
    bench.serve(sent[0]);
    CHECK(payload(bench) == 17);
    CHECK(bench.engine.target(lun)->paths[0].is_payload_proven);
    CHECK(bench.take_sent().empty());
    CHECK(bench.engine.target(lun)->paths[0].in_flight == 0);
}

TEST_CASE("frames go on with the least while more is being proved") {
    Bench bench = jumbo_bench();
    const DeviceIndex device = bench.attach({}, 16, 17);
    Io io(bench, Operation::write, 0, 4, 5);
    bench.engine.submit(bench.now, device, io.request);
    for (const SentFrame& frame : bench.take_sent()) {
        if (frame.is(proto::AtaCommand::write_sectors_ext)) {
            CHECK(frame.ata.sector_count == 2);
            bench.serve(frame);
        }
    }
    CHECK(bench.completed_with(io.request, Status::ok));
}

TEST_CASE("where large frames are dropped, the largest that passes is found, and more later") {
    Bench bench = jumbo_bench();
    Wire wire;
    SUBCASE("on the way there") {
        wire.to_target_max = 1600;
    }
    SUBCASE("on the way back") {
        wire.to_initiator_max = 1600;
    }
    const DeviceIndex device = bench.attach({}, 16, 17);
    CHECK(serve_until(bench, wire, [&] { return payload(bench) == 3; })); // 36 + 3 * 512 = 1572
    Io io(bench, Operation::write, 0, 32, 9);
    Io read(bench, Operation::read, 100, 32);
    bench.engine.submit(bench.now, device, io.request);
    bench.engine.submit(bench.now, device, read.request);
    CHECK(serve_until(bench, wire, [&] { return bench.completed.size() == 2; }));
    CHECK(bench.engine.target(lun)->paths[0].retransmitted == 0);
    // To the end of the search.
    serve_until(bench, wire, [&, until = bench.now + 2s] { return bench.now >= until; });
    CHECK(payload(bench) == 3);
    bool has_event = false;
    while (const auto event = bench.engine.poll_event()) {
        has_event = has_event ||
                    (event->kind == EventKind::payload_changed && event->payload_bytes == 3 * 512);
    }
    CHECK(has_event);
    bench.advance(60s);
    CHECK(serve_until(bench, {}, [&] { return payload(bench) == 17; }));
    CHECK(bench.completed_with(io.request, Status::ok));
    CHECK(bench.completed_with(read.request, Status::ok));
}

TEST_CASE("a path that begins to drop large frames is noticed by their loss") {
    Bench bench = jumbo_bench();
    const DeviceIndex device = bench.attach({}, 16, 17);
    bench.serve_all();
    REQUIRE(payload(bench) == 17);
    Wire wire;
    bool writes = false;
    SUBCASE("on the way there") {
        writes = true;
        wire.to_target_max = 1600;
    }
    SUBCASE("on the way back") {
        wire.to_initiator_max = 1600;
    }
    Io large(bench, writes ? Operation::write : Operation::read, 0, 64, 9);
    bench.engine.submit(bench.now, device, large.request);
    // Small ones pass meanwhile, so the path is not silent.
    std::vector<std::unique_ptr<Io>> small;
    for (int i = 0; i < 200; ++i) {
        small.push_back(std::make_unique<Io>(bench, Operation::read, 200, 1));
        bench.engine.submit(bench.now, device, small.back()->request);
        serve_until(bench, wire, [&, until = bench.now + 5ms] { return bench.now >= until; });
    }
    CHECK(bench.completed_with(large.request, Status::ok));
    CHECK(payload(bench) == 3);
    CHECK(bench.engine.target(lun)->paths[0].state == PathState::up);
}

TEST_CASE("a target that refuses to read what would prove it is believed") {
    Bench bench = jumbo_bench();
    bench.attach({}, 16, 17);
    bench.serve(bench.take_sent().at(0));
    const SentFrame read = bench.take_sent().at(0);
    SUBCASE("an unreadable sector") {
        bench.answer(read, proto::ata_status_ready | proto::ata_status_error, 0x40);
    }
    SUBCASE("an AoE error") {
        bench.answer_error(read, proto::AoeError::unrecognized_command);
    }
    CHECK(payload(bench) == 17);
}

TEST_CASE("a target that calls it a bad argument has no room for so much") {
    Bench bench = jumbo_bench();
    bench.attach({}, 16, 17);
    bench.serve(bench.take_sent().at(0));
    bench.answer_error(bench.take_sent().at(0), proto::AoeError::bad_argument);
    const auto sent = bench.take_sent();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].bytes.size() == 36 + 9 * 512); // half way between 2 and 17
    CHECK(payload(bench) == 2);
}

namespace {

// A target whose frames became smaller while nobody told: what it says to transfers of more.
enum class Refusal : std::uint8_t { bad_argument, aborted };

void refuse(Bench& bench, const SentFrame& frame, Refusal refusal) {
    if (refusal == Refusal::bad_argument) {
        bench.answer_error(frame, proto::AoeError::bad_argument);
    } else {
        bench.answer(frame, proto::ata_status_ready | proto::ata_status_error,
                     proto::ata_error_abort);
    }
}

bool is_transfer(const SentFrame& frame) {
    return frame.is(proto::AtaCommand::read_sectors_ext) ||
           frame.is(proto::AtaCommand::write_sectors_ext);
}

} // namespace

TEST_CASE("when a target says that so much is too much, less is asked for") {
    Bench bench = jumbo_bench();
    const DeviceIndex device = bench.attach({}, 16, 17);
    bench.serve_all();
    REQUIRE(payload(bench) == 17);
    Refusal refusal = Refusal::bad_argument;
    Operation operation = Operation::read;
    SUBCASE("a bad argument") {}
    SUBCASE("an aborted command") {
        refusal = Refusal::aborted;
    }
    SUBCASE("an aborted write") {
        refusal = Refusal::aborted;
        operation = Operation::write;
    }
    Io io(bench, operation, 0, 64, 7);
    bench.engine.submit(bench.now, device, io.request);
    std::size_t refused_count = 0;
    for (int i = 0; i < 1000 && bench.completed.empty(); ++i) {
        for (const SentFrame& frame : bench.take_sent()) {
            if (is_transfer(frame) && frame.ata.sector_count > 3) {
                ++refused_count;
                refuse(bench, frame, refusal);
            } else if (frame.bytes.size() <= 36 + 3 * 512) {
                bench.serve(frame);
            }
        }
        bench.drain();
        bench.advance(1ms);
    }
    CHECK(bench.completed_with(io.request, Status::ok));
    CHECK(refused_count == 4); // each of those that were under way, once
    CHECK(payload(bench) <= 3);
}

TEST_CASE("what is refused whatever its size has failed") {
    Bench bench = jumbo_bench();
    const DeviceIndex device = bench.attach({}, 16, 17);
    bench.serve_all();
    Io io(bench, Operation::write, 0, 64, 7);
    bench.engine.submit(bench.now, device, io.request);
    const auto refuse_writes = [&] {
        for (int i = 0; i < 1000 && bench.completed.empty(); ++i) {
            for (const SentFrame& frame : bench.take_sent()) {
                if (frame.is(proto::AtaCommand::write_sectors_ext)) {
                    refuse(bench, frame, Refusal::aborted);
                } else {
                    bench.serve(frame);
                }
            }
            bench.drain();
            bench.advance(1ms);
        }
    };
    refuse_writes();
    CHECK(bench.completed_with(io.request, Status::read_only)); // as a read-only vblade says it
}

TEST_CASE("a refusal of a copy that is long forgotten is none of the command") {
    Bench bench = jumbo_bench();
    const DeviceIndex device = bench.attach({}, 16, 17);
    bench.serve_all();
    Io io(bench, Operation::read, 100, 16); // not where probes read
    bench.engine.submit(bench.now, device, io.request);
    std::optional<SentFrame> forgotten;
    std::size_t copies_count = 0;
    std::optional<SentFrame> last;
    for (int i = 0; i < 60'000 && copies_count < 12; ++i) {
        for (const SentFrame& frame : bench.take_sent()) {
            if (is_transfer(frame) && frame.ata.lba.value == 100) {
                ++copies_count;
                forgotten = forgotten ? forgotten : frame;
                last = frame;
            } else {
                bench.serve(frame);
            }
        }
        bench.advance(1ms);
    }
    REQUIRE(copies_count == 12);
    refuse(bench, *forgotten, Refusal::bad_argument);
    bench.drain();
    CHECK(bench.completed.empty());
    bench.serve(*last);
    CHECK(serve_until(bench, {}, [&] { return !bench.completed.empty(); }));
    CHECK(bench.completed_with(io.request, Status::ok));
}

TEST_CASE("a larger MTU is proved before it is used, a smaller one holds at once") {
    Bench bench({.discover_interval = 0s}, 1500, 1, 0s, 60s);
    bench.attach({}, 16, 17);
    bench.serve_all();
    CHECK(payload(bench) == 2);
    bench.set_port(0, true, 9000);
    CHECK(payload(bench) == 2);
    bench.serve_all();
    CHECK(payload(bench) == 17);
    bench.set_port(0, true, 4200);
    CHECK(payload(bench) == 8);
}

TEST_CASE("a window of one frame has room for a probe, and then for data") {
    Bench bench = jumbo_bench();
    const DeviceIndex device = bench.attach({}, 1, 17);
    Io io(bench, Operation::read, 0, 64);
    bench.engine.submit(bench.now, device, io.request);
    auto sent = bench.take_sent();
    while (!sent.empty()) {
        REQUIRE(sent.size() == 1);
        bench.serve(sent[0]);
        sent = bench.take_sent();
    }
    CHECK(bench.completed_with(io.request, Status::ok));
    CHECK(payload(bench) == 17);
}

TEST_CASE("with a window of one frame, data has its turn after each probe that is lost") {
    Bench bench = jumbo_bench();
    const DeviceIndex device = bench.attach({}, 1, 17);
    REQUIRE(bench.take_sent().at(0).frame.command == proto::Command::query_config); // lost
    Io io(bench, Operation::read, 0, 4);
    bench.engine.submit(bench.now, device, io.request);
    bench.advance(250ms);
    auto sent = bench.take_sent();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].is(proto::AtaCommand::read_sectors_ext));
    bench.serve(sent[0]);
    sent = bench.take_sent();
    REQUIRE(sent.size() == 2);
    CHECK(sent[0].bytes.size() == 36 + 17 * 512);
    CHECK(sent[1].bytes.size() == 60); // right behind it: whether the target stands still
    bench.serve(sent[1]);
    CHECK(bench.take_sent().empty());
    bench.advance(250ms); // lost again
    sent = bench.take_sent();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].is(proto::AtaCommand::read_sectors_ext));
    bench.serve(sent[0]);
    CHECK(bench.completed_with(io.request, Status::ok));
}

// Of the frames of one millisecond a target with one buffer takes the first that reaches it. Each
// path's small frames must not fall to the other's large ones.
TEST_CASE("two ports find out what passes to a target with one buffer") {
    Bench bench({.discover_interval = 0s}, 9000, 2, 0s, 60s);
    bench.attach({}, 1, 17);
    bench.config_answer(target_mac_a, 1, {1}, 17);
    const auto payloads = [&] {
        const auto target = bench.engine.target(lun);
        return std::pair(target->paths.at(0).sectors_per_frame,
                         target->paths.size() > 1 ? target->paths[1].sectors_per_frame : 0);
    };
    Time searched{};
    std::vector<std::unique_ptr<Io>> reads;
    std::size_t answered = 0;
    const Time end = bench.now + 10s;
    while (bench.now < end) {
        if (reads.size() == answered) {
            reads.push_back(std::make_unique<Io>(bench, Operation::read, 0, 2));
            bench.engine.submit(bench.now, *bench.attached, reads.back()->request);
        }
        bool is_taken = false;
        for (const SentFrame& frame : bench.take_sent()) {
            if (frame.bytes.size() <= 1600 && !is_taken) {
                is_taken = true;
                bench.serve(frame);
            }
        }
        bench.drain();
        answered = bench.completed.size();
        if (payloads() == std::pair(3U, 3U) && searched == Time{}) {
            searched = bench.now;
        }
        bench.advance(1ms);
    }
    CHECK(searched != Time{});
    CHECK(answered > 1000);
}

TEST_CASE("the late answer to a probe that is about to be sent again counts") {
    Bench bench = jumbo_bench();
    bench.attach({}, 16, 17);
    bench.serve(bench.take_sent().at(0));
    const SentFrame read = bench.take_sent().at(0);
    SUBCASE("and ends the search") {
        bench.advance(250ms);
        bench.serve(read);
        CHECK(payload(bench) == 17);
        CHECK(bench.take_sent().empty());
    }
    SUBCASE("and lets it go on") {
        bench.advance(250ms);
        bench.answer(read); // with nothing in it
        const auto sent = bench.take_sent();
        REQUIRE(sent.size() == 1);
        CHECK(sent[0].bytes.size() == 36 + 9 * 512); // half way between 2 and 17
    }
}

TEST_CASE("a target that stands still for a while carries as much as before") {
    Bench bench = jumbo_bench();
    bench.attach({}, 16, 17);
    for (int i = 0; i < 2000; ++i) {
        bench.take_sent(); // no answer to anything
        bench.advance(1ms);
    }
    CHECK(serve_until(bench, {}, [&] { return payload(bench) == 17; }));
}

TEST_CASE("a detach in the middle of a probe leaves nothing behind") {
    Bench bench = jumbo_bench();
    bench.attach({}, 16, 17);
    bench.serve(bench.take_sent().at(0));
    const SentFrame read = bench.take_sent().at(0);
    bench.detach();
    bench.serve(read);
    CHECK(payload(bench) == 17);
    CHECK(bench.engine.poll_timeout().value_or(Time::max()) > bench.now);
    bench.attach({}, 16, 17);
    CHECK(payload(bench) == 2);
}
