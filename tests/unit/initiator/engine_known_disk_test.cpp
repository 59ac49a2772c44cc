// LUNs that are known from before: opened whether they answer or not, and never mixed up.
#include "engine_bench.hpp"

#include <utility>

using namespace uaoe;
using namespace uaoe::initiator;
using namespace uaoe::initiator::test;

namespace {

proto::Identify other_disk() {
    proto::Identify identify = small_disk();
    identify.serial = {{'S', '2'}, 2};
    return identify;
}

bool asks_for_lun(const SentFrame& frame) {
    return frame.frame.command == proto::Command::query_config &&
           frame.frame.destination == proto::broadcast_mac && frame.frame.address == lun;
}

unsigned count_of(Bench& bench, EventKind kind) {
    unsigned count = 0;
    while (const auto event = bench.engine.poll_event()) {
        count += event->kind == kind ? 1U : 0U;
    }
    return count;
}

// Answers IDENTIFY with `identify`, and everything else as it should be.
void serve_as(Bench& bench, const proto::Identify& identify) {
    const proto::Identify before = std::exchange(bench.identify, identify);
    bench.serve_all();
    bench.identify = before;
}

} // namespace

TEST_CASE("a known disk that does not answer is silent, and works when it appears") {
    Bench bench;
    const DeviceIndex device = bench.attach_known();
    CHECK(bench.engine.device_status(device).state == DeviceState::silent);
    CHECK(bench.engine.device_info(device).sectors == SectorCount{4096});
    CHECK(bench.engine.device_info(device).can_discard);
    CHECK(count_of(bench, EventKind::target_found) == 0);
    Io write(bench, Operation::write, 10, 4, 7);
    Io read(bench, Operation::read, 100, 4);
    bench.engine.submit(bench.now, device, write.request);
    bench.engine.submit(bench.now, device, read.request);
    for (int i = 0; i < 5; ++i) { // it is asked for again and again, and nobody else
        const auto sent = bench.take_sent();
        REQUIRE(sent.size() == 1);
        CHECK(asks_for_lun(sent[0]));
        bench.advance(1s);
    }
    bench.take_sent();
    bench.config_answer(target_mac_a);
    bench.serve_all();
    CHECK(count_of(bench, EventKind::target_found) == 1);
    CHECK(bench.completed_with(write.request, Status::ok));
    CHECK(bench.completed_with(read.request, Status::ok));
    CHECK(bench.disk[13 * 512] == std::byte{7});
    CHECK(bench.engine.device_status(device).state == DeviceState::up);
    bench.advance(10s);
    CHECK(std::ranges::none_of(bench.take_sent(), asks_for_lun));
}

TEST_CASE("a known disk is asked for on every port that is up") {
    Bench bench({}, 1500, 3);
    bench.set_port(1, false);
    bench.attach_known();
    const auto sent = bench.take_sent();
    REQUIRE(sent.size() == 2);
    CHECK(sent[0].port == PortIndex{0});
    CHECK(sent[1].port == PortIndex{2});
}

TEST_CASE("requests of a known disk wait no longer than fail-after, then it is back") {
    Bench bench;
    const DeviceIndex device = bench.attach_known({.fail_after = 5s});
    Io write(bench, Operation::write, 10, 1, 7);
    Io read(bench, Operation::read, 10, 1);
    bench.engine.submit(bench.now, device, write.request);
    bench.engine.submit(bench.now, device, read.request);
    bench.advance(4900ms);
    bench.drain();
    CHECK(bench.completed.empty());
    bench.advance(200ms);
    CHECK(bench.completed_with(write.request, Status::timed_out));
    CHECK(bench.completed_with(read.request, Status::timed_out));
    CHECK(bench.engine.device_status(device).state == DeviceState::down);
    bench.advance(60s);
    CHECK(std::ranges::any_of(bench.take_sent(), asks_for_lun));
    bench.config_answer(target_mac_a);
    bench.serve_all();
    CHECK(bench.engine.device_status(device).state == DeviceState::up);
    bench.engine.submit(bench.now, device, write.request);
    bench.serve_all();
    CHECK(bench.completed_with(write.request, Status::ok));
}

TEST_CASE("another disk at a known address is a conflict, and the known one is waited for") {
    Bench bench;
    const DeviceIndex device = bench.attach_known({.fail_after = 0s}, {target_mac_b});
    Io write(bench, Operation::write, 10, 1, 7);
    bench.engine.submit(bench.now, device, write.request);
    bench.config_answer(target_mac_a);
    serve_as(bench, other_disk());
    CHECK(count_of(bench, EventKind::identity_conflict) == 1);
    CHECK(bench.engine.device_status(device).state == DeviceState::silent);
    CHECK(bench.engine.target(lun)->paths.at(0).state == PathState::conflict);
    CHECK(bench.engine.target(lun)->identify.serial.view() == "S1");
    bench.advance(3s);
    CHECK(std::ranges::any_of(bench.take_sent(), asks_for_lun)); // still
    bench.config_answer(target_mac_b);
    for (const SentFrame& frame : bench.take_sent()) {
        REQUIRE(frame.frame.destination == target_mac_b);
        bench.serve(frame);
    }
    bench.serve_all();
    CHECK(bench.completed_with(write.request, Status::ok));
    CHECK(bench.engine.target(lun)->paths.at(0).received == 1); // its IDENTIFY
}

TEST_CASE("what discovery found already is used at once when it is the known disk") {
    Bench bench;
    bench.config_answer(target_mac_a);
    bench.serve_all();
    const DeviceIndex device = bench.attach_known();
    CHECK(bench.engine.device_status(device).state == DeviceState::up);
    CHECK(bench.take_sent().empty());
    Io write(bench, Operation::write, 10, 1, 7);
    bench.engine.submit(bench.now, device, write.request);
    bench.serve_all();
    CHECK(bench.completed_with(write.request, Status::ok));
}

TEST_CASE("what discovery found already is not used when it is another disk") {
    Bench bench({}, 1500, 2);
    for (const std::uint32_t port : {0U, 1U}) {
        bench.config_answer(target_mac_a, 16, {port});
    }
    serve_as(bench, other_disk());
    count_of(bench, EventKind::identity_conflict);
    const DeviceIndex device = bench.attach_known();
    CHECK(count_of(bench, EventKind::identity_conflict) == 2);
    CHECK(bench.engine.device_status(device).state == DeviceState::silent);
    Io write(bench, Operation::write, 10, 1, 7);
    bench.engine.submit(bench.now, device, write.request);
    for (int i = 0; i < 10; ++i) {
        const auto sent = bench.take_sent();
        CHECK(std::ranges::all_of(sent, asks_for_lun));
        bench.config_answer(target_mac_a);
        serve_as(bench, other_disk());
        bench.advance(1s);
    }
    CHECK_FALSE(bench.completed_with(write.request, Status::ok));
    // After a detach it is what it says it is, and may be attached as that.
    bench.detach();
    serve_as(bench, other_disk());
    CHECK(bench.engine.target(lun)->state == TargetState::ready);
    CHECK(bench.engine.target(lun)->identify.serial.view() == "S2");
    const auto again = bench.engine.attach(bench.now, lun, {});
    REQUIRE(again.has_value());
    CHECK(bench.engine.device_info(*again).identify.serial.view() == "S2");
}

TEST_CASE("an IDENTIFY that is under way when the disk is told of is held against it") {
    for (const bool is_right : {true, false}) {
        Bench bench;
        bench.config_answer(target_mac_a);
        const auto asked = bench.take_sent();
        REQUIRE(asked.size() == 1);
        const DeviceIndex device = bench.attach_known();
        bench.answer_identify(asked[0], is_right ? small_disk() : other_disk());
        CHECK(bench.engine.device_status(device).state ==
              (is_right ? DeviceState::up : DeviceState::silent));
    }
}

TEST_CASE("a known disk that refuses IDENTIFY for a while is asked again") {
    Bench bench;
    const DeviceIndex device = bench.attach_known();
    bench.config_answer(target_mac_a);
    for (const SentFrame& frame : bench.take_sent()) {
        if (frame.is(proto::AtaCommand::identify_device)) {
            bench.answer_error(frame, proto::AoeError::target_is_reserved);
        }
    }
    CHECK(bench.engine.target(lun)->state == TargetState::ready);
    CHECK(bench.engine.device_status(device).state == DeviceState::silent);
    bench.advance(1100ms);
    bench.serve_all();
    CHECK(bench.engine.device_status(device).state == DeviceState::up);
}

TEST_CASE("a target that nobody ever heard of is forgotten with its device") {
    Bench bench({.discover_interval = 0s});
    bench.attach_known();
    CHECK(bench.engine.targets().size() == 1);
    bench.detach();
    CHECK(bench.engine.targets().empty());
    CHECK(bench.take_sent().empty());
    CHECK_FALSE(bench.engine.poll_timeout().has_value());
    CHECK(bench.engine.attach(bench.now, lun, {}).error() == AttachError::no_such_target);
    bench.attach_known(); // and may be told of again
}

TEST_CASE("a confirmed identity outlives a detach") {
    Bench bench;
    bench.attach_known();
    bench.config_answer(target_mac_a);
    bench.serve_all();
    bench.detach();
    CHECK(bench.engine.target(lun)->state == TargetState::ready);
    CHECK(bench.engine.attach(bench.now, lun, {}).has_value());
}

TEST_CASE("what cannot be attached as known says why, and leaves nothing behind") {
    Bench bench({.targets_count_max = 2, .devices_count_max = 2});
    const KnownDisk disk{.identify_data = proto::make_identify(small_disk()), .target_macs = {}};
    const auto error_of = [&](proto::Address address, const KnownDisk& known) {
        const auto device = bench.engine.attach_known(bench.now, address, known, {});
        return device ? std::nullopt : std::optional(device.error());
    };
    CHECK(error_of(lun, {}) == AttachError::bad_identity);
    CHECK(bench.engine.targets().empty());
    bench.attach_known();
    CHECK(error_of(lun, disk) == AttachError::already_attached);
    SUBCASE("no room for the device") {
        CHECK_FALSE(error_of({1, 1}, disk));
        CHECK(error_of({1, 2}, disk) == AttachError::no_room);
        CHECK(bench.engine.targets().size() == 2);
    }
    SUBCASE("no room for the target") {
        std::array<std::byte, 64> bytes;
        auto header = Bench::header(target_mac_a, proto::Command::query_config,
                                    make_tag({.slot = tag_slot_query_config}));
        header.address = {9, 9};
        const std::size_t used =
            proto::write_query_config(bytes, header, {.buffer_count = 16, .string = {}});
        bench.engine.handle_frame(bench.now, {0}, std::span(bytes).first(used));
        CHECK(error_of({1, 1}, disk) == AttachError::no_room);
    }
}
