// Where a request is cut into frames.
#include "initiator/splitter.hpp"

#include "proto/assert.hpp"

#include <algorithm>

namespace uaoe::initiator {

std::uint32_t cut_frame(proto::Lba lba, proto::SectorCount remaining,
                        std::uint32_t frame_sectors_max, std::uint32_t block_sectors) {
    UAOE_ASSERT(remaining.value > 0 && frame_sectors_max > 0 && block_sectors > 0);
    if (remaining.value <= frame_sectors_max) {
        return static_cast<std::uint32_t>(remaining.value);
    }
    const auto past_block =
        static_cast<std::uint32_t>((lba.value + frame_sectors_max) % block_sectors);
    if (past_block == 0 || past_block >= frame_sectors_max) {
        return frame_sectors_max;
    }
    const std::uint32_t aligned = frame_sectors_max - past_block;
    const auto frames = [&](std::uint64_t sectors, std::uint32_t per_frame) {
        return (sectors + per_frame - 1) / per_frame;
    };
    // After the first aligned cut the following frames carry whole blocks.
    const std::uint32_t whole_blocks =
        std::max(frame_sectors_max / block_sectors * block_sectors, 1U);
    const std::uint64_t frames_aligned = 1 + frames(remaining.value - aligned, whole_blocks);
    return frames_aligned <= frames(remaining.value, frame_sectors_max) ? aligned
                                                                        : frame_sectors_max;
}

} // namespace uaoe::initiator
