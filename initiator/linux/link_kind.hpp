// How a shard gets at frames, and what that is called in the configuration and on command lines.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace uaoe::initiator {

enum class LinkKind : std::uint8_t {
    packet, // a packet socket: PacketLink
    xdp,    // AF_XDP: XdpLink; a packet socket where that cannot be had
};

[[nodiscard]] constexpr std::string_view link_kind_text(LinkKind kind) {
    return kind == LinkKind::xdp ? "xdp" : "packet";
}

[[nodiscard]] constexpr std::optional<LinkKind> parse_link_kind(std::string_view text) {
    for (const LinkKind kind : {LinkKind::packet, LinkKind::xdp}) {
        if (text == link_kind_text(kind)) {
            return kind;
        }
    }
    return std::nullopt;
}

} // namespace uaoe::initiator
