// Text form of MAC addresses.
#include "proto/ethernet.hpp"

#include <charconv>

namespace uaoe::proto {

std::optional<MacAddress> parse_mac(std::string_view text) {
    if (text.size() != 17) {
        return std::nullopt;
    }
    MacAddress mac;
    for (std::size_t i = 0; i < 6; ++i) {
        const char* begin = text.data() + i * 3;
        const auto [stop, error] = std::from_chars(begin, begin + 2, mac.octets[i], 16);
        if (error != std::errc{} || stop != begin + 2 || (i < 5 && *stop != ':')) {
            return std::nullopt;
        }
    }
    return mac;
}

std::string to_string(const MacAddress& mac) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const std::uint8_t octet : mac.octets) {
        if (!text.empty()) {
            text += ':';
        }
        text += digits[octet >> 4U];
        text += digits[octet & 0xfU];
    }
    return text;
}

} // namespace uaoe::proto
