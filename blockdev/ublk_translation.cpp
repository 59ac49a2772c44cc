// Tables, mostly.
#include "blockdev/ublk_translation.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>

namespace uaoe::blockdev {

namespace {

using initiator::Operation;
using initiator::Status;

// One discard or write-zeroes the kernel may ask for; the engine takes any. A discard is a few
// commands. Zeroes are written: one request is not to keep the disk busy for seconds, because
// nobody can stop it half-way.
constexpr std::uint32_t discard_bytes_max = 1U << 30U;
constexpr std::uint32_t write_zeroes_bytes_max = 32U << 20U;

std::uint8_t shift_of(std::uint64_t bytes) {
    return static_cast<std::uint8_t>(std::bit_width(bytes) - 1);
}

} // namespace

UblkIo parse_descriptor(const ublk::IoDescriptor& descriptor, std::uint32_t sector_bytes,
                        std::uint32_t io_bytes_max) {
    UblkIo io;
    bool has_data = false;
    switch (descriptor.operation_flags & ublk::io_operation_mask) {
    case ublk::io_read:
        io.operation = Operation::read;
        has_data = true;
        break;
    case ublk::io_write:
        io.operation = Operation::write;
        has_data = true;
        break;
    case ublk::io_flush:
        io.operation = Operation::flush;
        return io; // without a range
    case ublk::io_discard:
        io.operation = Operation::discard;
        break;
    case ublk::io_write_zeroes:
        io.operation = Operation::write_zeroes;
        break;
    default:
        io.error = -EOPNOTSUPP;
        return io;
    }
    io.fua = (descriptor.operation_flags & ublk::io_flag_fua) != 0;
    const std::uint32_t factor = sector_bytes >> ublk::sector_shift;
    const std::uint64_t bytes = std::uint64_t{descriptor.sectors_count} << ublk::sector_shift;
    if (bytes == 0 || descriptor.sector_first % factor != 0 ||
        descriptor.sectors_count % factor != 0 || (has_data && bytes > io_bytes_max)) {
        io.error = -EINVAL;
        return io;
    }
    io.lba.value = descriptor.sector_first / factor;
    io.sectors.value = descriptor.sectors_count / factor;
    io.buffer_bytes = has_data ? static_cast<std::uint32_t>(bytes) : 0;
    return io;
}

// Never -EAGAIN or -ENOMEM: the block layer has its own ideas of those. md, dm-multipath and the
// file systems treat every error alike but for those that say another path will not help (ENOSPC,
// EREMOTEIO, EBADE, EOPNOTSUPP).
std::int32_t ublk_result(Status status, Operation operation, std::uint32_t data_bytes) {
    switch (status) {
    case Status::ok:
        return static_cast<std::int32_t>(data_bytes);
    case Status::io_error:
    case Status::unavailable:
    case Status::cancelled:
    // Not ETIMEDOUT: programs expect EIO of a disk, as the kernel's aoe driver answers, too; and
    // it stays the same when the device turns to failing all at once.
    case Status::timed_out:
        return -EIO;
    case Status::reserved:
        return -EBADE;
    case Status::out_of_range:
        return operation == Operation::write || operation == Operation::write_zeroes ? -ENOSPC
                                                                                     : -EIO;
    case Status::read_only:
        return -EREMOTEIO; // the block layer has no EROFS; this is what a write-protected disk says
    case Status::unsupported:
        // fsync() takes EOPNOTSUPP of a flush for success. We have said that there is one.
        return operation == Operation::flush ? -EIO : -EOPNOTSUPP;
    case Status::invalid:
        return -EINVAL;
    }
    return -EIO;
}

ublk::Params make_params(const initiator::DeviceInfo& info, std::uint32_t io_bytes_max) {
    const std::uint32_t physical_bytes =
        std::max(info.sector_bytes, info.identify.physical_sector_bytes);
    ublk::Params params;
    params.types = ublk::params_basic;
    ublk::BasicParams& basic = params.basic;
    basic.logical_block_shift = shift_of(info.sector_bytes);
    basic.physical_block_shift = shift_of(physical_bytes);
    basic.io_min_shift = basic.physical_block_shift;
    // Two of these are read ahead, which a network wants; the kernel's aoe driver says 2 MiB.
    basic.io_optimal_shift = std::max(shift_of(io_bytes_max), basic.physical_block_shift);
    basic.sectors_max = io_bytes_max >> ublk::sector_shift;
    basic.device_sectors = info.sectors.value * (info.sector_bytes >> ublk::sector_shift);
    if (info.read_only) {
        basic.attributes |= ublk::attribute_read_only;
    }
    if (info.identify.rotation_rate > 1) {
        basic.attributes |= ublk::attribute_rotational;
    }
    if (info.can_flush) { // else a promise nobody keeps
        basic.attributes |= ublk::attribute_volatile_cache | ublk::attribute_fua;
    }
    if (!info.read_only) {
        // Write-zeroes come under this heading, also where there is no discard.
        params.types |= ublk::params_discard;
        params.discard.granularity = physical_bytes;
        params.discard.write_zeroes_sectors_max = write_zeroes_bytes_max >> ublk::sector_shift;
        if (info.can_discard) {
            params.discard.discard_sectors_max = discard_bytes_max >> ublk::sector_shift;
            params.discard.discard_segments_max = 1;
        }
    }
    return params;
}

} // namespace uaoe::blockdev
