// IDENTIFY DEVICE data: 256 little-endian words.
#include "proto/identify.hpp"

#include "proto/ata.hpp"

#include <algorithm>
#include <bit>

namespace uaoe::proto {

namespace {

constexpr std::uint16_t bit(unsigned index) {
    return static_cast<std::uint16_t>(1U << index);
}

std::uint16_t word(ConstBytes data, std::size_t index) {
    return static_cast<std::uint16_t>(std::to_integer<unsigned>(data[index * 2]) |
                                      (std::to_integer<unsigned>(data[index * 2 + 1]) << 8U));
}

void set_word(Bytes data, std::size_t index, unsigned value) {
    data[index * 2] = static_cast<std::byte>(value & 0xffU);
    data[index * 2 + 1] = static_cast<std::byte>((value >> 8U) & 0xffU);
}

bool has(ConstBytes data, std::size_t index, unsigned bit_index) {
    return (word(data, index) & bit(bit_index)) != 0;
}

// Words 82-84 and 106 and the like hold something only when bit 15 is clear and bit 14 set.
bool is_valid(std::uint16_t value) {
    return (value & 0xc000U) == 0x4000U;
}

// ATA strings: two characters a word, the first in the high byte; padded with spaces. Control
// characters would reach terminals and JSON, so they become '?'.
template <std::size_t Size>
FixedText<Size> read_text(ConstBytes data, std::size_t first_word) {
    FixedText<Size> text;
    for (std::size_t i = 0; i < Size; ++i) {
        const auto raw = std::to_integer<unsigned char>(data[first_word * 2 + (i ^ 1U)]);
        text.characters[i] = raw == 0                    ? ' '
                             : raw >= 0x20 && raw < 0x7f ? static_cast<char>(raw)
                                                         : '?';
    }
    const auto first = std::ranges::find_if(text.characters, [](char c) { return c != ' '; });
    std::ranges::rotate(text.characters, first);
    std::size_t length = static_cast<std::size_t>(text.characters.end() - first);
    while (length > 0 && text.characters[length - 1] == ' ') {
        --length;
    }
    std::fill(text.characters.begin() + static_cast<std::ptrdiff_t>(length), text.characters.end(),
              '\0');
    text.length = static_cast<std::uint8_t>(length);
    return text;
}

template <std::size_t Size>
void write_text(Bytes data, std::size_t first_word, const FixedText<Size>& text) {
    for (std::size_t i = 0; i < Size; ++i) {
        data[first_word * 2 + (i ^ 1U)] =
            static_cast<std::byte>(i < text.length ? text.characters[i] : ' ');
    }
}

std::uint64_t read_sectors(ConstBytes data, bool lba48) {
    const std::size_t first = lba48 ? 100 : 60;
    const std::size_t words = lba48 ? 4 : 2;
    std::uint64_t sectors = 0;
    for (std::size_t i = 0; i < words; ++i) {
        sectors |= static_cast<std::uint64_t>(word(data, first + i)) << (16 * i);
    }
    return sectors;
}

// Words 106 and 117-118. False when the sizes cannot be.
bool read_sector_sizes(ConstBytes data, Identify& identify) {
    const std::uint16_t sizes = word(data, 106);
    if (!is_valid(sizes)) {
        return true; // 512 and 512
    }
    if ((sizes & bit(12)) != 0) {
        const std::uint64_t words =
            word(data, 117) | (static_cast<std::uint64_t>(word(data, 118)) << 16U);
        if (words < 256 || words > 2048 || !std::has_single_bit(words)) {
            return false;
        }
        identify.logical_sector_bytes = static_cast<std::uint32_t>(words * 2);
    }
    identify.physical_sector_bytes = identify.logical_sector_bytes;
    if ((sizes & bit(13)) != 0) {
        identify.physical_sector_bytes <<= sizes & 0xfU;
    }
    const std::uint16_t alignment = word(data, 209);
    if (is_valid(alignment)) {
        identify.alignment_sectors = alignment & 0x3fffU;
    }
    return true;
}

} // namespace

std::optional<Identify> parse_identify(ConstBytes data) {
    if (data.size() < identify_bytes) {
        return std::nullopt;
    }
    Identify identify;
    identify.serial = read_text<20>(data, 10);
    identify.firmware = read_text<8>(data, 23);
    identify.model = read_text<40>(data, 27);
    // Either word: targets are seen that set only one of them, and the kernel's driver takes
    // either.
    identify.lba48 = has(data, 83, 10) || has(data, 86, 10);
    identify.sectors = {read_sectors(data, identify.lba48)};
    const std::uint64_t reach = identify.lba48 ? lba48_sectors_max : lba28_sectors_max;
    if (identify.sectors.value == 0 || identify.sectors.value > reach ||
        !read_sector_sizes(data, identify)) {
        return std::nullopt;
    }
    if (is_valid(word(data, 83))) {
        identify.smart_supported = has(data, 82, 0);
        identify.write_cache_supported = has(data, 82, 5);
        identify.flush_cache = has(data, 83, 12);
        identify.flush_cache_ext = has(data, 83, 13);
        identify.smart_enabled = has(data, 85, 0);
        identify.write_cache_enabled = has(data, 85, 5);
    }
    identify.trim = has(data, 169, 0);
    identify.trim_blocks_max = word(data, 105);
    identify.trim_reads_zeroes = has(data, 69, 14) && has(data, 69, 5);
    identify.rotation_rate = word(data, 217);
    return identify;
}

std::array<std::byte, identify_bytes> make_identify(const Identify& identify) {
    std::array<std::byte, identify_bytes> data{};
    write_text(data, 10, identify.serial);
    write_text(data, 23, identify.firmware);
    write_text(data, 27, identify.model);
    set_word(data, 47, 0x8000);
    set_word(data, 49, 0x0200); // LBA
    set_word(data, 50, 0x4000);
    // A disk that LBA28 cannot reach to its end says 0x0fffffff here (ACS-3, words 60-61).
    const std::uint64_t sectors28 = identify.lba48
                                        ? std::min(identify.sectors.value, lba28_sectors_max - 1)
                                        : identify.sectors.value;
    set_word(data, 60, static_cast<unsigned>(sectors28 & 0xffffU));
    set_word(data, 61, static_cast<unsigned>(sectors28 >> 16U));
    const unsigned cache_and_smart =
        (identify.smart_supported ? bit(0) : 0U) | (identify.write_cache_supported ? bit(5) : 0U);
    const unsigned enabled =
        (identify.smart_enabled ? bit(0) : 0U) | (identify.write_cache_enabled ? bit(5) : 0U);
    const unsigned features = (identify.lba48 ? bit(10) : 0U) |
                              (identify.flush_cache ? bit(12) : 0U) |
                              (identify.flush_cache_ext ? bit(13) : 0U);
    set_word(data, 69, identify.trim_reads_zeroes ? bit(14) | bit(5) : 0U);
    set_word(data, 82, cache_and_smart);
    set_word(data, 83, 0x4000U | features);
    set_word(data, 84, 0x4000);
    set_word(data, 85, enabled);
    set_word(data, 86, features);
    set_word(data, 87, 0x4000);
    for (std::size_t i = 0; identify.lba48 && i < 4; ++i) {
        set_word(data, 100 + i,
                 static_cast<unsigned>((identify.sectors.value >> (16 * i)) & 0xffffU));
    }
    set_word(data, 105, identify.trim_blocks_max);
    unsigned sizes = 0x4000;
    if (identify.logical_sector_bytes != 512) {
        sizes |= bit(12);
        const unsigned words = identify.logical_sector_bytes / 2;
        set_word(data, 117, words & 0xffffU);
        set_word(data, 118, words >> 16U);
    }
    if (identify.physical_sector_bytes > identify.logical_sector_bytes) {
        sizes |= bit(13) | static_cast<unsigned>(std::countr_zero(identify.physical_sector_bytes /
                                                                  identify.logical_sector_bytes));
    }
    set_word(data, 106, sizes);
    set_word(data, 169, identify.trim ? 1U : 0U);
    set_word(data, 209, 0x4000U | identify.alignment_sectors);
    set_word(data, 217, identify.rotation_rate);
    return data;
}

} // namespace uaoe::proto
