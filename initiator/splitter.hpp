// Where a request is cut into frames. A pure function, so that it can be tested exhaustively.
#pragma once

#include "proto/units.hpp"

#include <cstdint>

namespace uaoe::initiator {

// Sectors of the next frame of a range of `remaining` sectors that starts at `lba`, where a frame
// carries up to `frame_sectors_max` (>= 1) of them. 1..min(remaining, frame_sectors_max).
//
// A cut at a multiple of `block_sectors` (a page or a physical sector; >= 1) spares the target a
// read-modify-write, but is taken only when the range needs no more frames than it would without.
[[nodiscard]] std::uint32_t cut_frame(proto::Lba lba, proto::SectorCount remaining,
                                      std::uint32_t frame_sectors_max, std::uint32_t block_sectors);

} // namespace uaoe::initiator
