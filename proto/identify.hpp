// IDENTIFY DEVICE data (ACS-3 7.12.7), the words an initiator needs.
#pragma once

#include "proto/units.hpp"
#include "proto/wire.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace uaoe::proto {

inline constexpr std::size_t identify_bytes = 512;

// A string of fixed room, so that parsing allocates nothing and values can be compared.
template <std::size_t Size>
struct FixedText {
    std::array<char, Size> characters{};
    std::uint8_t length = 0;
    [[nodiscard]] std::string_view view() const { return {characters.data(), length}; }
    friend bool operator==(const FixedText&, const FixedText&) = default;
};

struct Identify {
    FixedText<20> serial;                      // words 10-19
    FixedText<8> firmware;                     // words 23-26
    FixedText<40> model;                       // words 27-46
    SectorCount sectors;                       // words 100-103 with lba48, else 60-61
    std::uint32_t logical_sector_bytes = 512;  // words 106, 117-118
    std::uint32_t physical_sector_bytes = 512; // word 106
    std::uint32_t alignment_sectors =
        0;                        // word 209: logical sector 0's offset inside its physical sector
    bool lba48 = false;           // (word 83 or 86) bit 10
    bool flush_cache = false;     // word 83 bit 12
    bool flush_cache_ext = false; // word 83 bit 13
    bool write_cache_supported = false; // word 82 bit 5
    bool write_cache_enabled = false;   // word 85 bit 5
    bool trim = false;                  // word 169 bit 0
    std::uint16_t trim_blocks_max =
        0; // word 105: 512-byte blocks of ranges a DATA SET MANAGEMENT takes
    bool trim_reads_zeroes = false;  // word 69 bits 14 and 5
    bool smart_supported = false;    // word 82 bit 0
    bool smart_enabled = false;      // word 85 bit 0
    std::uint16_t rotation_rate = 0; // word 217: 0 not reported, 1 non-rotating, else rpm

    friend bool operator==(const Identify&, const Identify&) = default;
};

// Nothing when there are fewer than 512 bytes, or when the words contradict each other so that the
// disk cannot be addressed safely: no sectors, more sectors than the addressing form reaches, a
// logical sector that is not a power of two of 512..4096 bytes.
[[nodiscard]] std::optional<Identify> parse_identify(ConstBytes data);

// A 512-byte IDENTIFY block that parse_identify reads back (model targets and tests).
[[nodiscard]] std::array<std::byte, identify_bytes> make_identify(const Identify& identify);

} // namespace uaoe::proto
