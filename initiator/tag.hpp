// Tags. A fresh one for every transmission, so each answer says which copy it answers.
//
//   bit 31      1: the half the kernel's driver leaves to userspace and ignores in answers, so that
//   both can share
//               a host (drivers/block/aoe/aoenet.c)
//   bits 27-30  shard: the kernel-side packet filter of each shard looks at these
//   bits 14-26  slot of the command pool; the two highest are no slots: administrative questions,
//   and Query Config of discovery
//   bits 0-13   generation, counted up by each transmission from that slot
#pragma once

#include "proto/aoe.hpp"

#include <cstdint>

namespace uaoe::initiator {

inline constexpr std::uint32_t tag_userspace_bit = 1U << 31U;
inline constexpr unsigned tag_shard_shift = 27;
inline constexpr std::uint32_t tag_shards_max = 16;
inline constexpr unsigned tag_slot_shift = 14;
inline constexpr std::uint32_t tag_slots_max = 8190;
inline constexpr std::uint32_t tag_slot_administration = 8190;
inline constexpr std::uint32_t tag_slot_query_config = 8191;
inline constexpr std::uint32_t tag_generation_mask = (1U << tag_slot_shift) - 1;

// What a packet filter compares: bits 27-31.
inline constexpr std::uint32_t tag_shard_mask = 0xf8000000;

struct TagFields {
    std::uint32_t shard = 0;
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;
};

[[nodiscard]] constexpr std::uint32_t tag_shard_pattern(std::uint32_t shard) {
    return tag_userspace_bit | (shard << tag_shard_shift);
}

[[nodiscard]] constexpr proto::Tag make_tag(const TagFields& fields) {
    return {tag_shard_pattern(fields.shard) | (fields.slot << tag_slot_shift) |
            (fields.generation & tag_generation_mask)};
}

[[nodiscard]] constexpr TagFields split_tag(proto::Tag tag) {
    return {(tag.value & ~tag_userspace_bit) >> tag_shard_shift,
            (tag.value >> tag_slot_shift) & 0x1fffU, tag.value & tag_generation_mask};
}

} // namespace uaoe::initiator
