// Discovery: the target table, verified paths, identity.
#include "engine_bench.hpp"

using namespace uaoe;
using namespace uaoe::initiator;
using namespace uaoe::initiator::test;

TEST_CASE(
    "discover broadcasts Query Config on every port that is up, padded, with a userspace tag") {
    Bench bench({}, 1500, 2);
    bench.set_port(2, false);
    bench.engine.discover(bench.now);
    const auto sent = bench.take_sent();
    REQUIRE(sent.size() == 2);
    for (const SentFrame& frame : sent) {
        CHECK(frame.bytes.size() == 60);
        CHECK(frame.frame.destination == proto::broadcast_mac);
        CHECK(frame.frame.address == proto::broadcast_address);
        CHECK(frame.frame.command == proto::Command::query_config);
        CHECK((frame.frame.tag.value & tag_userspace_bit) != 0);
    }
    CHECK(sent[0].port != sent[1].port);
}

// The seconds of `end` in which Query Config is broadcast. Others may call for it meanwhile.
std::vector<int> seconds_of_broadcasts(Bench& bench, int end) {
    std::vector<int> seconds;
    for (int second = 0; second < end; ++second) {
        for (const SentFrame& frame : bench.take_sent()) {
            CHECK(frame.frame.destination == proto::broadcast_mac);
            seconds.push_back(second);
        }
        bench.advance(1s);
    }
    return seconds;
}

TEST_CASE("discover is repeated, soon after a port came up, and then at its interval") {
    Bench bench({.discover_interval = 20s});
    bench.engine.discover(bench.now);
    CHECK(seconds_of_broadcasts(bench, 56) == std::vector<int>{0, 1, 3, 7, 15, 31, 51});
    bench.set_port(0, false);
    bench.set_port(0, true);
    bench.engine.discover(bench.now);
    CHECK(seconds_of_broadcasts(bench, 56) == std::vector<int>{0, 1, 3, 7, 15, 31, 51});
}

TEST_CASE("an interval of zero is none, also after a port came up") {
    Bench bench({.discover_interval = 0s});
    bench.engine.discover(bench.now);
    CHECK(seconds_of_broadcasts(bench, 70) == std::vector<int>{0});
}

TEST_CASE(
    "a target that answers is asked for IDENTIFY, at its MAC, and is ready when that is answered") {
    Bench bench;
    bench.config_answer(target_mac_a);
    const auto sent = bench.take_sent();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].is(proto::AtaCommand::identify_device));
    CHECK(sent[0].frame.destination == target_mac_a);
    CHECK(sent[0].frame.address == lun);
    CHECK(bench.engine.target(lun)->state == TargetState::identifying);
    CHECK(bench.engine.target(lun)->paths[0].state == PathState::unverified);
    bench.answer_identify(sent[0], small_disk());
    const auto target = bench.engine.target(lun).value();
    CHECK(target.state == TargetState::ready);
    CHECK(target.identify.sectors.value == 4096);
    CHECK(target.paths[0].state == PathState::up);
    CHECK(target.paths[0].sectors_per_frame == 2);
}

TEST_CASE("a lost IDENTIFY is sent again within a second, with another tag") {
    Bench bench;
    bench.config_answer(target_mac_a);
    const auto first = bench.take_sent();
    bench.advance(1s);
    const auto second = bench.take_sent();
    REQUIRE(second.size() >= 1);
    CHECK(second[0].is(proto::AtaCommand::identify_device));
    CHECK(second[0].frame.tag != first[0].frame.tag);
    // The answer to the first copy is as good.
    bench.answer_identify(first[0], small_disk());
    CHECK(bench.engine.target(lun)->state == TargetState::ready);
    bench.advance(5s);
    CHECK(bench.take_sent().empty());
}

TEST_CASE("a target that never answers IDENTIFY is mute after a while, and asked again when it "
          "shows up again") {
    Bench bench({.identify_timeout = 3s});
    bench.config_answer(target_mac_a);
    for (int i = 0; i < 10; ++i) {
        bench.take_sent();
        bench.advance(1s);
    }
    CHECK(bench.engine.target(lun)->state == TargetState::mute);
    bench.take_sent();
    bench.advance(60s);
    CHECK(bench.take_sent().empty());
    bench.config_answer(target_mac_a);
    const auto again = bench.take_sent();
    REQUIRE(again.size() == 1);
    bench.answer_identify(again[0], small_disk());
    CHECK(bench.engine.target(lun)->state == TargetState::ready);
}

TEST_CASE("IDENTIFY that is refused says why") {
    for (const auto& [error, state] :
         {std::pair{proto::AoeError::target_is_reserved, TargetState::reserved},
          std::pair{proto::AoeError::device_unavailable, TargetState::unavailable},
          std::pair{proto::AoeError::bad_argument, TargetState::failed}}) {
        Bench bench;
        bench.config_answer(target_mac_a);
        bench.answer_error(bench.take_sent()[0], error);
        CHECK(bench.engine.target(lun)->state == state);
        CHECK(bench.engine.attach(bench.now, lun, {}).error() == AttachError::not_ready);
    }
}

TEST_CASE("IDENTIFY data that makes no sense is a failed target") {
    Bench bench;
    bench.config_answer(target_mac_a);
    bench.answer(bench.take_sent()[0], proto::ata_status_ready, 0,
                 std::vector<std::byte>(512, std::byte{0}));
    CHECK(bench.engine.target(lun)->state == TargetState::failed);
}

TEST_CASE("another disk at the same address never becomes a path") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    bench.config_answer(target_mac_b);
    auto other = small_disk();
    other.serial.characters[1] = '2';
    bench.answer_identify(bench.take_sent()[0], other);
    const auto target = bench.engine.target(lun).value();
    REQUIRE(target.paths.size() == 2);
    CHECK(target.paths[1].state == PathState::conflict);
    CHECK(target.identify.serial == small_disk().serial);
    bool conflict_seen = false;
    while (const auto event = bench.engine.poll_event()) {
        conflict_seen = conflict_seen || event->kind == EventKind::identity_conflict;
    }
    CHECK(conflict_seen);
    Io io(bench, Operation::write, 0, 64);
    bench.engine.submit(bench.now, device, io.request);
    for (const SentFrame& frame : bench.take_sent()) {
        CHECK(frame.frame.destination == target_mac_a);
    }
}

TEST_CASE("the same disk at a second MAC becomes a path, and both carry data") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    bench.config_answer(target_mac_b);
    bench.serve_all();
    Io io(bench, Operation::read, 0, 32);
    bench.engine.submit(bench.now, device, io.request);
    int to_a = 0;
    int to_b = 0;
    for (const SentFrame& frame : bench.take_sent()) {
        to_a += frame.frame.destination == target_mac_a ? 1 : 0;
        to_b += frame.frame.destination == target_mac_b ? 1 : 0;
    }
    CHECK(to_a == 8);
    CHECK(to_b == 8);
}

TEST_CASE("two ports to one target MAC share its buffers") {
    Bench bench({}, 1500, 2);
    const DeviceIndex device = bench.attach({.fail_after = 0s}, 4);
    bench.config_answer(target_mac_a, 4, {1});
    bench.serve_all();
    Io io(bench, Operation::read, 0, 64);
    bench.engine.submit(bench.now, device, io.request);
    CHECK(bench.take_sent().size() == 4);
}

TEST_CASE(
    "answers with broadcast addresses, multicast sources or cut strings are counted and ignored") {
    Bench bench;
    std::array<std::byte, 64> bytes;
    auto head = Bench::header(target_mac_a, proto::Command::query_config, proto::Tag{0});
    head.address = proto::broadcast_address;
    std::size_t used = proto::write_query_config(bytes, head, {.string = {}});
    bench.engine.handle_frame(bench.now, {0}, std::span(bytes).first(used));
    head.address = lun;
    head.source = proto::broadcast_mac;
    used = proto::write_query_config(bytes, head, {.string = {}});
    bench.engine.handle_frame(bench.now, {0}, std::span(bytes).first(used));
    head.source = target_mac_a;
    proto::write_query_config(bytes, head, {.string = std::as_bytes(std::span("abcdef"))});
    bench.engine.handle_frame(bench.now, {0}, std::span(bytes).first(34));
    for (std::size_t size = 0; size < 24; ++size) {
        bench.engine.handle_frame(bench.now, {0}, std::span(bytes).first(size));
    }
    CHECK(bench.engine.counters().malformed == 3 + 24);
    CHECK(bench.engine.targets().empty());
}

TEST_CASE("buffer counts of 0 and 1 mean one command at a time") {
    for (const std::uint16_t buffer_count : {std::uint16_t{0}, std::uint16_t{1}}) {
        Bench bench;
        const DeviceIndex device = bench.attach({.fail_after = 0s}, buffer_count);
        Io io(bench, Operation::read, 0, 8);
        bench.engine.submit(bench.now, device, io.request);
        for (int i = 0; i < 4; ++i) {
            const auto sent = bench.take_sent();
            REQUIRE(sent.size() == 1);
            bench.serve(sent[0]);
        }
        CHECK(bench.completed_with(io.request, Status::ok));
    }
}

TEST_CASE("a full target table counts what it has no room for") {
    Bench bench({.targets_count_max = 1});
    bench.config_answer(target_mac_a);
    std::array<std::byte, 64> bytes;
    auto head = Bench::header(target_mac_a, proto::Command::query_config, proto::Tag{0});
    head.address = {2, 0};
    const std::size_t used = proto::write_query_config(bytes, head, {.string = {}});
    bench.engine.handle_frame(bench.now, {0}, std::span(bytes).first(used));
    CHECK(bench.engine.targets().size() == 1);
    CHECK(bench.engine.counters().targets_dropped == 1);
}

TEST_CASE("probe asks each path for its configuration and reports the round trip") {
    Bench bench;
    bench.config_answer(target_mac_a);
    bench.config_answer(target_mac_b);
    bench.serve_all();
    while (bench.engine.poll_event()) {
    }
    REQUIRE(bench.engine.probe(bench.now, lun));
    CHECK_FALSE(bench.engine.probe(bench.now, {9, 9}));
    const auto sent = bench.take_sent();
    REQUIRE(sent.size() == 2);
    CHECK(sent[0].frame.destination == target_mac_a);
    bench.advance(700us);
    std::array<std::byte, 64> bytes;
    const std::size_t used = proto::write_query_config(
        bytes, Bench::header(target_mac_b, proto::Command::query_config, sent[1].frame.tag),
        {.buffer_count = 16, .sectors_per_frame = 2, .string = {}});
    bench.engine.handle_frame(bench.now, {0}, std::span(bytes).first(used));
    const auto event = bench.engine.poll_event();
    REQUIRE(event.has_value());
    CHECK(event->kind == EventKind::probe_answered);
    CHECK(event->target_mac == target_mac_b);
    CHECK(event->duration == 700us);
    CHECK_FALSE(bench.engine.poll_event());
}

TEST_CASE("tag 0 from a target that is busy answering is for the kernel's driver, not a start") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    Io io(bench, Operation::read, 0, 1);
    bench.engine.submit(bench.now, device, io.request);
    const auto sent = bench.take_sent();
    std::array<std::byte, 64> bytes;
    const std::size_t used = proto::write_query_config(
        bytes, Bench::header(target_mac_a, proto::Command::query_config, {0}),
        {.buffer_count = 16, .sectors_per_frame = 2, .string = {}});
    bench.engine.handle_frame(bench.now, {0}, std::span(bytes).first(used));
    CHECK(bench.engine.target(lun)->paths[0].state == PathState::up);
    CHECK(bench.engine.target(lun)->paths[0].in_flight == 1);
    bench.serve(sent[0]);
    CHECK(bench.completed_with(io.request, Status::ok));
    // Of one that was not heard for long it may be a start: vblade -m tells its initiators one by
    // one.
    bench.advance(3s);
    bench.engine.handle_frame(bench.now, {0}, std::span(bytes).first(used));
    CHECK(bench.engine.target(lun)->paths[0].state == PathState::unverified);
}

TEST_CASE("what a target said before it started again does not verify it") {
    Bench bench;
    bench.attach();
    bench.config_answer(target_mac_a, 16, {0}, 2, true);
    const SentFrame asked_before = bench.take_sent().at(0);
    bench.config_answer(target_mac_a, 16, {0}, 2, true);
    bench.answer_identify(asked_before, bench.identify);
    CHECK(bench.engine.target(lun)->paths[0].state == PathState::unverified);
    bench.serve_all();
    CHECK(bench.engine.target(lun)->paths[0].state == PathState::up);
}

namespace {

// A Query Config answer half a minute after the last IDENTIFY; the frames it draws.
std::deque<SentFrame> ask_again(Bench& bench) {
    bench.advance(31s);
    bench.take_sent();
    bench.config_answer(target_mac_a);
    return bench.take_sent();
}

} // namespace

TEST_CASE("a disk in use that grows is noticed, and goes on being used") {
    Bench bench({.discover_interval = 0s});
    const DeviceIndex device = bench.attach();
    while (bench.engine.poll_event()) {
    }
    auto sent = ask_again(bench);
    REQUIRE(sent.size() == 1);
    REQUIRE(sent[0].is(proto::AtaCommand::identify_device));
    CHECK(bench.engine.target(lun)->paths[0].state == PathState::up); // meanwhile
    bench.answer_identify(sent[0], small_disk(8192));
    CHECK(bench.engine.device_info(device).sectors == SectorCount{8192});
    CHECK(bench.engine.target(lun)->paths[0].state == PathState::up);
    const auto event = bench.engine.poll_event();
    REQUIRE(event.has_value());
    CHECK(event->kind == EventKind::capacity_changed);
    CHECK(event->size_bytes == 8192 * 512);
    Io io(bench, Operation::read, 8000, 1);
    bench.engine.submit(bench.now, device, io.request);
    sent = bench.take_sent();
    REQUIRE(sent.size() == 1);
    bench.answer(sent[0], proto::ata_status_ready, 0, std::vector<std::byte>(512));
    CHECK(bench.completed_with(io.request, Status::ok));
    // Not at every answer.
    bench.config_answer(target_mac_a);
    CHECK(bench.take_sent().empty());
}

TEST_CASE("a disk in use that shrinks, or is another, is a conflict and gets nothing more") {
    Bench bench({.discover_interval = 0s});
    const DeviceIndex device = bench.attach();
    Io io(bench, Operation::write, 0, 1);
    bench.engine.submit(bench.now, device, io.request);
    bench.serve_all();
    REQUIRE(bench.completed_with(io.request, Status::ok));
    const auto sent = ask_again(bench);
    REQUIRE(sent.size() == 1);
    auto other = small_disk(8192);
    SUBCASE("smaller") {
        other.sectors = {2048};
    }
    SUBCASE("larger, and of another serial") {
        other.serial = {{'S', '2'}, 2};
    }
    bench.answer_identify(sent[0], other);
    CHECK(bench.engine.target(lun)->paths[0].state != PathState::up);
    // A smaller one is asked once more: it might be late to know that it has grown.
    bench.advance(2s);
    for (const SentFrame& frame : bench.take_sent()) {
        bench.answer_identify(frame, other);
    }
    CHECK(bench.engine.target(lun)->paths[0].state == PathState::conflict);
    CHECK(bench.engine.device_info(device).sectors == SectorCount{4096});
    Io next(bench, Operation::write, 0, 1);
    bench.engine.submit(bench.now, device, next.request);
    CHECK(bench.take_sent().empty());
}

TEST_CASE("a disk that refuses to identify itself again, or does not answer, stays in use") {
    Bench bench({.discover_interval = 0s});
    const DeviceIndex device = bench.attach();
    const auto sent = ask_again(bench);
    REQUIRE(sent.size() == 1);
    SUBCASE("refuses") {
        bench.answer_error(sent[0], proto::AoeError::target_is_reserved);
    }
    SUBCASE("is silent") {}
    for (int i = 0; i < 20; ++i) {
        bench.advance(1s);
        bench.take_sent();
    }
    CHECK(bench.engine.target(lun)->paths[0].state == PathState::up);
    Io io(bench, Operation::write, 0, 1);
    bench.engine.submit(bench.now, device, io.request);
    bench.serve_all();
    CHECK(bench.completed_with(io.request, Status::ok));
}

TEST_CASE(
    "revalidate asks every path that is up for the disk at once, and what has grown is used") {
    Bench bench({.discover_interval = 0s});
    const DeviceIndex device = bench.attach();
    CHECK_FALSE(bench.engine.revalidate(bench.now, {9, 9}));
    CHECK(bench.take_sent().empty());
    CHECK_FALSE(bench.engine.target(lun)->paths[0].is_identifying);
    CHECK(bench.engine.revalidate(bench.now, lun));
    CHECK(bench.engine.target(lun)->paths[0].is_identifying);
    CHECK(bench.engine.revalidate(bench.now, lun)); // asked once
    const auto sent = bench.take_sent();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].is(proto::AtaCommand::identify_device));
    CHECK(bench.engine.target(lun)->paths[0].state == PathState::up);
    bench.answer_identify(sent[0], small_disk(8192));
    CHECK_FALSE(bench.engine.target(lun)->paths[0].is_identifying);
    CHECK(bench.engine.device_info(device).sectors == SectorCount{8192});
    CHECK(bench.engine.target(lun)->paths[0].state == PathState::up);
}
