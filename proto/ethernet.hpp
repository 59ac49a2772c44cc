// Ethernet: MAC addresses and the 14-byte header (IEEE 802.3).
#pragma once

#include "proto/wire.hpp"

#include <boost/endian/buffers.hpp>

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace uaoe::proto {

using boost::endian::big_uint16_buf_t;
using boost::endian::big_uint32_buf_t;
using boost::endian::big_uint64_buf_t;

struct MacAddress {
    std::array<std::uint8_t, 6> octets{};

    [[nodiscard]] constexpr bool is_multicast() const { return (octets[0] & 1) != 0; }
    [[nodiscard]] constexpr bool is_zero() const { return *this == MacAddress{}; }
    friend constexpr auto operator<=>(const MacAddress&, const MacAddress&) = default;
};
static_assert(WireStruct<MacAddress> && sizeof(MacAddress) == 6);

inline constexpr MacAddress broadcast_mac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

[[nodiscard]] std::optional<MacAddress> parse_mac(std::string_view text); // "02:00:00:00:00:01"
[[nodiscard]] std::string to_string(const MacAddress& mac);

inline constexpr std::uint16_t ethertype_aoe = 0x88a2;

// The shortest frame, without FCS. Real NICs pad to it, veth does not; frames we send are padded
// here, because some tools and targets drop shorter ones.
inline constexpr std::size_t ethernet_frame_bytes_min = 60;

struct EthernetHeader {
    MacAddress destination;
    MacAddress source;
    big_uint16_buf_t ethertype;
};
static_assert(WireStruct<EthernetHeader> && sizeof(EthernetHeader) == 14);

} // namespace uaoe::proto
