// Bytes of NBD for tests, spelled out: no wire struct of the code under test is used.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

namespace uaoe::test {

using ByteVector = std::vector<std::byte>;

// "00 1f": hexadecimal digits; blanks are ignored.
inline ByteVector hex(std::string_view text) {
    ByteVector bytes;
    int high = -1;
    for (const char c : text) {
        const std::string_view digits = "0123456789abcdef";
        const auto digit = digits.find(c);
        if (digit == std::string_view::npos) {
            continue;
        }
        if (high < 0) {
            high = static_cast<int>(digit);
        } else {
            bytes.push_back(static_cast<std::byte>((high << 4) | static_cast<int>(digit)));
            high = -1;
        }
    }
    return bytes;
}

inline ByteVector text(std::string_view characters) {
    const auto bytes = std::as_bytes(std::span(characters));
    return {bytes.begin(), bytes.end()};
}

inline ByteVector big_endian(std::uint64_t value, unsigned bytes_count) {
    ByteVector bytes;
    for (unsigned i = bytes_count; i-- > 0;) {
        bytes.push_back(static_cast<std::byte>(value >> (8 * i)));
    }
    return bytes;
}

inline ByteVector join(std::initializer_list<ByteVector> parts) {
    ByteVector all;
    for (const auto& part : parts) {
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

inline ByteVector option(std::uint32_t number, const ByteVector& payload = {}) {
    return join({text("IHAVEOPT"), big_endian(number, 4), big_endian(payload.size(), 4), payload});
}

inline ByteVector option_reply(std::uint32_t number, std::uint32_t type,
                               const ByteVector& payload = {}) {
    return join({hex("00 03 e8 89 04 55 65 a9"), big_endian(number, 4), big_endian(type, 4),
                 big_endian(payload.size(), 4), payload});
}

// Payload of INFO and GO.
inline ByteVector info_request(std::string_view name, std::initializer_list<unsigned> requests) {
    ByteVector bytes =
        join({big_endian(name.size(), 4), text(name), big_endian(requests.size(), 2)});
    for (const unsigned request : requests) {
        bytes = join({bytes, big_endian(request, 2)});
    }
    return bytes;
}

struct RequestBytes {
    unsigned flags = 0;
    unsigned type = 0;
    std::uint64_t cookie = 0;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;

    [[nodiscard]] ByteVector bytes(const ByteVector& payload = {}) const {
        return join({hex("25 60 95 13"), big_endian(flags, 2), big_endian(type, 2),
                     big_endian(cookie, 8), big_endian(offset, 8), big_endian(length, 4), payload});
    }
};

inline constexpr unsigned read_type = 0;
inline constexpr unsigned write_type = 1;
inline constexpr unsigned disconnect_type = 2;
inline constexpr unsigned flush_type = 3;
inline constexpr unsigned trim_type = 4;
inline constexpr unsigned cache_type = 5;
inline constexpr unsigned zero_type = 6;

inline ByteVector simple_reply(unsigned error, std::uint64_t cookie) {
    return join({hex("67 44 66 98"), big_endian(error, 4), big_endian(cookie, 8)});
}

} // namespace uaoe::test
