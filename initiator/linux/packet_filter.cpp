// The packet filter.
#include "initiator/linux/packet_filter.hpp"

#include "initiator/tag.hpp"
#include "proto/aoe.hpp"

#include <linux/if_packet.h>

namespace uaoe::initiator {

namespace {

constexpr sock_filter statement(unsigned code, std::uint32_t value) {
    return {static_cast<std::uint16_t>(code), 0, 0, value};
}

// `if_true` and `if_false` count instructions to skip.
constexpr sock_filter jump(unsigned code, std::uint32_t value, unsigned if_true,
                           unsigned if_false) {
    return {static_cast<std::uint16_t>(code), static_cast<std::uint8_t>(if_true),
            static_cast<std::uint8_t>(if_false), value};
}

// What the kernel knows about a frame beside its bytes.
constexpr std::uint32_t ancillary(int offset) {
    return static_cast<std::uint32_t>(SKF_AD_OFF + offset);
}

} // namespace

std::array<sock_filter, packet_filter_instructions> make_packet_filter(std::uint32_t shard,
                                                                       Answers answers) {
    constexpr std::uint32_t whole_frame = 0x40000;
    constexpr std::uint32_t ethertype_offset = 12;
    constexpr std::uint32_t flags_offset = 14;
    constexpr std::uint32_t command_offset = 19;
    constexpr std::uint32_t tag_offset = 20;
    constexpr unsigned load_half = BPF_LD | BPF_H | BPF_ABS;
    constexpr unsigned load_byte = BPF_LD | BPF_B | BPF_ABS;
    constexpr unsigned load_word = BPF_LD | BPF_W | BPF_ABS;
    constexpr unsigned if_equal = BPF_JMP | BPF_JEQ | BPF_K;
    constexpr unsigned if_set = BPF_JMP | BPF_JSET | BPF_K;
    constexpr unsigned accept_or_drop = BPF_RET | BPF_K;
    const bool is_query = answers == Answers::query_config;
    return {{
        statement(load_word, ancillary(SKF_AD_PKTTYPE)),
        jump(if_equal, PACKET_OTHERHOST, 13, 0),
        statement(load_word, ancillary(SKF_AD_VLAN_TAG_PRESENT)),
        jump(if_equal, 0, 0, 11),
        statement(load_half, ethertype_offset),
        jump(if_equal, proto::ethertype_aoe, 0, 9),
        statement(load_byte, flags_offset),
        jump(if_set, proto::flag_response, 0, 7),
        statement(load_byte, command_offset),
        jump(if_equal, static_cast<std::uint32_t>(proto::Command::query_config), is_query ? 0 : 5,
             is_query ? 5 : 0),
        statement(load_word, tag_offset),
        jump(if_equal, 0, is_query ? 2 : 3, 0),
        statement(BPF_ALU | BPF_AND | BPF_K, tag_shard_mask),
        jump(if_equal, tag_shard_pattern(shard), 0, 1),
        statement(accept_or_drop, whole_frame),
        statement(accept_or_drop, 0),
    }};
}

} // namespace uaoe::initiator
