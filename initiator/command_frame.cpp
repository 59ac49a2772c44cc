// What a command looks like on the wire.
#include "initiator/command_frame.hpp"

#include "initiator/target.hpp"
#include "proto/assert.hpp"

#include <algorithm>
#include <array>

namespace uaoe::initiator {

namespace {

alignas(64) constexpr std::array<std::byte, 256UL * 512> zeroes{};

// READ or WRITE SECTORS; the 28-bit forms carry the top of the LBA in the device register, whose
// upper bits are fixed (ACS-3 7.21; drivers/block/aoe/aoecmd.c).
proto::AtaFields transfer_fields(const DeviceInfo& info, const Command& command, bool is_write) {
    constexpr std::uint64_t lba28_mask = 0x0fffffff;
    constexpr std::uint64_t lba28_device_bits = 0xe0000000;
    using enum proto::AtaCommand;
    const bool extended = info.identify.lba48;
    const proto::AtaCommand opcode = is_write ? (extended ? write_sectors_ext : write_sectors)
                                              : (extended ? read_sectors_ext : read_sectors);
    return {.flags = static_cast<std::uint8_t>((extended ? proto::ata_flag_extended : 0U) |
                                               (is_write ? proto::ata_flag_write : 0U)),
            .error_feature = 0,
            .sector_count = static_cast<std::uint8_t>(command.sectors),
            .command_status = static_cast<std::uint8_t>(opcode),
            .lba = {extended ? command.lba.value
                             : ((command.lba.value & lba28_mask) | lba28_device_bits)},
            .data = {}};
}

} // namespace

proto::AtaFields ata_fields(const Command& command) {
    using enum proto::AtaCommand;
    if (command.kind == CommandKind::identify) {
        return {.flags = 0,
                .error_feature = 0,
                .sector_count = 1,
                .command_status = static_cast<std::uint8_t>(identify_device),
                .lba = {0xa0000000},
                .data = {}};
    }
    const DeviceInfo& info = command.device->info;
    if (command.kind == CommandKind::flush) {
        const bool extended = info.identify.flush_cache_ext;
        return {.flags = extended ? proto::ata_flag_extended : std::uint8_t{0},
                .error_feature = 0,
                .sector_count = 0,
                .command_status =
                    static_cast<std::uint8_t>(extended ? flush_cache_ext : flush_cache),
                .lba = {},
                .data = {}};
    }
    if (command.operation == Operation::discard) {
        return {.flags = proto::ata_flag_extended | proto::ata_flag_write,
                .error_feature = proto::dsm_feature_trim,
                .sector_count = 1,
                .command_status = static_cast<std::uint8_t>(data_set_management),
                .lba = {},
                .data = {}};
    }
    return transfer_fields(info, command, command.operation != Operation::read);
}

proto::ConstBytes payload_of(const Command& command) {
    if (command.kind != CommandKind::data || command.operation == Operation::read) {
        return {};
    }
    if (command.operation == Operation::discard) {
        return command.scratch;
    }
    const std::size_t bytes =
        static_cast<std::size_t>(command.sectors) * command.device->info.sector_bytes;
    if (command.operation == Operation::write_zeroes) {
        return proto::ConstBytes(zeroes).first(bytes);
    }
    return command.request->buffer.subspan(static_cast<std::size_t>(command.buffer_offset_bytes),
                                           bytes);
}

proto::ConstBytes zero_payload(std::size_t bytes) {
    UAOE_ASSERT(bytes <= zeroes.size());
    return proto::ConstBytes(zeroes).first(bytes);
}

std::uint32_t fill_discard(proto::Bytes block, Lba lba, SectorCount remaining) {
    std::ranges::fill(block, std::byte{0});
    std::uint64_t covered = 0;
    for (std::size_t i = 0; i < proto::dsm_ranges_per_block && covered < remaining.value; ++i) {
        const std::uint64_t sectors =
            std::min<std::uint64_t>(remaining.value - covered, proto::dsm_sectors_per_range_max);
        boost::endian::little_uint64_buf_t entry;
        entry = proto::dsm_entry(lba.value + covered, static_cast<std::uint16_t>(sectors));
        proto::store(block, entry, i * sizeof(entry));
        covered += sectors;
    }
    return static_cast<std::uint32_t>(covered);
}

} // namespace uaoe::initiator
