// IDENTIFY data for people.
#include "tools/text.hpp"

#include <fmt/format.h>

namespace uaoe::tools {

namespace {

std::string_view flush_text(const proto::Identify& identify) {
    if (identify.flush_cache_ext) {
        return "FLUSH CACHE EXT";
    }
    return identify.flush_cache ? "FLUSH CACHE" : "not supported";
}

std::string_view support_text(bool supported, bool enabled) {
    if (!supported) {
        return "not reported"; // older targets set no feature words, whatever they have
    }
    return enabled ? "enabled" : "supported, disabled";
}

std::string trim_text(const proto::Identify& identify) {
    if (!identify.trim) {
        return "not supported";
    }
    return fmt::format("supported, up to {} blocks of ranges{}", identify.trim_blocks_max,
                       identify.trim_reads_zeroes ? ", reads back as zeroes" : "");
}

std::string rotation_text(std::uint16_t rate) {
    if (rate == 1) {
        return "none (solid state)";
    }
    // ACS-3 7.12.7.78: 0 is not reported, 0002h-0400h and FFFFh are reserved
    return rate > 0x400 && rate != 0xffff ? fmt::format("{} rpm", rate) : "not reported";
}

} // namespace

std::string identify_text(const initiator::TargetStatus& target) {
    const proto::Identify& identify = target.identify;
    std::string text;
    const auto add = [&](std::string_view name, std::string_view value) {
        text += fmt::format("{:<18}{}\n", name, value);
    };
    add("address", proto::to_string(target.address));
    add("model", visible_text(identify.model.view()));
    add("serial", visible_text(identify.serial.view()));
    add("firmware", visible_text(identify.firmware.view()));
    add("size", fmt::format("{} ({} bytes, {} sectors)", size_text(size_bytes_of(identify)),
                            size_bytes_of(identify), identify.sectors.value));
    add("addressing", identify.lba48 ? "LBA48" : "LBA28");
    add("sector size", fmt::format("{} bytes logical, {} bytes physical",
                                   identify.logical_sector_bytes, identify.physical_sector_bytes));
    if (identify.alignment_sectors != 0) {
        add("alignment", fmt::format("sector 0 is {} sectors into its physical sector",
                                     identify.alignment_sectors));
    }
    add("write cache", support_text(identify.write_cache_supported, identify.write_cache_enabled));
    add("flush", flush_text(identify));
    add("trim", trim_text(identify));
    add("SMART", support_text(identify.smart_supported, identify.smart_enabled));
    add("rotation", rotation_text(identify.rotation_rate));
    add("AoE firmware", fmt::format("{:#06x}", target.firmware_version));
    return text;
}

std::string identify_words(std::span<const std::byte, proto::identify_bytes> identify_data) {
    std::string text;
    for (std::size_t i = 0; i < identify_data.size(); i += 2) {
        const bool is_last_of_line = i % 16 == 14;
        text +=
            fmt::format("{:02x}{:02x}{}", std::to_integer<unsigned>(identify_data[i + 1]),
                        std::to_integer<unsigned>(identify_data[i]), is_last_of_line ? "\n" : " ");
    }
    return text;
}

} // namespace uaoe::tools
