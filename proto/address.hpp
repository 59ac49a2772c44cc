// The AoE address of a LUN: shelf.slot ("major.minor" in AoEr11 2). Written "1.0", in device names
// "e1.0".
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace uaoe::proto {

struct Address {
    std::uint16_t shelf = 0; // 0..65534; 65535 is broadcast
    std::uint8_t slot = 0;   // 0..254; 255 is broadcast

    // True when either half is a broadcast value: such an address names no LUN, and ATA commands
    // are never sent to it, because real targets execute them.
    [[nodiscard]] constexpr bool is_broadcast() const { return shelf == 0xffff || slot == 0xff; }

    friend constexpr auto operator<=>(const Address&, const Address&) = default;
};

inline constexpr Address broadcast_address{0xffff, 0xff};

// "1.0" or "e1.0". Nothing for anything else, broadcast values included.
[[nodiscard]] std::optional<Address> parse_address(std::string_view text);
[[nodiscard]] std::string to_string(Address address); // "1.0"

} // namespace uaoe::proto
