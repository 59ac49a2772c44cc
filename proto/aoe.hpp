// The AoE header (AoEr11 2) and the arguments of its four commands (AoEr11 3.1 to 3.4), as they lie
// on the wire. Values and rules for using them are in frame.hpp.
#pragma once

#include "proto/ethernet.hpp"

#include <boost/endian/buffers.hpp>

#include <compare>
#include <cstddef>
#include <cstdint>

namespace uaoe::proto {

using boost::endian::little_uint48_buf_t;

inline constexpr std::uint8_t aoe_version = 1;

// Low nibble of AoeHeader::version_flags.
inline constexpr std::uint8_t flag_response = 0x08;
inline constexpr std::uint8_t flag_error = 0x04;

enum class Command : std::uint8_t {
    ata = 0,
    query_config = 1,
    mac_mask_list = 2,
    reserve_release = 3,
};

// AoeHeader::error, valid only with flag_error (AoEr11 2.4).
enum class AoeError : std::uint8_t {
    none = 0,
    unrecognized_command = 1,
    bad_argument = 2,
    device_unavailable = 3,
    config_string_present = 4,
    unsupported_version = 5,
    target_is_reserved = 6,
};

// Chosen by the initiator, echoed by the target.
struct Tag {
    std::uint32_t value = 0;
    friend constexpr auto operator<=>(Tag, Tag) = default;
};

struct AoeHeader {
    std::uint8_t version_flags; // high nibble version, low nibble flags
    std::uint8_t error;
    big_uint16_buf_t shelf;
    std::uint8_t slot;
    std::uint8_t command;
    big_uint32_buf_t tag;
};
static_assert(WireStruct<AoeHeader> && sizeof(AoeHeader) == 10);
static_assert(offsetof(AoeHeader, shelf) == 2 && offsetof(AoeHeader, tag) == 6);

inline constexpr std::size_t aoe_frame_header_bytes = sizeof(EthernetHeader) + sizeof(AoeHeader);
static_assert(aoe_frame_header_bytes == 24);

// ---- command 0, ATA (AoEr11 3.1): 12 bytes, then data ----

inline constexpr std::uint8_t ata_flag_extended = 0x40; // 48-bit LBA
inline constexpr std::uint8_t ata_flag_device_head =
    0x10; // the D bit; only looked at with `extended`
inline constexpr std::uint8_t ata_flag_async = 0x02;
inline constexpr std::uint8_t ata_flag_write = 0x01; // data goes to the device

struct AtaArgument {
    std::uint8_t flags;
    std::uint8_t error_feature;  // reply: ATA error register; request: feature register
    std::uint8_t sector_count;   // reply: not what was asked; never checked
    std::uint8_t command_status; // request: ATA command; reply: ATA status register
    little_uint48_buf_t
        lba; // the one little-endian field; LBA28 has its top 4 bits in the low nibble of octet 3
    std::uint8_t reserved[2];
};
static_assert(WireStruct<AtaArgument> && sizeof(AtaArgument) == 12);
static_assert(offsetof(AtaArgument, lba) == 4);

inline constexpr std::size_t ata_frame_header_bytes = aoe_frame_header_bytes + sizeof(AtaArgument);
static_assert(ata_frame_header_bytes == 36);

// ---- command 1, Query Config (AoEr11 3.2): 8 bytes, then the config string ----

enum class ConfigCommand : std::uint8_t {
    read = 0,   // always answered
    test = 1,   // answered only when the string is equal
    prefix = 2, // answered only when the target's string begins with ours
    set = 3,    // sets an empty string; else AoeError::config_string_present and the present string
    force_set = 4, // sets it whatever was there
};

inline constexpr std::size_t config_string_bytes_max = 1024;

struct QueryConfigArgument {
    big_uint16_buf_t buffer_count;     // commands the target can queue; more are dropped silently
    big_uint16_buf_t firmware_version; // vendor's own; byte order not reliable
    std::uint8_t sectors_per_frame;    // 0 means 2 (targets older than AoEr9)
    std::uint8_t version_command;      // high nibble AoE version, low nibble ConfigCommand
    big_uint16_buf_t string_bytes;     // 0..1024
};
static_assert(WireStruct<QueryConfigArgument> && sizeof(QueryConfigArgument) == 8);

// ---- command 2, MAC Mask List (AoEr11 3.3): 4 bytes, then `directive_count` directives ----

enum class MaskCommand : std::uint8_t { read = 0, edit = 1 };
enum class MaskDirective : std::uint8_t { none = 0, add = 1, remove = 2 };
enum class MaskError : std::uint8_t { none = 0, unspecified = 1, bad_directive = 2, list_full = 3 };

struct MacMaskArgument {
    std::uint8_t reserved;
    std::uint8_t command;         // MaskCommand
    std::uint8_t error;           // reply: MaskError
    std::uint8_t directive_count; // reply to a failed edit: how many were done
};
static_assert(WireStruct<MacMaskArgument> && sizeof(MacMaskArgument) == 4);

struct MacMaskEntry {
    std::uint8_t reserved;
    std::uint8_t directive; // MaskDirective
    MacAddress mac;
};
static_assert(WireStruct<MacMaskEntry> && sizeof(MacMaskEntry) == 8);

// ---- command 3, Reserve/Release (AoEr11 3.4): 2 bytes, then `mac_count` MAC addresses ----

enum class ReserveCommand : std::uint8_t { read = 0, set = 1, force_set = 2 };

struct ReserveArgument {
    std::uint8_t command;   // ReserveCommand
    std::uint8_t mac_count; // an empty list releases
};
static_assert(WireStruct<ReserveArgument> && sizeof(ReserveArgument) == 2);

// ---- what a frame can carry ----

// Data sectors of `sector_bytes` that one ATA frame of `mtu_bytes` carries, 0..255. The divisor's
// 36 counts the Ethernet header, which an MTU does not: every target and the kernel's driver
// compute it so, and a frame that both ends agree on matters more than the 14 bytes.
[[nodiscard]] constexpr std::uint32_t sectors_per_frame_of_mtu(std::uint32_t mtu_bytes,
                                                               std::uint32_t sector_bytes) {
    if (mtu_bytes < ata_frame_header_bytes) {
        return 0;
    }
    const auto sectors =
        (mtu_bytes - static_cast<std::uint32_t>(ata_frame_header_bytes)) / sector_bytes;
    return sectors < 255 ? sectors : 255;
}

} // namespace uaoe::proto
