// The model target's disk: what each ATA command does and how it ends. Not the AoE around it
// (model_target.cpp).
#include "tests/target/model_target_exchange.hpp"

#include "proto/ata.hpp"

#include <algorithm>

namespace uaoe::target {

using proto::AoeError;
using proto::AtaCommand;
using proto::AtaFields;

namespace {

constexpr std::uint64_t lba28_mask = 0x0fff'ffff;
constexpr std::size_t trim_block_bytes = 512; // whatever the logical sector is (ACS-3 7.5.3)

std::uint64_t little_u64(proto::ConstBytes bytes, std::size_t offset) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 8; ++i) {
        value |= std::to_integer<std::uint64_t>(bytes[offset + i]) << (8 * i);
    }
    return value;
}

struct TrimRange {
    std::uint64_t lba;
    std::uint64_t sectors;
};

TrimRange trim_range(proto::ConstBytes data, std::size_t index) {
    const std::uint64_t entry = little_u64(data, index * 8);
    return {.lba = entry & 0xffff'ffff'ffffULL, .sectors = entry >> 48U};
}

bool is_write_command(AtaCommand command) {
    return command == AtaCommand::write_sectors || command == AtaCommand::write_sectors_ext ||
           command == AtaCommand::data_set_management;
}

} // namespace

ModelTarget::AtaResult ModelTarget::run_ata(const Exchange& exchange, const AtaFields& ata) {
    const auto command = static_cast<AtaCommand>(ata.command_status);
    if (config_.quirks.read_only && is_write_command(command)) {
        return AtaResult::aborted(ata.sector_count);
    }
    switch (command) {
    case AtaCommand::read_sectors:
    case AtaCommand::read_sectors_ext:
        return run_transfer(exchange, ata, false);
    case AtaCommand::write_sectors:
    case AtaCommand::write_sectors_ext:
        return run_transfer(exchange, ata, true);
    case AtaCommand::flush_cache:
    case AtaCommand::flush_cache_ext:
        return run_flush(ata);
    case AtaCommand::data_set_management:
        return run_trim(ata);
    case AtaCommand::check_power_mode:
        return {.sector_count = 0xff}; // active or idle
    case AtaCommand::identify_device:
        return run_identify(exchange, ata);
    case AtaCommand::smart:
        return run_smart(exchange, ata);
    }
    return AtaResult::aborted(ata.sector_count);
}

ModelTarget::AtaResult ModelTarget::run_transfer(const Exchange& exchange, const AtaFields& ata,
                                                 bool is_write) {
    const auto command = static_cast<AtaCommand>(ata.command_status);
    const bool is_28_bit =
        command == AtaCommand::read_sectors || command == AtaCommand::write_sectors;
    const std::uint64_t sector_bytes = config_.identify.logical_sector_bytes;
    const std::size_t bytes = static_cast<std::size_t>(ata.sector_count * sector_bytes);
    const std::size_t bytes_max = sectors_advertised(exchange.mtu_bytes) * 512U;
    const bool says_write = (ata.flags & proto::ata_flag_write) != 0;
    if (bytes > bytes_max || says_write != is_write || (is_write && ata.data.size() < bytes) ||
        (!is_write && proto::ata_frame_header_bytes + bytes > exchange.frame_bytes_max())) {
        return {.aoe_error = AoeError::bad_argument};
    }
    const std::uint64_t lba = is_28_bit ? ata.lba.value & lba28_mask : ata.lba.value;
    const std::uint64_t sectors = config_.identify.sectors.value;
    if (lba > sectors || ata.sector_count > sectors - lba) {
        return AtaResult::not_found(ata.sector_count);
    }
    const std::uint64_t offset = lba * sector_bytes;
    if (is_write) {
        return storage_->write(offset, ata.data.first(bytes))
                   ? AtaResult{}
                   : AtaResult::faulted(ata.sector_count);
    }
    AtaResult result;
    result.data_bytes = bytes;
    result.borrowed = storage_->view(offset, bytes);
    if (result.borrowed.empty() && bytes > 0 &&
        !storage_->read(offset, exchange.reply.subspan(proto::ata_frame_header_bytes, bytes))) {
        return {.status = status_failed,
                .error = proto::ata_error_uncorrectable,
                .sector_count = ata.sector_count};
    }
    if (config_.quirks.short_read_data && bytes > 0) {
        result.data_bytes -= 512;
        result.borrowed =
            result.borrowed.first(std::min(result.borrowed.size(), result.data_bytes));
    }
    return result;
}

ModelTarget::AtaResult ModelTarget::run_flush(const AtaFields& ata) {
    const bool is_ext = static_cast<AtaCommand>(ata.command_status) == AtaCommand::flush_cache_ext;
    const bool is_known = is_ext ? config_.identify.flush_cache_ext : config_.identify.flush_cache;
    if (config_.quirks.flush_aborts) {
        return AtaResult::aborted(ata.sector_count);
    }
    if (config_.quirks.flush_echoes_command) {
        return {.status = ata.command_status}; // and nothing was flushed
    }
    if (!is_known) {
        return AtaResult::aborted(ata.sector_count);
    }
    return storage_->flush() ? AtaResult{} : AtaResult::faulted(ata.sector_count);
}

ModelTarget::AtaResult ModelTarget::run_trim(const AtaFields& ata) {
    if (!config_.identify.trim || ata.error_feature != proto::dsm_feature_trim ||
        ata.sector_count == 0 || ata.sector_count > config_.identify.trim_blocks_max) {
        return AtaResult::aborted(ata.sector_count);
    }
    const std::size_t bytes = ata.sector_count * trim_block_bytes;
    if ((ata.flags & proto::ata_flag_write) == 0 || ata.data.size() < bytes) {
        return {.aoe_error = AoeError::bad_argument};
    }
    // All ranges are checked before the first is trimmed, so a failed command leaves the disk as it
    // was.
    const std::uint64_t sectors = config_.identify.sectors.value;
    for (std::size_t i = 0; i < bytes / 8; ++i) {
        const TrimRange range = trim_range(ata.data, i);
        if (range.sectors > 0 && (range.lba > sectors || range.sectors > sectors - range.lba)) {
            return AtaResult::not_found(ata.sector_count);
        }
    }
    const std::uint64_t sector_bytes = config_.identify.logical_sector_bytes;
    for (std::size_t i = 0; i < bytes / 8; ++i) {
        const TrimRange range = trim_range(ata.data, i);
        if (range.sectors > 0 &&
            !storage_->discard(range.lba * sector_bytes, range.sectors * sector_bytes)) {
            return AtaResult::faulted(ata.sector_count);
        }
    }
    return {};
}

ModelTarget::AtaResult ModelTarget::run_identify(const Exchange& exchange, const AtaFields& ata) {
    if (config_.quirks.mute_identify) {
        return {.is_silent = true};
    }
    if (ata.sector_count != 1) {
        return {.aoe_error = AoeError::bad_argument};
    }
    if (exchange.frame_bytes_max() < proto::ata_frame_header_bytes + proto::identify_bytes) {
        return {.is_silent = true};
    }
    proto::SectorCount& sectors = config_.identify.sectors;
    sectors = std::max(sectors, proto::SectorCount{storage_->size_bytes_now() /
                                                   config_.identify.logical_sector_bytes});
    const auto data = proto::make_identify(config_.identify);
    std::ranges::copy(data, exchange.reply.begin() + proto::ata_frame_header_bytes);
    return {.data_bytes = data.size()};
}

} // namespace uaoe::target
