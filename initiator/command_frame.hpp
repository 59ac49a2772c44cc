// What a command looks like on the wire: its ATA fields and its payload. Knows no paths and no
// time.
#pragma once

#include "initiator/command.hpp"
#include "proto/frame.hpp"

namespace uaoe::initiator {

// IDENTIFY, READ, WRITE, DATA SET MANAGEMENT or FLUSH, in the 28- or 48-bit form that the disk has.
[[nodiscard]] proto::AtaFields ata_fields(const Command& command);

// What follows the header, borrowed from the request, from the command's scratch block or from
// zeroes that are always there; empty when nothing does.
[[nodiscard]] proto::ConstBytes payload_of(const Command& command);

// Zeroes that are always there. `bytes`: at most 256 sectors of 512.
[[nodiscard]] proto::ConstBytes zero_payload(std::size_t bytes);

// Writes the block of ranges of a discard (ACS-3 7.5.3.2) of `remaining` sectors from `lba`.
// Returns the sectors it covers: all, or as many as fit.
std::uint32_t fill_discard(proto::Bytes block, Lba lba, SectorCount remaining);

} // namespace uaoe::initiator
