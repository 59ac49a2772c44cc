// Loss: timeouts, back-off, several paths, targets that go and come back.
#include "engine_bench.hpp"

using namespace uaoe;
using namespace uaoe::initiator;
using namespace uaoe::initiator::test;

TEST_CASE("a lost command is sent again with a fresh tag after a tail probe's and its own timeout, "
          "then with doubled patience") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    Io io(bench, Operation::read, 0, 1);
    bench.engine.submit(bench.now, device, io.request);
    const auto first = bench.take_sent();
    const auto after = [&](Duration silence) { // nothing before, one frame then
        bench.advance(silence - 100us);
        CHECK(bench.take_sent().empty());
        bench.advance(200us);
        auto sent = bench.take_sent();
        REQUIRE(sent.size() == 1);
        CHECK(sent[0].ata.lba.value == first[0].ata.lba.value);
        return sent[0];
    };
    const SentFrame second = after(500us);
    CHECK(second.frame.tag != first[0].frame.tag);
    const SentFrame third = after(1ms);
    CHECK(third.frame.tag != second.frame.tag);
    after(20ms);
    bench.serve(after(40ms));
    CHECK(bench.completed_with(io.request, Status::ok));
    CHECK(bench.engine.target(lun)->paths[0].retransmitted == 4);
    CHECK(bench.engine.target(lun)->paths[0].spurious == 0);
}

TEST_CASE("the answer to an earlier copy completes the command and counts as spurious") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    Io io(bench, Operation::read, 0, 1);
    bench.engine.submit(bench.now, device, io.request);
    const auto first = bench.take_sent();
    bench.advance(25ms);
    const auto second = bench.take_sent();
    REQUIRE(second.size() == 1);
    bench.serve(first[0]);
    CHECK(bench.completed_with(io.request, Status::ok));
    CHECK(bench.engine.target(lun)->paths[0].spurious == 1);
    CHECK(bench.engine.target(lun)->paths[0].in_flight == 0);
    bench.serve(second[0]); // of a read: nobody waits for it any more
    bench.drain();
    CHECK(bench.completed.empty());
}

TEST_CASE("the same answer twice is used once") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    Io io(bench, Operation::write, 0, 4);
    bench.engine.submit(bench.now, device, io.request);
    const auto sent = bench.take_sent();
    REQUIRE(sent.size() == 2);
    bench.serve(sent[0]);
    bench.serve(sent[0]);
    bench.drain();
    CHECK(bench.completed.empty());
    bench.serve(sent[1]);
    CHECK(bench.completed_with(io.request, Status::ok));
}

TEST_CASE("answers whose address, source or command do not fit the tag are ignored") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    Io io(bench, Operation::write, 0, 1);
    bench.engine.submit(bench.now, device, io.request);
    const SentFrame sent = bench.take_sent().at(0);
    std::array<std::byte, 64> bytes;
    const auto forge = [&](auto change) {
        auto head = Bench::header(target_mac_a, proto::Command::ata, sent.frame.tag);
        change(head);
        const std::size_t used =
            proto::write_ata(bytes, head, {.command_status = 0x40, .data = {}});
        bench.engine.handle_frame(bench.now, {0}, std::span(bytes).first(used));
    };
    forge([](proto::FrameHeader& head) { head.source = target_mac_b; });
    forge([](proto::FrameHeader& head) { head.address = {1, 1}; });
    forge([](proto::FrameHeader& head) { head.command = proto::Command::reserve_release; });
    CHECK(bench.engine.counters().mismatched == 3);
    forge([](proto::FrameHeader& head) { head.version_flags = 0x10; });
    forge([](proto::FrameHeader& head) { head.tag.value ^= 1U << 27U; });
    CHECK(bench.engine.counters().not_for_us == 2);
    forge([](proto::FrameHeader& head) { head.tag.value ^= 1U; });
    CHECK(bench.engine.counters().unknown_tag == 1);
    bench.engine.handle_frame(bench.now, {0}, std::span(bytes).first(30));
    bench.drain();
    CHECK(bench.completed.empty());
    bench.serve(sent);
    CHECK(bench.completed_with(io.request, Status::ok));
}

TEST_CASE("a path that is silent for three round trips is suspect, and IDENTIFY brings it back") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    Io io(bench, Operation::write, 0, 1, 7);
    bench.engine.submit(bench.now, device, io.request);
    std::deque<SentFrame> sent;
    for (int i = 0; i < 200 && bench.engine.target(lun)->paths[0].state == PathState::up; ++i) {
        bench.take_sent();
        bench.advance(5ms);
    }
    CHECK(bench.engine.target(lun)->paths[0].state == PathState::suspect);
    CHECK(bench.engine.device_status(device).state == DeviceState::silent);
    bench.advance(3s);
    sent = bench.take_sent();
    REQUIRE(sent.size() == 2);
    CHECK(sent[0].frame.command == proto::Command::query_config);
    CHECK(sent[1].is(proto::AtaCommand::identify_device));
    bench.answer_identify(sent[1], bench.identify);
    CHECK(bench.engine.device_status(device).state == DeviceState::up);
    bench.serve_all();
    CHECK(bench.completed_with(io.request, Status::ok));
    CHECK(bench.disk[0] == std::byte{7});
}

TEST_CASE("a target that comes back as another disk gets nothing") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    Io io(bench, Operation::write, 0, 1, 7);
    bench.engine.submit(bench.now, device, io.request);
    bench.take_sent();
    bench.config_answer(target_mac_a, 16, {0}, 2, true); // its boot advertisement
    auto sent = bench.take_sent();
    REQUIRE(sent.size() == 1);
    REQUIRE(sent[0].is(proto::AtaCommand::identify_device));
    auto other = bench.identify;
    other.sectors = {8192};
    bench.answer_identify(sent[0], other);
    for (int i = 0; i < 10; ++i) {
        bench.advance(1s);
        for (const SentFrame& frame : bench.take_sent()) {
            CHECK(frame.is(proto::AtaCommand::identify_device));
        }
    }
    CHECK(bench.engine.target(lun)->paths[0].state == PathState::conflict);
    // The right one returns.
    bench.config_answer(target_mac_a, 16, {0}, 2, true);
    bench.serve_all();
    CHECK(bench.completed_with(io.request, Status::ok));
}

TEST_CASE(
    "fail-after fails what waits, the device stays, and works again when the target is back") {
    Bench bench;
    const DeviceIndex device = bench.attach({.fail_after = 5s});
    Io lost(bench, Operation::write, 0, 64, 1);
    Io queued(bench, Operation::write, 0, 1, 2);
    Io flush(bench, Operation::flush, 0, 0);
    for (Io* io : {&lost, &queued, &flush}) {
        bench.engine.submit(bench.now, device, io->request);
    }
    for (int i = 0; i < 49; ++i) {
        bench.take_sent();
        bench.advance(100ms);
        bench.drain();
        REQUIRE(bench.completed.empty());
    }
    bench.advance(200ms);
    for (Io* io : {&lost, &queued, &flush}) {
        CHECK(bench.completed_with(io->request, Status::timed_out));
    }
    CHECK(bench.engine.device_status(device).state == DeviceState::down);
    Io refused(bench, Operation::read, 0, 1);
    bench.engine.submit(bench.now, device, refused.request);
    CHECK(bench.completed_with(refused.request, Status::timed_out));

    bench.advance(2s);
    bench.serve_all(); // answers the IDENTIFY that asks after it
    CHECK(bench.engine.device_status(device).state == DeviceState::up);
    Io again(bench, Operation::read, 0, 4);
    bench.engine.submit(bench.now, device, again.request);
    bench.serve_all();
    CHECK(bench.completed_with(again.request, Status::ok));
}

TEST_CASE("fail-after 0 waits for ever") {
    Bench bench;
    const DeviceIndex device = bench.attach({.fail_after = 0s});
    Io io(bench, Operation::write, 0, 1, 1);
    bench.engine.submit(bench.now, device, io.request);
    for (int i = 0; i < 1000; ++i) {
        bench.take_sent();
        bench.advance(1s);
    }
    bench.drain();
    CHECK(bench.completed.empty());
    bench.advance(1s);
    bench.serve_all();
    CHECK(bench.completed_with(io.request, Status::ok));
}

TEST_CASE("what a dead path carried goes to the other one") {
    Bench bench({}, 1500, 2);
    const DeviceIndex device = bench.attach();
    bench.config_answer(target_mac_b, 16, {1});
    bench.serve_all();
    Io io(bench, Operation::write, 0, 16, 9);
    bench.engine.submit(bench.now, device, io.request);
    auto sent = bench.take_sent();
    CHECK(sent.size() == 8);
    for (const SentFrame& frame : sent) {
        if (frame.port == PortIndex{1}) {
            bench.serve(frame);
        }
    }
    SUBCASE("at once when the port goes down") {
        bench.set_port(0, false);
        sent = bench.take_sent();
        REQUIRE(sent.size() == 4);
        for (const SentFrame& frame : sent) {
            CHECK(frame.port == PortIndex{1});
            bench.serve(frame);
        }
        CHECK(bench.completed_with(io.request, Status::ok));
        bench.set_port(0, true);
        bench.serve_all();
        CHECK(bench.engine.target(lun)->paths[0].state == PathState::up);
    }
    SUBCASE("after a timeout when it is silent") {
        for (int i = 0; i < 25; ++i) {
            bench.advance(1ms);
            for (const SentFrame& frame : bench.take_sent()) {
                if (frame.port == PortIndex{1}) {
                    bench.serve(frame);
                }
            }
        }
        CHECK(bench.completed_with(io.request, Status::ok));
    }
}

TEST_CASE("a command that was cut for a jumbo path is cut again for a small one") {
    Bench bench({}, 9000, 1);
    const DeviceIndex device = bench.attach({.fail_after = 0s}, 16, 17);
    bench.set_port(1, true, 1500);
    bench.config_answer(target_mac_b, 16, {1}, 2);
    bench.serve_all();
    const auto paths = bench.engine.target(lun)->paths;
    CHECK(paths[0].sectors_per_frame == 17);
    CHECK(paths[1].sectors_per_frame == 2);
    Io io(bench, Operation::write, 7, 17, 3);
    bench.engine.submit(bench.now, device, io.request);
    std::deque<SentFrame> sent = bench.take_sent();
    bench.set_port(0, false);
    bench.serve_all();
    CHECK(bench.completed_with(io.request, Status::ok));
    CHECK(std::ranges::all_of(std::span(bench.disk).subspan(7 * 512, 17 * 512),
                              [](std::byte b) { return b == std::byte{3}; }));
    CHECK(bench.disk[24 * 512] == std::byte{0});
}

TEST_CASE("a lost or slow FLUSH is given as long as fail-after, however late it is by the clock") {
    Bench bench;
    bench.now = Time{100h};
    const DeviceIndex device = bench.attach({.fail_after = 180s});
    Io flush(bench, Operation::flush, 0, 0);
    bench.engine.submit(bench.now, device, flush.request);
    REQUIRE(bench.take_sent().size() == 1); // lost
    for (int i = 0; i < 40; ++i) {
        bench.advance(100ms);
    }
    bench.drain();
    CHECK(bench.completed.empty());
    for (int i = 0; i < 40; ++i) {
        bench.advance(100ms);
        bench.serve_all();
    }
    CHECK(bench.completed_with(flush.request, Status::ok));
}

// Two reads share a window of one frame; the first is given up while its second command is lost.
TEST_CASE("what is given up leaves its room to what waits") {
    Bench bench({.discover_interval = 0s});
    const DeviceIndex device = bench.attach({.fail_after = 0s}, 2);
    Io first(bench, Operation::read, 0, 4);
    Io second(bench, Operation::read, 100, 2);
    bench.engine.submit(bench.now, device, first.request);
    bench.engine.submit(bench.now, device, second.request);
    const auto sent = bench.take_sent();
    REQUIRE(sent.size() == 2);
    for (int i = 0; i < 60; ++i) { // both are lost, the window closes to one
        bench.advance(1ms);
        bench.take_sent();
    }
    REQUIRE(bench.engine.target(lun)->paths[0].cwnd == 1);
    bench.answer(sent[1], proto::ata_status_ready | proto::ata_status_error, 0x40); // UNC, late
    bool done = false;
    for (int i = 0; i < 50 && !done; ++i) {
        for (const SentFrame& frame : bench.take_sent()) {
            // What is left of the first read has no answer, ever.
            if (frame.ata.lba.value != 0 || frame.is(proto::AtaCommand::identify_device)) {
                bench.serve(frame);
            }
        }
        bench.advance(50ms);
        done = bench.completed_with(second.request, Status::ok);
    }
    CHECK(done);
    CHECK(bench.completed_with(first.request, Status::io_error));
}

TEST_CASE("fail-after also ends the wait for a target that only answers IDENTIFY with an error") {
    Bench bench;
    const DeviceIndex device = bench.attach({.fail_after = 5s});
    Io io(bench, Operation::read, 0, 1);
    bench.engine.submit(bench.now, device, io.request);
    Duration took{};
    while (!bench.completed_with(io.request, Status::timed_out) && took < 60s) {
        for (const SentFrame& frame : bench.take_sent()) {
            if (frame.is(proto::AtaCommand::identify_device)) {
                bench.answer_error(frame, proto::AoeError::device_unavailable);
            }
        }
        bench.advance(10ms);
        took += 10ms;
    }
    CHECK(took > 4900ms);
    CHECK(took < 5100ms);
    CHECK(bench.engine.device_status(device).state == DeviceState::down);
}

TEST_CASE("what a target tells another initiator is not taken, whoever sees it") {
    Bench bench({}, 1500, 2);
    const DeviceIndex device = bench.attach();
    Io io(bench, Operation::write, 0, 1);
    bench.engine.submit(bench.now, device, io.request);
    const SentFrame sent = bench.take_sent().at(0);
    std::array<std::byte, 64> bytes;
    auto head = Bench::header(target_mac_a, proto::Command::ata, sent.frame.tag);
    head.destination = {{2, 0, 0, 0, 9, 9}};
    std::size_t used = proto::write_ata(bytes, head, {.command_status = 0x40, .data = {}});
    bench.engine.handle_frame(bench.now, {0}, std::span(bytes).first(used));
    CHECK(bench.engine.counters().not_for_us == 1);
    head.destination = Bench::port_mac({1}); // ours, but not the port that asked
    used = proto::write_ata(bytes, head, {.command_status = 0x40, .data = {}});
    bench.engine.handle_frame(bench.now, {1}, std::span(bytes).first(used));
    CHECK(bench.engine.counters().mismatched == 1);
    bench.drain();
    CHECK(bench.completed.empty());
    bench.serve(sent);
    CHECK(bench.completed_with(io.request, Status::ok));
}

TEST_CASE("a target that is slower than the copies follow each other is understood") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    Io flush(bench, Operation::flush, 0, 0);
    bench.engine.submit(bench.now, device, flush.request);
    const SentFrame first = bench.take_sent().at(0);
    std::size_t copies_count = 1;
    while (copies_count < 20) {
        for (const SentFrame& frame : bench.take_sent()) {
            copies_count += frame.is(proto::AtaCommand::flush_cache_ext) ? 1U : 0U;
            if (frame.is(proto::AtaCommand::identify_device)) {
                bench.serve(frame);
            }
        }
        bench.advance(100ms);
    }
    SentFrame other = first;
    other.frame.tag.value = make_tag({.slot = split_tag(first.frame.tag).slot,
                                      .generation = split_tag(first.frame.tag).generation - 1})
                                .value;
    bench.serve(other); // of an earlier use of the slot
    bench.drain();
    CHECK(bench.completed.empty());
    bench.serve(first);
    CHECK(bench.completed_with(flush.request, Status::ok));
}

TEST_CASE("a target that carries less than it did is understood, though nobody broadcasts") {
    Bench bench({.discover_interval = 0s}, 9000);
    const DeviceIndex device = bench.attach({.fail_after = 0s}, 16, 17);
    bench.sectors_advertised = 2;
    Io io(bench, Operation::write, 0, 16, 5);
    bench.engine.submit(bench.now, device, io.request);
    for (int i = 0; i < 100 && !bench.completed_with(io.request, Status::ok); ++i) {
        for (const SentFrame& frame : bench.take_sent()) {
            if (frame.bytes.size() <= 1514) { // its MTU is 1500 now, and so it answers
                bench.serve(frame);
            }
        }
        bench.advance(50ms);
    }
    CHECK(bench.disk[15 * 512] == std::byte{5});
    CHECK(bench.engine.target(lun)->paths[0].sectors_per_frame == 2);
}

TEST_CASE(
    "an answer that is short for its copy is no data, though the command asks for less since") {
    Bench bench({.discover_interval = 0s}, 9000);
    const DeviceIndex device = bench.attach({.fail_after = 0s}, 16, 17);
    Io io(bench, Operation::read, 0, 16);
    bench.engine.submit(bench.now, device, io.request);
    const SentFrame first = bench.take_sent().at(0);
    REQUIRE(first.ata.sector_count == 16);
    bench.set_port(0, true, 1500);
    bench.advance(50ms);
    const auto again = bench.take_sent();
    REQUIRE(std::ranges::any_of(again, [&](const SentFrame& sent) {
        return split_tag(sent.frame.tag).slot == split_tag(first.frame.tag).slot &&
               sent.ata.sector_count == 2;
    }));
    const std::vector<std::byte> junk(5 * 512UL, std::byte{0xa5});
    bench.answer(first, proto::ata_status_ready, 0, junk);
    for (int i = 0; i < 20; ++i) {
        bench.serve_all();
        bench.advance(50ms);
    }
    CHECK(bench.completed_with(io.request, Status::io_error));
    CHECK(io.buffer[0] != std::byte{0xa5});
}

TEST_CASE("what a target answers that has just started does not end a command: it may be another") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    Io io(bench, Operation::write, 0, 1, 7);
    bench.engine.submit(bench.now, device, io.request);
    const SentFrame sent = bench.take_sent().at(0);
    bench.config_answer(target_mac_a, 16, {0}, 2, true); // its boot advertisement
    bench.answer(sent);                                  // of whatever disk it has now
    bench.drain();
    CHECK(bench.completed.empty());
    bench.serve_all(); // it is the right one, and gets the write again
    CHECK(bench.completed_with(io.request, Status::ok));
    CHECK(bench.disk[0] == std::byte{7});
}
