// SMART data (ATA8-ACS 7.52; the attribute table is SFF-8035i, which every disk still has): what a
// disk says of its health, in blocks of 512 bytes.
#pragma once

#include "proto/units.hpp"
#include "proto/wire.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace uaoe::proto {

inline constexpr std::size_t smart_block_bytes = 512;

// Feature register of AtaCommand::smart.
enum class SmartFeature : std::uint8_t {
    read_data = 0xd0,
    read_thresholds = 0xd1,
    execute_offline = 0xd4, // the low octet of the LBA: a SmartTest
    read_log = 0xd5,        // the low octet of the LBA: a log's address
    enable = 0xd8,
    return_status = 0xda,
};

enum class SmartTest : std::uint8_t { short_test = 1, extended = 2, abort = 0x7f };

inline constexpr std::uint8_t smart_log_self_test = 0x06;

// The LBA of a SMART command: its two upper octets are a password (ATA8-ACS 7.52.1).
[[nodiscard]] constexpr Lba smart_lba(std::uint8_t low_octet) {
    return {0xa0c2'4f00U | low_octet};
}

enum class SmartHealth : std::uint8_t { passed, failing, unknown };
// What RETURN STATUS leaves in the LBA registers: the password, or F4h 2Ch in its place. A target
// that leaves anything else has not executed it.
[[nodiscard]] SmartHealth smart_health(Lba returned);

// ACS-3 7.2.3, table 38: the sector count register after CHECK POWER MODE.
enum class PowerMode : std::uint8_t { standby = 0x00, idle = 0x80, active_or_idle = 0xff };

struct SmartAttribute {
    std::uint8_t id = 0; // 0: this entry is not used
    std::uint16_t flags = 0;
    std::uint8_t value = 0; // falls towards the threshold
    std::uint8_t worst = 0;
    std::uint64_t raw = 0;      // 48 bits, the vendor's own
    std::uint8_t threshold = 0; // 0: none; of another block, see add_smart_thresholds()

    [[nodiscard]] bool is_prefailure() const { return (flags & 1U) != 0; }
    [[nodiscard]] bool fails_now() const { return threshold != 0 && value <= threshold; }
    [[nodiscard]] bool failed_once() const { return threshold != 0 && worst <= threshold; }
};

inline constexpr std::size_t smart_attributes_max = 30;

struct SmartData {
    std::array<SmartAttribute, smart_attributes_max> attributes;
    std::size_t attributes_count = 0; // those that are used, in the disk's order
    std::uint8_t self_test_status = 0;
    bool can_self_test = false;
    std::uint16_t short_test_minutes = 0; // that the disk recommends to wait; 0: not told
    std::uint16_t extended_test_minutes = 0;
    bool checksum_is_right = false;
};

// Of both, in READ DATA and in the log (ATA8-ACS 7.52.6.8).
[[nodiscard]] constexpr unsigned self_test_result(std::uint8_t status) {
    return status >> 4U;
}
[[nodiscard]] constexpr unsigned self_test_remaining_percent(std::uint8_t status) {
    return (status & 0xfU) * 10;
}
inline constexpr unsigned self_test_running = 15;

// Nothing when there are fewer than 512 bytes.
[[nodiscard]] std::optional<SmartData> parse_smart_data(ConstBytes block);
// Gives each attribute the threshold that READ THRESHOLDS tells of it. False, and nothing is
// changed, when there are fewer than 512 bytes.
bool add_smart_thresholds(SmartData& data, ConstBytes block);

struct SelfTestEntry {
    std::uint8_t test = 0; // the SmartTest that was asked for
    std::uint8_t status = 0;
    std::uint16_t hours = 0;       // the disk's power-on time, modulo 65,536
    std::uint32_t failing_lba = 0; // of result 7
    [[nodiscard]] bool has_failing_lba() const { return self_test_result(status) == 7; }
};

inline constexpr std::size_t self_test_entries_max = 21;

struct SelfTestLog {
    std::array<SelfTestEntry, self_test_entries_max> entries;
    std::size_t entries_count = 0; // newest first
    bool checksum_is_right = false;
};
[[nodiscard]] std::optional<SelfTestLog> parse_self_test_log(ConstBytes block);

// Blocks that the parsers above read back (model targets and tests).
[[nodiscard]] std::array<std::byte, smart_block_bytes> make_smart_data(const SmartData& data);
[[nodiscard]] std::array<std::byte, smart_block_bytes> make_smart_thresholds(const SmartData& data);
[[nodiscard]] std::array<std::byte, smart_block_bytes> make_self_test_log(const SelfTestLog& log);

} // namespace uaoe::proto
