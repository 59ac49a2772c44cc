// SMART blocks, both ways, and what a disk leaves in its registers.
#include "proto/smart.hpp"

#include <doctest/doctest.h>

#include <array>
#include <vector>

using namespace uaoe::proto;

namespace {

using Block = std::array<std::byte, smart_block_bytes>;

// A block with `bytes` at `offset`, and its checksum made right.
Block with(Block block, std::size_t offset, const std::vector<unsigned>& bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        block[offset + i] = static_cast<std::byte>(bytes[i]);
    }
    unsigned sum = 0;
    for (std::size_t i = 0; i < 511; ++i) {
        sum += std::to_integer<unsigned>(block[i]);
    }
    block[511] = static_cast<std::byte>((256 - sum % 256) % 256);
    return block;
}

SmartData sample() {
    SmartData data;
    data.attributes_count = 2;
    data.attributes[0] = {.id = 5,
                          .flags = 0x0133,
                          .value = 100,
                          .worst = 99,
                          .raw = 0x0605'0403'0201,
                          .threshold = 36};
    data.attributes[1] = {
        .id = 194, .flags = 0x22, .value = 36, .worst = 36, .raw = 34, .threshold = 36};
    data.self_test_status = 0xf3;
    data.can_self_test = true;
    data.short_test_minutes = 2;
    data.extended_test_minutes = 90;
    return data;
}

} // namespace

TEST_CASE("SMART data is read from its literal bytes") {
    Block block = with({}, 0, {0x10, 0x00});
    block = with(block, 2, {5, 0x33, 0x01, 100, 99, 1, 2, 3, 4, 5, 6, 0});
    block = with(block, 26, {194, 0x22, 0x00, 36, 36, 34, 0, 0, 0, 0, 0, 0}); // a gap before it
    block = with(block, 363, {0xf3});
    block = with(block, 367, {0x5b});
    block = with(block, 372, {2, 90});
    const SmartData data = parse_smart_data(block).value();
    REQUIRE(data.attributes_count == 2);
    CHECK(data.attributes[0].id == 5);
    CHECK(data.attributes[0].flags == 0x0133);
    CHECK(data.attributes[0].is_prefailure());
    CHECK(data.attributes[0].value == 100);
    CHECK(data.attributes[0].worst == 99);
    CHECK(data.attributes[0].raw == 0x0605'0403'0201);
    CHECK(data.attributes[0].threshold == 0);
    CHECK(data.attributes[1].id == 194);
    CHECK_FALSE(data.attributes[1].is_prefailure());
    CHECK(self_test_result(data.self_test_status) == self_test_running);
    CHECK(self_test_remaining_percent(data.self_test_status) == 30);
    CHECK(data.can_self_test);
    CHECK(data.short_test_minutes == 2);
    CHECK(data.extended_test_minutes == 90);
    CHECK(data.checksum_is_right);
    block[100] ^= std::byte{1};
    CHECK_FALSE(parse_smart_data(block)->checksum_is_right);
    CHECK(parse_smart_data(with({}, 373, {0xff, 0, 0x37, 0x01}))->extended_test_minutes == 311);
    CHECK_FALSE(parse_smart_data(std::span(block).first(511)).has_value());
}

TEST_CASE("thresholds go to the attribute of their id, wherever they stand") {
    SmartData data = sample();
    data.attributes[0].threshold = 0;
    data.attributes[1].threshold = 0;
    const Block block = with(with({}, 2, {194, 40}), 14, {5, 36});
    CHECK(add_smart_thresholds(data, block));
    CHECK(data.attributes[0].threshold == 36);
    CHECK(data.attributes[1].threshold == 40);
    CHECK_FALSE(data.attributes[0].fails_now());
    CHECK(data.attributes[1].fails_now());
    CHECK_FALSE(add_smart_thresholds(data, std::span(block).first(100)));
}

TEST_CASE("an attribute without a threshold never fails") {
    CHECK_FALSE(SmartAttribute{.id = 9, .value = 0, .worst = 0}.fails_now());
    CHECK(SmartAttribute{.id = 9, .value = 30, .worst = 20, .threshold = 20}.failed_once());
    CHECK_FALSE(SmartAttribute{.id = 9, .value = 30, .worst = 20, .threshold = 20}.fails_now());
    CHECK(SmartAttribute{.id = 9, .value = 20, .worst = 20, .threshold = 20}.fails_now());
}

TEST_CASE("the self-test log is a ring; the newest comes first") {
    Block block = with({}, 0, {1, 0});
    block = with(block, 2 + 20 * 24, {2, 0x73, 0x34, 0x12, 0, 0x78, 0x56, 0x34, 0x12}); // the 21st
    block = with(block, 2, {1, 0x00, 0x35, 0x12});                                      // the first
    block = with(block, 508, {1});
    const SelfTestLog log = parse_self_test_log(block).value();
    REQUIRE(log.entries_count == 2);
    CHECK(log.checksum_is_right);
    CHECK(log.entries[0].test == 1);
    CHECK(log.entries[0].hours == 0x1235);
    CHECK_FALSE(log.entries[0].has_failing_lba());
    CHECK(log.entries[1].test == 2);
    CHECK(log.entries[1].has_failing_lba());
    CHECK(log.entries[1].failing_lba == 0x1234'5678);
    CHECK(parse_self_test_log(with(block, 508, {0}))->entries_count == 0);
    CHECK(parse_self_test_log(with(block, 508, {22}))->entries_count == 0);
    CHECK_FALSE(parse_self_test_log(std::span(block).first(511)).has_value());
}

TEST_CASE("what is made is read back") {
    SmartData data = sample();
    for (const std::uint16_t minutes :
         {std::uint16_t{90}, std::uint16_t{255}, std::uint16_t{700}}) {
        data.extended_test_minutes = minutes;
        SmartData again = parse_smart_data(make_smart_data(data)).value();
        CHECK(add_smart_thresholds(again, make_smart_thresholds(data)));
        CHECK(again.checksum_is_right);
        CHECK(again.extended_test_minutes == minutes);
        CHECK(again.self_test_status == data.self_test_status);
        for (std::size_t i = 0; i < 2; ++i) {
            CHECK(again.attributes[i].raw == data.attributes[i].raw);
            CHECK(again.attributes[i].threshold == data.attributes[i].threshold);
        }
    }
    SelfTestLog log;
    log.entries_count = 2;
    log.entries[0] = {.test = 1, .status = 0x10, .hours = 9, .failing_lba = 3};
    log.entries[1] = {.test = 2, .status = 0x73, .hours = 7, .failing_lba = 4};
    const SelfTestLog again = parse_self_test_log(make_self_test_log(log)).value();
    REQUIRE(again.entries_count == 2);
    CHECK(again.entries[0].hours == 9);
    CHECK(again.entries[1].failing_lba == 4);
}

TEST_CASE("health is what the LBA registers say, and nothing else is") {
    CHECK(smart_lba(6).value == 0xa0c2'4f06);
    CHECK(smart_health({0xa0c2'4f00}) == SmartHealth::passed);
    CHECK(smart_health({0x00c2'4f17}) == SmartHealth::passed);
    CHECK(smart_health({0xa02c'f400}) == SmartHealth::failing);
    CHECK(smart_health({0}) == SmartHealth::unknown);
    CHECK(smart_health({0xa0c2'f400}) == SmartHealth::unknown);
}
