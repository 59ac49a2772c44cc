// Text form of AoE addresses.
#include "proto/address.hpp"

#include <charconv>

namespace uaoe::proto {

namespace {

// The whole of `text` as a decimal number, at most `max`.
std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t max) {
    std::uint32_t number = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || stop != end || number > max) {
        return std::nullopt;
    }
    return number;
}

} // namespace

std::optional<Address> parse_address(std::string_view text) {
    if (text.starts_with('e')) {
        text.remove_prefix(1);
    }
    const auto dot = text.find('.');
    if (dot == std::string_view::npos) {
        return std::nullopt;
    }
    const auto shelf = parse_number(text.substr(0, dot), 0xfffe);
    const auto slot = parse_number(text.substr(dot + 1), 0xfe);
    if (!shelf || !slot) {
        return std::nullopt;
    }
    return Address{static_cast<std::uint16_t>(*shelf), static_cast<std::uint8_t>(*slot)};
}

std::string to_string(Address address) {
    return std::to_string(address.shelf) + "." + std::to_string(address.slot);
}

} // namespace uaoe::proto
