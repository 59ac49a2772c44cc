// Requests: splitting, order, errors, flush, discard.
#include "engine_bench.hpp"

using namespace uaoe;
using namespace uaoe::initiator;
using namespace uaoe::initiator::test;

TEST_CASE(
    "a write goes out as frames of what the path carries, payload borrowed from the request") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    Io io(bench, Operation::write, 100, 5, 0x5a);
    bench.engine.submit(bench.now, device, io.request);
    const auto sent = bench.take_sent();
    REQUIRE(sent.size() == 3);
    CHECK(sent[0].is(proto::AtaCommand::write_sectors_ext));
    CHECK(sent[0].ata.lba.value == 100);
    CHECK(sent[0].ata.sector_count == 2);
    CHECK(sent[0].bytes.size() == 36 + 1024);
    CHECK(sent[0].ata.flags == (proto::ata_flag_extended | proto::ata_flag_write));
    CHECK(sent[2].ata.lba.value == 104);
    CHECK(sent[2].ata.sector_count == 1);
    for (const SentFrame& frame : sent) {
        CHECK_FALSE(bench.completed_with(io.request, Status::ok));
        bench.serve(frame);
    }
    CHECK(bench.completed_with(io.request, Status::ok));
    CHECK(bench.disk[100 * 512] == std::byte{0x5a});
    CHECK(bench.disk[105 * 512 - 1] == std::byte{0x5a});
    CHECK(bench.disk[105 * 512] == std::byte{0});
}

TEST_CASE("answers in any order put read data where it belongs") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    for (std::size_t i = 0; i < bench.disk.size(); ++i) {
        bench.disk[i] = static_cast<std::byte>(i / 512);
    }
    Io io(bench, Operation::read, 10, 7);
    bench.engine.submit(bench.now, device, io.request);
    auto sent = bench.take_sent();
    while (!sent.empty()) {
        bench.serve(sent.back());
        sent.pop_back();
    }
    CHECK(bench.completed_with(io.request, Status::ok));
    for (std::size_t i = 0; i < 7 * 512; ++i) {
        REQUIRE(io.buffer[i] == static_cast<std::byte>(10 + i / 512));
    }
}

TEST_CASE("a 28-bit disk gets 28-bit commands") {
    Bench bench;
    bench.identify.lba48 = false;
    bench.identify.flush_cache_ext = false;
    const DeviceIndex device = bench.attach();
    Io io(bench, Operation::read, 0x123, 1);
    bench.engine.submit(bench.now, device, io.request);
    const auto sent = bench.take_sent();
    CHECK(sent[0].is(proto::AtaCommand::read_sectors));
    CHECK(sent[0].ata.flags == 0);
    CHECK(sent[0].ata.lba.value == 0xe0000123);
    bench.answer(sent[0], 0x40, 0, std::vector<std::byte>(512));
    CHECK(bench.completed_with(io.request, Status::ok));
    Io flush(bench, Operation::flush, 0, 0);
    bench.engine.submit(bench.now, device, flush.request);
    CHECK(bench.take_sent()[0].is(proto::AtaCommand::flush_cache));
}

TEST_CASE("requests that cannot be right come back at once and send nothing") {
    Bench bench;
    const DeviceIndex device = bench.attach({.fail_after = 0s, .read_only = true});
    Io past(bench, Operation::read, 4095, 2);
    Io far_past(bench, Operation::read, ~0ULL, 1);
    Io nothing(bench, Operation::read, 0, 0);
    Io write(bench, Operation::write, 0, 1);
    Io short_buffer(bench, Operation::read, 0, 2);
    short_buffer.request.buffer = std::span(short_buffer.buffer).first(512);
    for (Io* io : {&past, &far_past, &nothing, &write, &short_buffer}) {
        bench.engine.submit(bench.now, device, io->request);
    }
    CHECK(bench.completed_with(past.request, Status::out_of_range));
    CHECK(bench.completed_with(far_past.request, Status::out_of_range));
    CHECK(bench.completed_with(nothing.request, Status::invalid));
    CHECK(bench.completed_with(write.request, Status::read_only));
    CHECK(bench.completed_with(short_buffer.request, Status::invalid));
    CHECK(bench.take_sent().empty());
}

TEST_CASE("errors of the target fail the request at once with their status") {
    struct Case {
        Operation operation;
        std::uint8_t status;
        std::uint8_t error;
        Status expected;
    };
    using namespace proto;
    for (const Case& c : {Case{Operation::read, 0x41, ata_error_id_not_found, Status::out_of_range},
                          Case{Operation::read, 0x41, ata_error_uncorrectable, Status::io_error},
                          Case{Operation::read, 0x41, ata_error_abort, Status::io_error},
                          Case{Operation::write, 0x41, ata_error_abort, Status::read_only},
                          Case{Operation::write, 0x61, 0, Status::io_error},
                          Case{Operation::write, 0x61, ata_error_abort, Status::io_error},
                          Case{Operation::flush, 0x61, ata_error_abort, Status::io_error},
                          Case{Operation::write, 0x20, 0, Status::io_error},
                          Case{Operation::write, 0x80, 0, Status::io_error},
                          Case{Operation::flush, 0x41, ata_error_abort, Status::unsupported},
                          Case{Operation::flush, 0xe7, 0, Status::unsupported},
                          Case{Operation::flush, 0xea, 0, Status::unsupported},
                          Case{Operation::read, 0x40, 0, Status::io_error}}) { // no data
        Bench bench;
        const DeviceIndex device = bench.attach();
        Io io(bench, c.operation, 0, c.operation == Operation::flush ? 0 : 1);
        bench.engine.submit(bench.now, device, io.request);
        bench.answer(bench.take_sent().at(0), c.status, c.error);
        CHECK(bench.completed_with(io.request, c.expected));
        CHECK(bench.take_sent().empty());
    }
}

TEST_CASE("AoE errors fail the request at once") {
    for (const auto& [error, expected] :
         {std::pair{proto::AoeError::target_is_reserved, Status::reserved},
          std::pair{proto::AoeError::device_unavailable, Status::unavailable},
          std::pair{proto::AoeError::bad_argument, Status::io_error},
          std::pair{proto::AoeError::unrecognized_command, Status::unsupported}}) {
        Bench bench;
        const DeviceIndex device = bench.attach();
        Io io(bench, Operation::write, 0, 1);
        bench.engine.submit(bench.now, device, io.request);
        bench.answer_error(bench.take_sent().at(0), error);
        CHECK(bench.completed_with(io.request, expected));
    }
}

TEST_CASE("after one command failed the rest of the request is not sent, and it ends once") {
    Bench bench;
    const DeviceIndex device = bench.attach({.fail_after = 0s}, 4);
    Io io(bench, Operation::write, 0, 64);
    bench.engine.submit(bench.now, device, io.request);
    const auto sent = bench.take_sent();
    REQUIRE(sent.size() == 4);
    bench.answer(sent[1], 0x41, proto::ata_error_id_not_found);
    CHECK(bench.take_sent().empty());
    bench.answer(sent[0]);
    bench.answer(sent[2]);
    bench.drain();
    CHECK(bench.completed.empty());
    bench.answer(sent[3]);
    CHECK(bench.completed_with(io.request, Status::out_of_range));
    CHECK(bench.completed.empty());
}

TEST_CASE("a flush waits for every earlier write and for no later one") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    Io before(bench, Operation::write, 0, 1);
    Io flush(bench, Operation::flush, 0, 0);
    Io after(bench, Operation::write, 8, 1);
    for (Io* io : {&before, &flush, &after}) {
        bench.engine.submit(bench.now, device, io->request);
    }
    const auto writes = bench.take_sent();
    REQUIRE(writes.size() == 2);
    bench.serve(writes[0]);
    const auto flushes = bench.take_sent();
    REQUIRE(flushes.size() == 1);
    CHECK(flushes[0].is(proto::AtaCommand::flush_cache_ext));
    bench.answer(flushes[0]);
    CHECK(bench.completed_with(flush.request, Status::ok));
    CHECK_FALSE(bench.completed_with(after.request, Status::ok));
    bench.serve(writes[1]);
    CHECK(bench.completed_with(after.request, Status::ok));
}

TEST_CASE("a write with FUA completes only after a flush that was sent after it") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    Io write(bench, Operation::write, 0, 2);
    write.request.fua = true;
    bench.engine.submit(bench.now, device, write.request);
    bench.serve(bench.take_sent().at(0));
    CHECK_FALSE(bench.completed_with(write.request, Status::ok));
    const auto flush = bench.take_sent();
    REQUIRE(flush.size() == 1);
    CHECK(flush[0].is(proto::AtaCommand::flush_cache_ext));
    bench.answer(flush[0]);
    CHECK(bench.completed_with(write.request, Status::ok));
}

TEST_CASE("a flush that is asked for while one is under way needs another one") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    Io first(bench, Operation::flush, 0, 0);
    Io second(bench, Operation::flush, 0, 0);
    Io third(bench, Operation::flush, 0, 0);
    bench.engine.submit(bench.now, device, first.request);
    auto sent = bench.take_sent();
    REQUIRE(sent.size() == 1);
    bench.engine.submit(bench.now, device, second.request);
    bench.engine.submit(bench.now, device, third.request);
    CHECK(bench.take_sent().empty());
    bench.answer(sent[0]);
    CHECK(bench.completed_with(first.request, Status::ok));
    sent = bench.take_sent();
    REQUIRE(sent.size() == 1); // one for both
    bench.answer(sent[0]);
    CHECK(bench.completed_with(second.request, Status::ok));
    CHECK(bench.completed_with(third.request, Status::ok));
}

TEST_CASE("write zeroes writes zeroes") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    std::ranges::fill(bench.disk, std::byte{0xff});
    Io io(bench, Operation::write_zeroes, 3, 301);
    bench.engine.submit(bench.now, device, io.request);
    bench.serve_all();
    CHECK(bench.completed_with(io.request, Status::ok));
    CHECK(bench.disk[3 * 512 - 1] == std::byte{0xff});
    CHECK(std::ranges::all_of(std::span(bench.disk).subspan(3 * 512, 301 * 512),
                              [](std::byte b) { return b == std::byte{0}; }));
    CHECK(bench.disk[304 * 512] == std::byte{0xff});
}

TEST_CASE("discard is DATA SET MANAGEMENT with TRIM, its ranges little-endian") {
    Bench bench;
    bench.identify.sectors = {1ULL << 30U};
    const DeviceIndex device = bench.attach();
    Io io(bench, Operation::discard, 0x10203040, 70000);
    bench.engine.submit(bench.now, device, io.request);
    const auto sent = bench.take_sent();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].is(proto::AtaCommand::data_set_management));
    CHECK(sent[0].ata.error_feature == proto::dsm_feature_trim);
    CHECK(sent[0].ata.sector_count == 1);
    REQUIRE(sent[0].ata.data.size() == 512);
    const auto expected = [](std::initializer_list<unsigned> octets) {
        std::vector<std::byte> bytes;
        for (const unsigned octet : octets) {
            bytes.push_back(static_cast<std::byte>(octet));
        }
        return bytes;
    };
    CHECK(std::ranges::equal(sent[0].ata.data.first(16),
                             expected({0x40, 0x30, 0x20, 0x10, 0, 0, 0xff, 0xff, 0x3f, 0x30, 0x21,
                                       0x10, 0, 0, 0x71, 0x11})));
    bench.answer(sent[0]);
    CHECK(bench.completed_with(io.request, Status::ok));
}

TEST_CASE("a discard longer than one block of ranges is several commands") {
    Bench bench;
    bench.identify.sectors = {1ULL << 32U};
    const DeviceIndex device = bench.attach();
    Io io(bench, Operation::discard, 0, 3 * 64 * 65535ULL + 1);
    bench.engine.submit(bench.now, device, io.request);
    const auto sent = bench.take_sent();
    CHECK(sent.size() == 4);
    for (const SentFrame& frame : sent) {
        bench.answer(frame);
    }
    CHECK(bench.completed_with(io.request, Status::ok));
}

TEST_CASE("detach gives every request back as cancelled") {
    Bench bench;
    const DeviceIndex device = bench.attach({.fail_after = 0s}, 2);
    Io sent_write(bench, Operation::write, 0, 64);
    Io overlapping(bench, Operation::write, 3, 1);
    Io flush(bench, Operation::flush, 0, 0);
    Io read(bench, Operation::read, 100, 64);
    for (Io* io : {&sent_write, &overlapping, &flush, &read}) {
        bench.engine.submit(bench.now, device, io->request);
    }
    const auto sent = bench.take_sent();
    bench.detach();
    for (Io* io : {&sent_write, &overlapping, &flush, &read}) {
        CHECK(bench.completed_with(io->request, Status::cancelled));
    }
    for (const SentFrame& frame : sent) {
        bench.serve(frame); // too late, and harmless
    }
    CHECK(bench.take_sent().empty());
    CHECK(bench.engine.attach(bench.now, lun, {}).has_value());
}

TEST_CASE("one LUN is attached once") {
    Bench bench;
    bench.attach();
    CHECK(bench.engine.attach(bench.now, lun, {}).error() == AttachError::already_attached);
    CHECK(bench.engine.attach(bench.now, {9, 9}, {}).error() == AttachError::no_such_target);
}

TEST_CASE("a flush that waited for a path is not out of time before it was asked for that long") {
    Bench bench;
    const DeviceIndex device = bench.attach({.fail_after = 3s});
    bench.set_port(0, false);
    Io flush(bench, Operation::flush, 0, 0);
    Io read(bench, Operation::read, 0, 1);
    bench.engine.submit(bench.now, device, flush.request);
    bench.engine.submit(bench.now, device, read.request);
    CHECK(bench.take_sent().empty());
    bench.advance(2900ms);
    bench.set_port(0, true);
    Duration took{};
    while (took < 2s) { // everything but the flush is answered
        for (auto sent = bench.take_sent(); !sent.empty(); sent = bench.take_sent()) {
            for (const SentFrame& frame : sent) {
                if (!frame.is(proto::AtaCommand::flush_cache_ext)) {
                    bench.serve(frame);
                }
            }
        }
        bench.advance(50ms);
        took += 50ms;
    }
    CHECK(bench.completed_with(read.request, Status::ok));
    CHECK_FALSE(bench.completed_with(flush.request, Status::timed_out));
    bench.serve_all();
    bench.advance(500ms);
    bench.serve_all();
    CHECK(bench.completed_with(flush.request, Status::ok));
}
