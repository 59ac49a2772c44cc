// Frames of a real target, both ways: parsed into values, and written from values to the same
// bytes.
#include "../target/hex.hpp"
#include "captured_frames.hpp"
#include "proto/frame.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace uaoe;
using namespace uaoe::proto;
using namespace uaoe::proto::test;
using target::test::from_hex;
using target::test::to_hex;

namespace {

constexpr MacAddress our_mac{{2, 0, 0, 0, 0, 1}};
constexpr MacAddress vblade_mac{{2, 0, 0, 0, 0, 2}};
constexpr MacAddress other_mac{{2, 0, 0, 0, 0, 3}};
constexpr Address lun{1, 0};

// The bytes stay as long as the frame that borrows them.
struct Parsed {
    explicit Parsed(std::string_view text) : bytes(from_hex(text)) {
        const auto parsed = parse_frame(bytes);
        REQUIRE(parsed.has_value());
        frame = *parsed;
    }
    std::vector<std::byte> bytes;
    Frame frame;
};

FrameHeader request(Command command, std::uint32_t tag) {
    return {.destination = vblade_mac,
            .source = our_mac,
            .address = lun,
            .command = command,
            .tag = {tag}};
}

FrameHeader reply(Command command, std::uint32_t tag) {
    return {.destination = our_mac,
            .source = vblade_mac,
            .version_flags = 0x18,
            .address = lun,
            .command = command,
            .tag = {tag}};
}

FrameHeader error_reply(Command command, std::uint32_t tag, AoeError error) {
    FrameHeader header = reply(command, tag);
    header.version_flags = 0x1c;
    header.error = error;
    return header;
}

// `write` fills a buffer that is dirty, so that a byte it leaves out shows.
template <class Write>
std::string written(Write write) {
    std::array<std::byte, 2048> out;
    out.fill(std::byte{0xee});
    return to_hex(std::span(out).first(write(Bytes(out))));
}

std::string literal(std::string_view text, std::size_t bytes_max = 2048) {
    const auto bytes = from_hex(text);
    return to_hex(std::span(bytes).first(std::min(bytes.size(), bytes_max)));
}

std::string text_of(ConstBytes bytes) {
    std::string text;
    for (const std::byte value : bytes) {
        text += static_cast<char>(value);
    }
    return text;
}

ConstBytes bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

} // namespace

TEST_CASE("the header of a reply") {
    const Parsed read(captured::config_read_reply);
    CHECK(read.frame.destination == our_mac);
    CHECK(read.frame.source == vblade_mac);
    CHECK(read.frame.version == 1);
    CHECK(read.frame.is_response);
    CHECK_FALSE(read.frame.is_error);
    CHECK(read.frame.error == AoeError::none);
    CHECK(read.frame.address == lun);
    CHECK(read.frame.command == Command::query_config);
    CHECK(read.frame.tag == Tag{0x80000002});
    CHECK(read.frame.argument.size() == 8);
}

TEST_CASE("a broadcast request") {
    const Parsed read(captured::config_read_request);
    CHECK(read.frame.destination == broadcast_mac);
    CHECK_FALSE(read.frame.is_response);
    CHECK(read.frame.address == broadcast_address);
    CHECK(read.frame.address.is_broadcast());
}

TEST_CASE("vblade's boot advertisement, whose version is 0") {
    const Parsed boot(captured::boot_advertisement);
    CHECK(boot.frame.version == 0);
    CHECK(boot.frame.is_response);
    CHECK(boot.frame.tag == Tag{0});
    const auto config = parse_query_config(boot.frame.argument);
    REQUIRE(config);
    CHECK(config->buffer_count == 16);
    CHECK(config->version == 1);
}

TEST_CASE("frames that are no AoE frames") {
    const auto bytes = from_hex(captured::config_read_reply);
    for (std::size_t length = 0; length < 24; ++length) {
        CHECK_FALSE(parse_frame(std::span(bytes).first(length)).has_value());
    }
    CHECK(parse_frame(std::span(bytes).first(24)).has_value());
    auto other = bytes;
    other[13] = std::byte{0xa3};
    CHECK_FALSE(parse_frame(other).has_value());
}

TEST_CASE("the error octet counts only with the error flag") {
    auto bytes = from_hex(captured::config_set_conflict_reply);
    CHECK(parse_frame(bytes)->error == AoeError::config_string_present);
    bytes[14] = std::byte{0x18};
    CHECK(parse_frame(bytes)->error == AoeError::none);
}

TEST_CASE("Query Config replies are parsed") {
    struct Expected {
        const char* text;
        ConfigCommand command;
        const char* string;
        AoeError error = AoeError::none;
    };
    const Expected cases[] = {
        {captured::config_read_reply, ConfigCommand::read, ""},
        {captured::config_test_reply, ConfigCommand::test, ""},
        {captured::config_prefix_reply, ConfigCommand::prefix, "abc"},
        {captured::config_set_reply, ConfigCommand::set, "abc"},
        {captured::config_force_set_reply, ConfigCommand::force_set, "xy"},
        {captured::config_set_conflict_reply, ConfigCommand::set, "abc",
         AoeError::config_string_present},
    };
    for (const Expected& expected : cases) {
        CAPTURE(std::string(expected.text));
        const Parsed read(expected.text);
        CHECK(read.frame.error == expected.error);
        CHECK(read.frame.is_error == (expected.error != AoeError::none));
        const auto config = parse_query_config(read.frame.argument);
        REQUIRE(config);
        CHECK(config->buffer_count == 16);
        CHECK(config->firmware_version == 0x4019);
        CHECK(config->sectors_per_frame == 2);
        CHECK(config->version == 1);
        CHECK(config->command == expected.command);
        CHECK(text_of(config->string) == expected.string);
    }
}

TEST_CASE("Query Config is written") {
    FrameHeader broadcast = request(Command::query_config, 0x80000002);
    broadcast.destination = broadcast_mac;
    broadcast.address = broadcast_address;
    CHECK(written([&](Bytes out) { return write_query_config(out, broadcast, {}); }) ==
          literal(captured::config_read_request));
    struct Expected {
        const char* text;
        std::uint32_t tag;
        ConfigCommand command;
        std::string_view string;
    };
    const Expected requests[] = {
        {captured::config_test_request, 0x80000005, ConfigCommand::test, ""},
        {captured::config_set_request, 0x80000007, ConfigCommand::set, "abc"},
        {captured::config_prefix_request, 0x8000000c, ConfigCommand::prefix, "ab"},
        {captured::config_force_set_request, 0x8000000f, ConfigCommand::force_set, "xy"},
    };
    for (const Expected& expected : requests) {
        CHECK(written([&](Bytes out) {
                  return write_query_config(out, request(Command::query_config, expected.tag),
                                            {.version = 1,
                                             .command = expected.command,
                                             .string = bytes_of(expected.string)});
              }) == literal(expected.text));
    }
    const QueryConfigFields answer{.buffer_count = 16,
                                   .firmware_version = 0x4019,
                                   .sectors_per_frame = 2,
                                   .version = 1,
                                   .command = ConfigCommand::set,
                                   .string = bytes_of("abc")};
    CHECK(written([&](Bytes out) {
              return write_query_config(out, reply(Command::query_config, 0x80000007), answer);
          }) == literal(captured::config_set_reply));
    CHECK(written([&](Bytes out) {
              return write_query_config(
                  out,
                  error_reply(Command::query_config, 0x80000009, AoeError::config_string_present),
                  answer);
          }) == literal(captured::config_set_conflict_reply));
}

TEST_CASE("a config string longer than the frame, or than the protocol allows, is refused") {
    const auto argument = [](std::string_view text) { return from_hex(text); };
    CHECK_FALSE(parse_query_config(argument("0010 4019 02 10 00")).has_value());
    CHECK_FALSE(parse_query_config(argument("0010 4019 02 10 0003 6162")).has_value());
    CHECK_FALSE(parse_query_config(argument("0010 4019 02 10 0401 61*1025")).has_value());
    CHECK(parse_query_config(argument("0010 4019 02 10 0400 61*1024"))->string.size() == 1024);
    // Padding behind the string is no part of it.
    CHECK(parse_query_config(argument("0010 4019 02 10 0001 61 00*27"))->string.size() == 1);
}

TEST_CASE("ATA replies are parsed") {
    struct Expected {
        const char* text;
        std::uint8_t flags;
        std::uint8_t error;
        std::uint8_t status;
        std::uint64_t lba;
        std::size_t data_bytes;
    };
    const Expected cases[] = {
        {captured::identify_reply, 0x00, 0x00, 0x40, 0xa0000000, 512},
        {captured::read_48_reply, 0x40, 0x00, 0x40, 5, 1024},
        {captured::read_28_reply, 0x00, 0x00, 0x40, 0xe000003f, 512},
        {captured::write_48_reply, 0x41, 0x00, 0x40, 10, 24},
        {captured::past_end_reply, 0x40, 0x10, 0x41, 0x010203040506, 0},
        {captured::flush_reply, 0x00, 0x10, 0x00, 0, 24},
    };
    for (const Expected& expected : cases) {
        CAPTURE(std::string(expected.text));
        const Parsed read(expected.text);
        CHECK(read.frame.command == Command::ata);
        const auto ata = parse_ata(read.frame.argument);
        REQUIRE(ata);
        CHECK(ata->flags == expected.flags);
        CHECK(ata->error_feature == expected.error);
        CHECK(ata->command_status == expected.status);
        CHECK(ata->lba == Lba{expected.lba});
        CHECK(ata->data.size() == expected.data_bytes);
    }
    const Parsed read(captured::read_48_reply);
    const ConstBytes data = parse_ata(read.frame.argument)->data;
    CHECK(to_hex(data) == "05*512 06*512");
    CHECK_FALSE(parse_ata(read.frame.argument.first(11)).has_value());
}

TEST_CASE("ATA frames are written") {
    struct Expected {
        const char* text;
        std::uint32_t tag;
        AtaFields fields;
    };
    const auto sector = from_hex("a1*512");
    const Expected requests[] = {
        {captured::identify_request,
         0x80000034,
         {.sector_count = 1, .command_status = 0xec, .lba = {0xa0000000}}},
        {captured::read_48_request,
         0x80000020,
         {.flags = 0x40, .sector_count = 2, .command_status = 0x24, .lba = {5}}},
        {captured::read_28_request,
         0x80000021,
         {.sector_count = 1, .command_status = 0x20, .lba = {0xe000003f}}},
        {captured::write_48_request,
         0x80000028,
         {.flags = 0x41, .sector_count = 1, .command_status = 0x34, .lba = {10}, .data = sector}},
        {captured::past_end_request,
         0x80000025,
         {.flags = 0x40, .sector_count = 1, .command_status = 0x24, .lba = {0x010203040506}}},
        {captured::flush_request, 0x8000002f, {.command_status = 0xe7}},
    };
    for (const Expected& expected : requests) {
        CHECK(written([&](Bytes out) {
                  return write_ata(out, request(Command::ata, expected.tag), expected.fields);
              }) == literal(expected.text));
    }
    const auto read_data = from_hex("05*512 06*512");
    CHECK(written([&](Bytes out) {
              return write_ata(
                  out, reply(Command::ata, 0x80000020),
                  {.flags = 0x40, .command_status = 0x40, .lba = {5}, .data = read_data});
          }) == literal(captured::read_48_reply));
    CHECK(written([&](Bytes out) {
              return write_ata(out, reply(Command::ata, 0x80000025),
                               {.flags = 0x40,
                                .error_feature = 0x10,
                                .sector_count = 1,
                                .command_status = 0x41,
                                .lba = {0x010203040506}});
          }) == literal(captured::past_end_reply));
    CHECK(written([&](Bytes out) {
              return write_ata(out, reply(Command::ata, 0x80000028),
                               {.flags = 0x41, .command_status = 0x40, .lba = {10}});
          }) == literal(captured::write_48_reply, 36));
}

TEST_CASE("a target that is reserved answers others with error 6") {
    const Parsed read(captured::read_while_reserved_reply);
    CHECK(read.frame.destination == other_mac);
    CHECK(read.frame.error == AoeError::target_is_reserved);
    CHECK(read.frame.tag == Tag{0x80000053});
}

TEST_CASE("an error reply may end with the header") {
    const Parsed padded(captured::ggaoed_error_reply);
    CHECK(padded.frame.error == AoeError::unsupported_version);
    CHECK(padded.frame.tag == Tag{0x80000039});
    const auto bare = parse_frame(std::span(padded.bytes).first(24));
    REQUIRE(bare);
    CHECK(bare->error == AoeError::unsupported_version);
    CHECK(bare->argument.empty());
    CHECK_FALSE(parse_ata(bare->argument).has_value());
    CHECK(written([](Bytes out) {
              return pad_frame(out,
                               write_frame_header(out, error_reply(Command::ata, 0x80000039,
                                                                   AoeError::unsupported_version)));
          }) == literal(captured::ggaoed_error_reply));
}

TEST_CASE("an unknown command is error 1") {
    const Parsed read(captured::vendor_reply);
    CHECK(read.frame.error == AoeError::unrecognized_command);
    CHECK(static_cast<int>(read.frame.command) == 0xf0);
}
