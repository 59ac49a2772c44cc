// SMART blocks: little-endian, each with a checksum that makes its 512 bytes sum up to zero.
#include "proto/smart.hpp"

#include <algorithm>
#include <numeric>

namespace uaoe::proto {

namespace {

constexpr std::size_t attributes_offset = 2;
constexpr std::size_t attribute_bytes = 12;
constexpr std::size_t self_test_status_offset = 363;
constexpr std::size_t offline_capability_offset = 367;
constexpr unsigned offline_capability_self_test = 0x10;
constexpr std::size_t short_minutes_offset = 372;
constexpr std::size_t extended_minutes_offset = 373;
constexpr std::size_t long_extended_minutes_offset = 375; // a word, when the octet says 0xff
constexpr std::size_t checksum_offset = 511;

constexpr std::size_t log_entries_offset = 2;
constexpr std::size_t log_entry_bytes = 24;
constexpr std::size_t log_index_offset = 508;

std::uint64_t little(ConstBytes bytes, std::size_t offset, std::size_t count) {
    std::uint64_t value = 0;
    for (std::size_t i = count; i-- > 0;) {
        value = (value << 8U) | std::to_integer<std::uint64_t>(bytes[offset + i]);
    }
    return value;
}

std::uint8_t octet(ConstBytes bytes, std::size_t offset) {
    return std::to_integer<std::uint8_t>(bytes[offset]);
}

void set_little(Bytes bytes, std::size_t offset, std::size_t count, std::uint64_t value) {
    for (std::size_t i = 0; i < count; ++i) {
        bytes[offset + i] = static_cast<std::byte>((value >> (8 * i)) & 0xffU);
    }
}

unsigned sum_of(ConstBytes block) {
    return std::accumulate(block.begin(), block.begin() + smart_block_bytes, 0U,
                           [](unsigned sum, std::byte value) {
                               return (sum + std::to_integer<unsigned>(value)) & 0xffU;
                           });
}

void set_checksum(Bytes block) {
    block[checksum_offset] = std::byte{0};
    block[checksum_offset] = static_cast<std::byte>((256U - sum_of(block)) & 0xffU);
}

} // namespace

SmartHealth smart_health(Lba returned) {
    const auto password = (returned.value >> 8U) & 0xffffU;
    return password == 0xc24f   ? SmartHealth::passed
           : password == 0x2cf4 ? SmartHealth::failing
                                : SmartHealth::unknown;
}

std::optional<SmartData> parse_smart_data(ConstBytes block) {
    if (block.size() < smart_block_bytes) {
        return std::nullopt;
    }
    SmartData data;
    for (std::size_t i = 0; i < smart_attributes_max; ++i) {
        const std::size_t at = attributes_offset + i * attribute_bytes;
        const std::uint8_t id = octet(block, at);
        if (id == 0) {
            continue;
        }
        data.attributes[data.attributes_count++] = {
            .id = id,
            .flags = static_cast<std::uint16_t>(little(block, at + 1, 2)),
            .value = octet(block, at + 3),
            .worst = octet(block, at + 4),
            .raw = little(block, at + 5, 6)};
    }
    data.self_test_status = octet(block, self_test_status_offset);
    data.can_self_test =
        (octet(block, offline_capability_offset) & offline_capability_self_test) != 0;
    data.short_test_minutes = octet(block, short_minutes_offset);
    const std::uint8_t extended = octet(block, extended_minutes_offset);
    data.extended_test_minutes =
        extended == 0xff
            ? static_cast<std::uint16_t>(little(block, long_extended_minutes_offset, 2))
            : extended;
    data.checksum_is_right = sum_of(block) == 0;
    return data;
}

bool add_smart_thresholds(SmartData& data, ConstBytes block) {
    if (block.size() < smart_block_bytes) {
        return false;
    }
    for (SmartAttribute& attribute : std::span(data.attributes).first(data.attributes_count)) {
        // Not by place: some disks leave their thresholds in another order.
        for (std::size_t i = 0; i < smart_attributes_max; ++i) {
            const std::size_t at = attributes_offset + i * attribute_bytes;
            if (octet(block, at) == attribute.id) {
                attribute.threshold = octet(block, at + 1);
                break;
            }
        }
    }
    return true;
}

std::optional<SelfTestLog> parse_self_test_log(ConstBytes block) {
    if (block.size() < smart_block_bytes) {
        return std::nullopt;
    }
    SelfTestLog log;
    log.checksum_is_right = sum_of(block) == 0;
    // 1..21, of the newest; 0: there was no test.
    const std::size_t newest = octet(block, log_index_offset);
    if (newest == 0 || newest > self_test_entries_max) {
        return log;
    }
    for (std::size_t i = 0; i < self_test_entries_max; ++i) {
        const std::size_t index = (newest - 1 + self_test_entries_max - i) % self_test_entries_max;
        const std::size_t at = log_entries_offset + index * log_entry_bytes;
        const ConstBytes entry = block.subspan(at, log_entry_bytes);
        if (std::ranges::all_of(entry, [](std::byte value) { return value == std::byte{0}; })) {
            break; // older ones were never written
        }
        log.entries[log.entries_count++] = {
            .test = octet(entry, 0),
            .status = octet(entry, 1),
            .hours = static_cast<std::uint16_t>(little(entry, 2, 2)),
            .failing_lba = static_cast<std::uint32_t>(little(entry, 5, 4))};
    }
    return log;
}

std::array<std::byte, smart_block_bytes> make_smart_data(const SmartData& data) {
    UAOE_ASSERT(data.attributes_count <= smart_attributes_max);
    std::array<std::byte, smart_block_bytes> block{};
    block[0] = std::byte{0x10}; // revision
    for (std::size_t i = 0; i < data.attributes_count; ++i) {
        const SmartAttribute& attribute = data.attributes[i];
        const std::size_t at = attributes_offset + i * attribute_bytes;
        block[at] = std::byte{attribute.id};
        set_little(block, at + 1, 2, attribute.flags);
        block[at + 3] = std::byte{attribute.value};
        block[at + 4] = std::byte{attribute.worst};
        set_little(block, at + 5, 6, attribute.raw);
    }
    block[self_test_status_offset] = std::byte{data.self_test_status};
    block[offline_capability_offset] =
        static_cast<std::byte>(data.can_self_test ? offline_capability_self_test : 0);
    set_little(block, short_minutes_offset, 1, data.short_test_minutes);
    const bool is_long = data.extended_test_minutes >= 0xff;
    set_little(block, extended_minutes_offset, 1, is_long ? 0xff : data.extended_test_minutes);
    set_little(block, long_extended_minutes_offset, 2, is_long ? data.extended_test_minutes : 0);
    set_checksum(block);
    return block;
}

std::array<std::byte, smart_block_bytes> make_smart_thresholds(const SmartData& data) {
    std::array<std::byte, smart_block_bytes> block{};
    block[0] = std::byte{0x10};
    for (std::size_t i = 0; i < data.attributes_count; ++i) {
        const std::size_t at = attributes_offset + i * attribute_bytes;
        block[at] = std::byte{data.attributes[i].id};
        block[at + 1] = std::byte{data.attributes[i].threshold};
    }
    set_checksum(block);
    return block;
}

std::array<std::byte, smart_block_bytes> make_self_test_log(const SelfTestLog& log) {
    UAOE_ASSERT(log.entries_count <= self_test_entries_max);
    std::array<std::byte, smart_block_bytes> block{};
    block[0] = std::byte{1}; // revision
    block[log_index_offset] = static_cast<std::byte>(log.entries_count);
    for (std::size_t i = 0; i < log.entries_count; ++i) {
        const SelfTestEntry& entry = log.entries[log.entries_count - 1 - i];
        const std::size_t at = log_entries_offset + i * log_entry_bytes;
        block[at] = std::byte{entry.test};
        block[at + 1] = std::byte{entry.status};
        set_little(block, at + 2, 2, entry.hours);
        set_little(block, at + 5, 4, entry.failing_lba);
    }
    set_checksum(block);
    return block;
}

} // namespace uaoe::proto
