// IDENTIFY data: a real target's block word by word, round trips of every field, and blocks that
// contradict themselves.
#include "../target/hex.hpp"
#include "captured_frames.hpp"
#include "proto/identify.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>

using namespace uaoe;
using namespace uaoe::proto;
using namespace uaoe::proto::test;
using target::test::from_hex;

namespace {

using Block = std::array<std::byte, identify_bytes>;

template <std::size_t Size>
FixedText<Size> fixed(std::string_view text) {
    FixedText<Size> result;
    std::ranges::copy(text, result.characters.begin());
    result.length = static_cast<std::uint8_t>(text.size());
    return result;
}

Identify plain_disk() {
    Identify disk;
    disk.serial = fixed<20>("WD-1234");
    disk.firmware = fixed<8>("01.01A01");
    disk.model = fixed<40>("A disk of forty characters, all of them.");
    disk.sectors = {3'907'029'168};
    disk.lba48 = true;
    return disk;
}

void set_word(Block& block, std::size_t index, unsigned value) {
    block[index * 2] = static_cast<std::byte>(value & 0xffU);
    block[index * 2 + 1] = static_cast<std::byte>(value >> 8U);
}

unsigned word(const Block& block, std::size_t index) {
    return std::to_integer<unsigned>(block[index * 2]) |
           (std::to_integer<unsigned>(block[index * 2 + 1]) << 8U);
}

bool is_refused(const std::function<void(Block&)>& spoil) {
    Block block = make_identify(plain_disk());
    spoil(block);
    return !parse_identify(block).has_value();
}

} // namespace

TEST_CASE("vblade's IDENTIFY block") {
    const auto bytes = from_hex(captured::identify_reply);
    const auto disk = parse_identify(std::span(bytes).subspan(36));
    REQUIRE(disk);
    CHECK(disk->serial.view() == "1.0:vm");
    CHECK(disk->firmware.view() == "V25");
    CHECK(disk->model.view() == "Coraid EtherDrive vblade");
    CHECK(disk->sectors == SectorCount{64});
    CHECK(disk->lba48);
    CHECK(disk->flush_cache);
    CHECK_FALSE(disk->flush_cache_ext);
    CHECK_FALSE(disk->write_cache_supported);
    CHECK_FALSE(disk->write_cache_enabled);
    CHECK_FALSE(disk->trim);
    CHECK_FALSE(disk->smart_supported);
    CHECK(disk->logical_sector_bytes == 512);
    CHECK(disk->physical_sector_bytes == 512);
    CHECK(disk->rotation_rate == 0);
}

TEST_CASE("every field survives a round trip") {
    const std::pair<std::string, std::function<void(Identify&)>> variants[] = {
        {"as it is", [](Identify&) {}},
        {"LBA28",
         [](Identify& disk) {
             disk.lba48 = false;
             disk.sectors = {268'435'455};
         }},
        {"LBA28, the largest",
         [](Identify& disk) {
             disk.lba48 = false;
             disk.sectors = {1ULL << 28U};
         }},
        {"LBA48, the largest", [](Identify& disk) { disk.sectors = {1ULL << 48U}; }},
        {"LBA48, one sector", [](Identify& disk) { disk.sectors = {1}; }},
        {"512e", [](Identify& disk) { disk.physical_sector_bytes = 4096; }},
        {"512e, not aligned",
         [](Identify& disk) {
             disk.physical_sector_bytes = 4096;
             disk.alignment_sectors = 7;
         }},
        {"4Kn",
         [](Identify& disk) {
             disk.logical_sector_bytes = 4096;
             disk.physical_sector_bytes = 4096;
         }},
        {"2048-byte sectors, 16 KiB physical",
         [](Identify& disk) {
             disk.logical_sector_bytes = 2048;
             disk.physical_sector_bytes = 16384;
         }},
        {"write cache off", [](Identify& disk) { disk.write_cache_supported = true; }},
        {"write cache on",
         [](Identify& disk) {
             disk.write_cache_supported = true;
             disk.write_cache_enabled = true;
         }},
        {"FLUSH", [](Identify& disk) { disk.flush_cache = true; }},
        {"FLUSH EXT", [](Identify& disk) { disk.flush_cache_ext = true; }},
        {"TRIM",
         [](Identify& disk) {
             disk.trim = true;
             disk.trim_blocks_max = 8;
         }},
        {"TRIM that reads zeroes",
         [](Identify& disk) {
             disk.trim = true;
             disk.trim_reads_zeroes = true;
         }},
        {"SMART off", [](Identify& disk) { disk.smart_supported = true; }},
        {"SMART on",
         [](Identify& disk) {
             disk.smart_supported = true;
             disk.smart_enabled = true;
         }},
        {"7200 rpm", [](Identify& disk) { disk.rotation_rate = 7200; }},
        {"SSD", [](Identify& disk) { disk.rotation_rate = 1; }},
        {"no strings",
         [](Identify& disk) {
             disk.serial = {};
             disk.firmware = {};
             disk.model = {};
         }},
    };
    for (const auto& [what, change] : variants) {
        CAPTURE(what);
        Identify disk = plain_disk();
        change(disk);
        const auto read = parse_identify(make_identify(disk));
        REQUIRE(read);
        CHECK(*read == disk);
    }
}

TEST_CASE("the words are where ACS-3 puts them") {
    Identify disk = plain_disk();
    disk.sectors = {0x0000'1234'5678'9abc};
    disk.logical_sector_bytes = 4096;
    disk.physical_sector_bytes = 8192;
    disk.alignment_sectors = 1;
    disk.flush_cache = disk.flush_cache_ext = true;
    disk.write_cache_supported = disk.write_cache_enabled = true;
    disk.smart_supported = disk.smart_enabled = true;
    disk.trim = disk.trim_reads_zeroes = true;
    disk.trim_blocks_max = 8;
    disk.rotation_rate = 1;
    const Block block = make_identify(disk);
    CHECK(std::to_integer<char>(block[20]) == 'D'); // word 10: the first character is the high byte
    CHECK(std::to_integer<char>(block[21]) == 'W');
    CHECK(word(block, 49) == 0x0200);
    CHECK(word(block, 60) == 0xffff); // LBA28 reaches no further than 0x0fffffff
    CHECK(word(block, 61) == 0x0fff);
    CHECK(word(block, 69) == 0x4020);
    CHECK(word(block, 82) == 0x0021);
    CHECK(word(block, 83) == 0x7400);
    CHECK(word(block, 85) == 0x0021);
    CHECK(word(block, 86) == 0x3400);
    CHECK(word(block, 100) == 0x9abc);
    CHECK(word(block, 101) == 0x5678);
    CHECK(word(block, 102) == 0x1234);
    CHECK(word(block, 103) == 0);
    CHECK(word(block, 105) == 8);
    CHECK(word(block, 106) == 0x7001);
    CHECK(word(block, 117) == 2048);
    CHECK(word(block, 118) == 0);
    CHECK(word(block, 169) == 1);
    CHECK(word(block, 209) == 0x4001);
    CHECK(word(block, 217) == 1);
}

TEST_CASE("blocks that cannot be addressed safely are refused") {
    CHECK_FALSE(is_refused([](Block&) {}));
    CHECK(is_refused([](Block& block) { block.fill(std::byte{0}); }));
    CHECK(is_refused([](Block& block) { block.fill(std::byte{0xff}); }));
    CHECK(is_refused([](Block& block) { // LBA48 without sectors
        for (std::size_t index = 100; index < 104; ++index) {
            set_word(block, index, 0);
        }
    }));
    CHECK(is_refused([](Block& block) { set_word(block, 103, 2); })); // beyond 48 bits
    CHECK(is_refused([](Block& block) {                               // LBA28 beyond 28 bits
        set_word(block, 83, 0x4000);
        set_word(block, 86, 0);
        set_word(block, 61, 0x1001);
    }));
    for (const unsigned sector_words : {0U, 1U, 128U, 255U, 257U, 260U, 384U, 2047U, 4096U}) {
        CAPTURE(sector_words);
        CHECK(is_refused([&](Block& block) {
            set_word(block, 106, 0x5000);
            set_word(block, 117, sector_words);
        }));
    }
    CHECK(is_refused([](Block& block) { // 256 + 65536 words
        set_word(block, 106, 0x5000);
        set_word(block, 117, 256);
        set_word(block, 118, 1);
    }));
    const Block block = make_identify(plain_disk());
    CHECK_FALSE(parse_identify(std::span(block).first(511)).has_value());
}

TEST_CASE("words that say they are not valid are not believed") {
    Block block = make_identify(plain_disk());
    set_word(block, 106, 0xf003); // bit 15 set
    set_word(block, 209, 0x8001);
    const auto disk = parse_identify(block);
    REQUIRE(disk);
    CHECK(disk->logical_sector_bytes == 512);
    CHECK(disk->physical_sector_bytes == 512);
    CHECK(disk->alignment_sectors == 0);

    // Word 83 without its mark: no feature is taken from words 82 to 86, only the size of the
    // address, as the kernel's driver takes it.
    set_word(block, 82, 0x0021);
    set_word(block, 83, 0x3400);
    const auto old = parse_identify(block);
    REQUIRE(old);
    CHECK(old->lba48);
    CHECK_FALSE(old->flush_cache);
    CHECK_FALSE(old->flush_cache_ext);
    CHECK_FALSE(old->write_cache_supported);
    CHECK_FALSE(old->smart_supported);
}

TEST_CASE("LBA48 is taken from either word that says so") {
    Block block = make_identify(plain_disk());
    set_word(block, 83, 0x4000);
    CHECK(parse_identify(block)->sectors == plain_disk().sectors);
    set_word(block, 83, 0x4400);
    set_word(block, 86, 0);
    CHECK(parse_identify(block)->sectors == plain_disk().sectors);
}

TEST_CASE("strings with odd bytes are made harmless, and are trimmed") {
    Block block = make_identify(plain_disk());
    const std::string_view raw("  a\x1b[31m\x7f\xff\0b\n \0\0\0\0\0\0", 20);
    for (std::size_t i = 0; i < raw.size(); ++i) {
        block[20 + (i ^ 1U)] = static_cast<std::byte>(raw[i]);
    }
    const auto disk = parse_identify(block);
    REQUIRE(disk);
    CHECK(disk->serial.view() == "a?[31m?? b?");
    // Two disks with equal strings compare equal, whatever the padding was.
    for (std::size_t i = 14; i < 20; ++i) {
        block[20 + i] = std::byte{' '};
    }
    CHECK(parse_identify(block)->serial == disk->serial);
}
