// Which frames a shard's packet sockets let through: a classic BPF program that runs in the kernel.
#pragma once

#include <array>
#include <cstdint>
#include <linux/filter.h>

namespace uaoe::initiator {

inline constexpr std::size_t packet_filter_instructions = 16;

enum class Answers : std::uint8_t {
    data,         // to commands: everything but Query Config
    query_config, // and boot advertisements: Query Config answers with tag 0
};

// AoE answers of that kind whose tag belongs to `shard` (tag.hpp). Only what was sent to this host
// or to all: a promiscuous NIC also delivers what is for others. Nothing that still has a VLAN tag.
[[nodiscard]] std::array<sock_filter, packet_filter_instructions>
make_packet_filter(std::uint32_t shard, Answers answers);

} // namespace uaoe::initiator
