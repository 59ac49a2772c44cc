// Negotiation, in literal bytes, each conversation in one piece and byte by byte.
#include "blockdev/nbd_handshake.hpp"
#include "nbd_bytes.hpp"

#include <doctest/doctest.h>

#include <cstring>

using namespace uaoe;
using namespace uaoe::test;
using blockdev::NbdExport;
using blockdev::NbdHandshake;
using State = NbdHandshake::State;

namespace {

struct FixedDevice final : initiator::Device {
    initiator::DeviceInfo device_info;
    FixedDevice() {
        device_info.address = {.shelf = 1, .slot = 0};
        device_info.sectors.value = 2048;
        device_info.can_flush = true;
    }
    [[nodiscard]] const initiator::DeviceInfo& info() const override { return device_info; }
    void submit(initiator::Request&) override {}
};

struct Outcome {
    ByteVector output; // without the greeting
    State state = State::negotiating;
    bool structured_replies = false;
    std::size_t unread_bytes = 0;
};

const ByteVector greeting = join({text("NBDMAGIC"), text("IHAVEOPT"), hex("00 03")});

Outcome talk_in_pieces(const NbdExport& nbd_export, const ByteVector& input,
                       std::size_t piece_bytes) {
    NbdHandshake handshake(nbd_export);
    Outcome outcome;
    ByteVector output;
    std::size_t taken = 0;
    const auto send = [&] {
        const auto bytes = handshake.output();
        output.insert(output.end(), bytes.begin(), bytes.end());
        handshake.handle_sent(bytes.size());
    };
    send();
    while (taken < input.size()) {
        const auto room = handshake.input_room();
        if (room.empty()) {
            break;
        }
        const std::size_t bytes = std::min({room.size(), input.size() - taken, piece_bytes});
        std::memcpy(room.data(), input.data() + taken, bytes);
        taken += bytes;
        handshake.handle_input(bytes);
        send();
    }
    REQUIRE(output.size() >= greeting.size());
    CHECK(std::equal(greeting.begin(), greeting.end(), output.begin()));
    outcome.output.assign(output.begin() + static_cast<std::ptrdiff_t>(greeting.size()),
                          output.end());
    outcome.state = handshake.state();
    outcome.structured_replies = handshake.structured_replies();
    outcome.unread_bytes = input.size() - taken;
    return outcome;
}

Outcome talk(const ByteVector& input) {
    FixedDevice device;
    const NbdExport nbd_export(device, "a disk");
    Outcome whole = talk_in_pieces(nbd_export, input, input.size());
    const Outcome bytewise = talk_in_pieces(nbd_export, input, 1);
    CHECK(whole.output == bytewise.output);
    CHECK(whole.state == bytewise.state);
    CHECK(whole.unread_bytes == bytewise.unread_bytes);
    return whole;
}

const ByteVector flags = hex("00 00 00 03");
const ByteVector old_flags = hex("00 00 00 00");
// has_flags, flush, fua, write_zeroes, multi_conn; 1 MiB
const ByteVector info_export = hex("00 00  00 00 00 00 00 10 00 00  01 4d");
const ByteVector info_block_size = hex("00 03  00 00 02 00  00 00 10 00  02 00 00 00");

constexpr std::uint32_t ack = 1;
constexpr std::uint32_t unsupported = 0x80000001;
constexpr std::uint32_t invalid = 0x80000003;
constexpr std::uint32_t unknown = 0x80000006;
constexpr std::uint32_t too_big = 0x80000009;

// The type of the only reply in `output`.
std::uint32_t reply_type(const ByteVector& output) {
    REQUIRE(output.size() >= 20);
    std::uint32_t type = 0;
    for (std::size_t i = 12; i < 16; ++i) {
        type = (type << 8U) | std::to_integer<std::uint32_t>(output[i]);
    }
    return type;
}

} // namespace

TEST_CASE("handshake: GO answers with the export and its block sizes, then transmission") {
    for (const char* name : {"1.0", "e1.0", ""}) {
        const auto outcome = talk(join({flags, option(7, info_request(name, {3}))}));
        CHECK(outcome.state == State::transmission);
        CHECK_FALSE(outcome.structured_replies);
        CHECK(outcome.output == join({option_reply(7, 3, info_export),
                                      option_reply(7, 3, info_block_size), option_reply(7, ack)}));
    }
}

TEST_CASE("handshake: INFO tells name and description when asked and stays in the option phase") {
    const auto outcome = talk(join({flags, option(6, info_request("", {1, 2, 1, 77}))}));
    CHECK(outcome.state == State::negotiating);
    CHECK(outcome.output == join({option_reply(6, 3, info_export),
                                  option_reply(6, 3, join({hex("00 01"), text("1.0")})),
                                  option_reply(6, 3, join({hex("00 02"), text("a disk")})),
                                  option_reply(6, 3, info_block_size), option_reply(6, ack)}));
}

TEST_CASE("handshake: GO to an unknown export is refused and the client may try again") {
    for (const char* name : {"2.0", "e", "e2.0", "ee1.0", "1.0 "}) {
        const auto outcome = talk(join({flags, option(7, info_request(name, {}))}));
        CHECK(outcome.state == State::negotiating);
        CHECK(reply_type(outcome.output) == unknown);
    }
    const auto again =
        talk(join({flags, option(7, info_request("2.0", {})), option(7, info_request("1.0", {}))}));
    CHECK(again.state == State::transmission);
}

TEST_CASE("handshake: structured replies are taken up and offer DF") {
    const auto outcome = talk(join({flags, option(8), option(7, info_request("1.0", {}))}));
    CHECK(outcome.structured_replies);
    CHECK(outcome.output == join({option_reply(8, ack),
                                  option_reply(7, 3, hex("00 00  00 00 00 00 00 10 00 00  01 cd")),
                                  option_reply(7, 3, info_block_size), option_reply(7, ack)}));
    CHECK(reply_type(talk(join({flags, option(8, text("x"))})).output) == invalid);
}

TEST_CASE("handshake: LIST names the export once") {
    const auto outcome = talk(join({flags, option(3)}));
    CHECK(outcome.output == join({option_reply(3, 2, join({hex("00 00 00 03"), text("1.0a disk")})),
                                  option_reply(3, ack)}));
    CHECK(outcome.state == State::negotiating);
    CHECK(reply_type(talk(join({flags, option(3, text("x"))})).output) == invalid);
}

TEST_CASE("handshake: EXPORT_NAME, with and without the zeroes; old clients too") {
    const auto answer = hex("00 00 00 00 00 10 00 00  01 4d");
    const auto modern = talk(join({flags, option(1, text("e1.0"))}));
    CHECK(modern.state == State::transmission);
    CHECK(modern.output == answer);
    const auto old = talk(join({old_flags, option(1)}));
    CHECK(old.state == State::transmission);
    CHECK(old.output == join({answer, ByteVector(124)}));
    const auto unknown_name = talk(join({flags, option(1, text("x"))}));
    CHECK(unknown_name.state == State::closed);
    CHECK(unknown_name.output.empty());
}

TEST_CASE("handshake: nothing of the transmission phase is read") {
    const auto outcome = talk(join({flags, option(1, text("1.0")), ByteVector(28)}));
    CHECK(outcome.unread_bytes == 28);
}

TEST_CASE("handshake: ABORT is acknowledged and ends it") {
    const auto outcome = talk(join({flags, option(2), option(3)}));
    CHECK(outcome.state == State::closed);
    CHECK(outcome.output == option_reply(2, ack));
}

TEST_CASE("handshake: unknown options are refused without losing step") {
    for (const std::size_t bytes : {0UL, 1UL, 8192UL, 8193UL, 70'000UL}) {
        for (const std::uint32_t number : {0U, 5U, 9U, 10U, 11U, 4711U}) {
            const auto outcome = talk(join({flags, option(number, ByteVector(bytes)), option(2)}));
            CHECK(reply_type(outcome.output) == unsupported);
            CHECK(outcome.state == State::closed);
        }
    }
}

TEST_CASE("handshake: known options that are too long are refused") {
    for (const std::uint32_t number : {3U, 6U, 7U, 8U}) {
        const auto outcome = talk(join({flags, option(number, ByteVector(8193)), option(2)}));
        CHECK(reply_type(outcome.output) == too_big);
        CHECK(outcome.state == State::closed);
    }
    CHECK(talk(join({flags, option(1, ByteVector(8193))})).state == State::closed);
    CHECK(talk(join({flags, option(1, ByteVector(4097))})).state == State::closed);
}

TEST_CASE("handshake: lengths inside INFO and GO that do not fit are refused") {
    const std::initializer_list<ByteVector> wrong = {
        {},
        hex("00 00 00"),
        hex("00 00 00 00"),                      // no count
        hex("00 00 00 00 00"),                   // half a count
        hex("00 00 00 04 31 2e 30 00 00"),       // the name swallows the count
        hex("ff ff ff ff 31 2e 30 00 00"),       // far too long a name
        hex("00 00 00 03 31 2e 30 00 01"),       // a request is missing
        hex("00 00 00 03 31 2e 30 00 01 00"),    // half of it
        hex("00 00 00 03 31 2e 30 00 00 00 03"), // one too many
    };
    for (const ByteVector& payload : wrong) {
        for (const std::uint32_t number : {6U, 7U}) {
            const auto outcome = talk(join({flags, option(number, payload)}));
            CHECK(reply_type(outcome.output) == invalid);
            CHECK(outcome.state == State::negotiating);
        }
    }
}

TEST_CASE("handshake: garbage ends it") {
    CHECK(talk(hex("00 00 00 04")).state == State::closed); // unknown flag
    CHECK(talk(hex("80 00 00 03")).state == State::closed); // unknown flag
    CHECK(talk(join({flags, text("GET / HTTP/1.1\r\n\r\n")})).state == State::closed);
    CHECK(talk(join({flags, text("IHAVEOPT"), hex("00 00 00 09 ff ff ff ff")})).state ==
          State::closed);
}

TEST_CASE("export: flags follow the device") {
    FixedDevice device;
    auto& info = device.device_info;
    CHECK(NbdExport(device).transmission_flags(false) == 0x014d);
    info.can_flush = false; // then no FUA either
    CHECK(NbdExport(device).transmission_flags(false) == 0x0141);
    info.can_discard = true;
    info.identify.rotation_rate = 7200;
    CHECK(NbdExport(device).transmission_flags(true) == 0x01f1);
    info.read_only = true;
    info.identify.rotation_rate = 1;
    CHECK(NbdExport(device).transmission_flags(false) == 0x0103);
    info.sector_bytes = 4096;
    info.identify.physical_sector_bytes = 16384;
    CHECK(NbdExport(device).size_bytes() == 2048 * 4096);
    CHECK(NbdExport(device).preferred_bytes() == 16384);
}
