// ATA command set as AoE uses it (ACS-3, T13/2161-D): opcodes, status and error bits.
#pragma once

#include <cstdint>

namespace uaoe::proto {

enum class AtaCommand : std::uint8_t {
    data_set_management = 0x06,
    read_sectors = 0x20,
    read_sectors_ext = 0x24,
    write_sectors = 0x30,
    write_sectors_ext = 0x34,
    smart = 0xb0,
    check_power_mode = 0xe5,
    flush_cache = 0xe7,
    flush_cache_ext = 0xea,
    identify_device = 0xec,
};

// Status register.
inline constexpr std::uint8_t ata_status_error = 0x01;
inline constexpr std::uint8_t ata_status_data_request = 0x08;
inline constexpr std::uint8_t ata_status_device_fault = 0x20;
inline constexpr std::uint8_t ata_status_ready = 0x40;
inline constexpr std::uint8_t ata_status_busy = 0x80;

// Error register, when status has ata_status_error.
inline constexpr std::uint8_t ata_error_abort = 0x04;
inline constexpr std::uint8_t ata_error_id_not_found = 0x10;
inline constexpr std::uint8_t ata_error_uncorrectable =
    0x40; // reads; on writes it says write-protected
inline constexpr std::uint8_t ata_error_write_protected = 0x40;
inline constexpr std::uint8_t ata_error_crc = 0x80;

// DATA SET MANAGEMENT: feature bit and one entry of its 512-byte blocks (ACS-3 7.5).
inline constexpr std::uint8_t dsm_feature_trim = 0x01;
inline constexpr std::uint32_t dsm_ranges_per_block = 64;
inline constexpr std::uint32_t dsm_sectors_per_range_max = 65535;

// An entry: LBA in bits 0..47, sectors in bits 48..63; little-endian on the wire; a zero length is
// padding.
[[nodiscard]] constexpr std::uint64_t dsm_entry(std::uint64_t lba, std::uint16_t sectors) {
    return lba | (static_cast<std::uint64_t>(sectors) << 48U);
}

// Addressing limits: the highest number of sectors each form reaches.
inline constexpr std::uint64_t lba28_sectors_max = 1ULL << 28U;
inline constexpr std::uint64_t lba48_sectors_max = 1ULL << 48U;

} // namespace uaoe::proto
