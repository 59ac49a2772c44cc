// The two commands that carry lists, MAC mask and Reserve/Release, both ways; and padding.
#include "../target/hex.hpp"
#include "captured_frames.hpp"
#include "proto/frame.hpp"

#include <doctest/doctest.h>

#include <array>
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
constexpr MacAddress fifth_mac{{2, 0, 0, 0, 0, 5}};

FrameHeader header(bool is_reply, Command command, std::uint32_t tag) {
    return {.destination = is_reply ? our_mac : vblade_mac,
            .source = is_reply ? vblade_mac : our_mac,
            .version_flags = static_cast<std::uint8_t>(is_reply ? 0x18 : 0x10),
            .address = {1, 0},
            .command = command,
            .tag = {tag}};
}

template <class Write>
std::string written(Write write) {
    std::array<std::byte, 4096> out;
    out.fill(std::byte{0xee});
    return to_hex(std::span(out).first(write(Bytes(out))));
}

std::string literal(std::string_view text) {
    return to_hex(from_hex(text));
}

std::vector<std::byte> argument_of(std::string_view text) {
    const auto bytes = from_hex(text);
    return {bytes.begin() + 24, bytes.end()};
}

MacMaskEntry entry(MaskDirective directive, const MacAddress& mac) {
    return {.reserved = 0, .directive = static_cast<std::uint8_t>(directive), .mac = mac};
}

} // namespace

TEST_CASE("MAC mask list frames are parsed") {
    const auto empty = argument_of(captured::mask_read_reply);
    const auto none = parse_mac_mask(empty);
    REQUIRE(none);
    CHECK(none->command == MaskCommand::read);
    CHECK(none->error == MaskError::none);
    CHECK(none->directive_count == 0);
    CHECK(none->directives.empty());

    const auto edited = argument_of(captured::mask_edit_reply);
    const auto two = parse_mac_mask(edited);
    REQUIRE(two);
    CHECK(two->command == MaskCommand::edit);
    CHECK(two->directive_count == 2);
    CHECK(mac_mask_entry(*two, 0).mac == our_mac);
    CHECK(mac_mask_entry(*two, 0).directive == 0);
    CHECK(mac_mask_entry(*two, 1).mac == fifth_mac);

    const auto asked = argument_of(captured::mask_edit_request);
    CHECK(mac_mask_entry(*parse_mac_mask(asked), 1).directive ==
          static_cast<std::uint8_t>(MaskDirective::add));

    const auto refused = argument_of(captured::mask_bad_directive_reply);
    const auto bad = parse_mac_mask(refused);
    REQUIRE(bad);
    CHECK(bad->error == MaskError::bad_directive);
    CHECK(bad->directive_count == 0);
}

TEST_CASE("a MAC mask list holds only directives that are really there") {
    CHECK_FALSE(parse_mac_mask(from_hex("00 01 00")).has_value());
    const auto said_two = from_hex("00 01 00 02 0001020000000001 00010200000000");
    const auto fields = parse_mac_mask(said_two);
    REQUIRE(fields);
    CHECK(fields->directive_count == 2);
    CHECK(fields->directives.size() == 8);
    // Padding is no directive.
    const auto padded = from_hex("00 00 00 01 0000020000000001 00*20");
    CHECK(parse_mac_mask(padded)->directives.size() == 8);
}

TEST_CASE("MAC mask list frames are written") {
    CHECK(written([](Bytes out) {
              return write_mac_mask(out, header(false, Command::mac_mask_list, 0x80000040),
                                    MaskCommand::read, MaskError::none, {});
          }) == literal(captured::mask_read_request));
    const std::array add{entry(MaskDirective::add, our_mac), entry(MaskDirective::add, fifth_mac)};
    CHECK(written([&](Bytes out) {
              return write_mac_mask(out, header(false, Command::mac_mask_list, 0x80000042),
                                    MaskCommand::edit, MaskError::none, add);
          }) == literal(captured::mask_edit_request));
    const std::array list{entry(MaskDirective::none, our_mac),
                          entry(MaskDirective::none, fifth_mac)};
    CHECK(written([&](Bytes out) {
              return write_mac_mask(out, header(true, Command::mac_mask_list, 0x80000042),
                                    MaskCommand::edit, MaskError::none, list);
          }) == literal(captured::mask_edit_reply));
    CHECK(written([](Bytes out) {
              return write_mac_mask(out, header(true, Command::mac_mask_list, 0x80000041),
                                    MaskCommand::edit, MaskError::bad_directive, {});
          }) == literal(captured::mask_bad_directive_reply));
}

TEST_CASE("the longest lists fit") {
    const std::vector<MacMaskEntry> directives(255, entry(MaskDirective::remove, fifth_mac));
    std::array<std::byte, 4096> out;
    const std::size_t used = write_mac_mask(out, header(false, Command::mac_mask_list, 1),
                                            MaskCommand::edit, MaskError::none, directives);
    CHECK(used == 28 + 255 * 8);
    const auto fields = parse_mac_mask(std::span(out).first(used).subspan(24));
    CHECK(fields->directives.size() == 255 * 8);
    CHECK(mac_mask_entry(*fields, 254).mac == fifth_mac);
}

TEST_CASE("Reserve/Release frames are parsed") {
    const auto holders = argument_of(captured::reserve_read_reply);
    const auto two = parse_reserve(holders);
    REQUIRE(two);
    CHECK(two->command == ReserveCommand::read);
    CHECK(two->mac_count == 2);
    CHECK(reserve_mac(*two, 0) == our_mac);
    CHECK(reserve_mac(*two, 1) == fifth_mac);

    const auto frame_bytes = from_hex(captured::reserve_refused_reply);
    const auto refused = parse_frame(frame_bytes);
    REQUIRE(refused);
    CHECK(refused->error == AoeError::target_is_reserved);
    CHECK(refused->destination == other_mac);
    CHECK(parse_reserve(refused->argument)->mac_count == 2);

    CHECK_FALSE(parse_reserve(from_hex("00")).has_value());
    const auto short_list = from_hex("01 03 020000000001 0200000000");
    CHECK(parse_reserve(short_list)->mac_count == 3);
    CHECK(parse_reserve(short_list)->macs.size() == 6);
}

TEST_CASE("Reserve/Release frames are written") {
    CHECK(written([](Bytes out) {
              return write_reserve(out, header(false, Command::reserve_release, 0x80000050),
                                   ReserveCommand::read, {});
          }) == literal(captured::reserve_read_request));
    const std::array macs{our_mac, fifth_mac};
    CHECK(written([&](Bytes out) {
              return write_reserve(out, header(false, Command::reserve_release, 0x80000051),
                                   ReserveCommand::set, macs);
          }) == literal(captured::reserve_set_request));
    CHECK(written([&](Bytes out) {
              return write_reserve(out, header(true, Command::reserve_release, 0x80000051),
                                   ReserveCommand::set, macs);
          }) == literal(captured::reserve_set_reply));
}

TEST_CASE("short frames are padded to 60 bytes with zeroes, others are left alone") {
    std::array<std::byte, 64> out;
    out.fill(std::byte{0xee});
    CHECK(pad_frame(out, 26) == 60);
    CHECK(to_hex(std::span(out).subspan(24)) == "eeee 00*34 eeeeeeee");
    CHECK(pad_frame(out, 60) == 60);
    CHECK(pad_frame(out, 64) == 64);
    CHECK(out[63] == std::byte{0xee});
}

TEST_CASE("what a frame of an MTU carries") {
    CHECK(sectors_per_frame_of_mtu(1500, 512) == 2);
    CHECK(sectors_per_frame_of_mtu(4132, 512) == 8);
    CHECK(sectors_per_frame_of_mtu(4131, 512) == 7);
    CHECK(sectors_per_frame_of_mtu(9000, 512) == 17);
    CHECK(sectors_per_frame_of_mtu(9216, 512) == 17);
    CHECK(sectors_per_frame_of_mtu(9000, 4096) == 2);
    CHECK(sectors_per_frame_of_mtu(1500, 4096) == 0);
    CHECK(sectors_per_frame_of_mtu(547, 512) == 0);
    CHECK(sectors_per_frame_of_mtu(548, 512) == 1);
    CHECK(sectors_per_frame_of_mtu(0, 512) == 0);
    CHECK(sectors_per_frame_of_mtu(1'000'000, 512) == 255);
}
