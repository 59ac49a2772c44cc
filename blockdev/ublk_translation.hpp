// Between the words of the block layer and those of the engine: descriptors to requests, statuses
// to errno, an attached LUN to the parameters of a disk. Nothing here does anything.
#pragma once

#include "blockdev/ublk_abi.hpp"
#include "initiator/device.hpp"

#include <cstdint>

namespace uaoe::blockdev {

struct UblkIo {
    std::int32_t error = 0; // -errno: not a request for the engine; the rest means nothing
    initiator::Operation operation = initiator::Operation::read;
    bool fua = false;
    initiator::Lba lba;
    initiator::SectorCount sectors;
    std::uint32_t buffer_bytes = 0; // read and write only
};

// `sector_bytes`: the device's. Its block layer aligns to it; what is not aligned, or longer than
// `io_bytes_max` where there is data, is refused.
[[nodiscard]] UblkIo parse_descriptor(const ublk::IoDescriptor& descriptor,
                                      std::uint32_t sector_bytes, std::uint32_t io_bytes_max);

// The answer to a request: its bytes of data, 0 where it has none, or -errno as block/blk-core.c
// knows them.
[[nodiscard]] std::int32_t ublk_result(initiator::Status status, initiator::Operation operation,
                                       std::uint32_t data_bytes);

[[nodiscard]] ublk::Params make_params(const initiator::DeviceInfo& info,
                                       std::uint32_t io_bytes_max);

} // namespace uaoe::blockdev
