// Frame parsers: any bytes are taken without harm, and what is parsed, written and parsed
// again has the same values.
#include "proto/frame.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

using namespace uaoe;
using namespace uaoe::proto;

namespace {

constexpr std::size_t out_bytes = 16384;

bool is_equal(ConstBytes a, ConstBytes b) {
    return std::ranges::equal(a, b);
}

FrameHeader header_of(const Frame& frame) {
    return {.destination = frame.destination,
            .source = frame.source,
            .version_flags = static_cast<std::uint8_t>((unsigned{frame.version} << 4U) |
                                                       (frame.is_response ? flag_response : 0U) |
                                                       (frame.is_error ? flag_error : 0U)),
            .error = frame.error,
            .address = frame.address,
            .command = frame.command,
            .tag = frame.tag};
}

// What was written must parse to the header it was written from; gives the argument back.
ConstBytes check_header(ConstBytes written, const Frame& frame) {
    const auto again = parse_frame(written);
    UAOE_ASSERT(again.has_value());
    UAOE_ASSERT(again->destination == frame.destination && again->source == frame.source);
    UAOE_ASSERT(again->version == frame.version && again->is_response == frame.is_response);
    UAOE_ASSERT(again->is_error == frame.is_error && again->error == frame.error);
    UAOE_ASSERT(again->address == frame.address && again->command == frame.command);
    UAOE_ASSERT(again->tag == frame.tag);
    return again->argument;
}

void check_ata(Bytes out, const Frame& frame) {
    const auto fields = parse_ata(frame.argument);
    UAOE_ASSERT(fields.has_value() == (frame.argument.size() >= sizeof(AtaArgument)));
    if (!fields) {
        return;
    }
    const std::size_t used = write_ata(out, header_of(frame), *fields);
    const auto again = parse_ata(check_header(out.first(used), frame));
    UAOE_ASSERT(again.has_value());
    UAOE_ASSERT(again->flags == fields->flags && again->error_feature == fields->error_feature);
    UAOE_ASSERT(again->sector_count == fields->sector_count);
    UAOE_ASSERT(again->command_status == fields->command_status && again->lba == fields->lba);
    UAOE_ASSERT(is_equal(again->data, fields->data));
}

void check_query_config(Bytes out, const Frame& frame) {
    const auto fields = parse_query_config(frame.argument);
    if (!fields) {
        return;
    }
    UAOE_ASSERT(fields->string.size() <= config_string_bytes_max);
    const std::size_t used = write_query_config(out, header_of(frame), *fields);
    const auto again = parse_query_config(check_header(out.first(used), frame));
    UAOE_ASSERT(again.has_value());
    UAOE_ASSERT(again->buffer_count == fields->buffer_count);
    UAOE_ASSERT(again->firmware_version == fields->firmware_version);
    UAOE_ASSERT(again->sectors_per_frame == fields->sectors_per_frame);
    UAOE_ASSERT(again->version == fields->version && again->command == fields->command);
    UAOE_ASSERT(is_equal(again->string, fields->string));
}

void check_mac_mask(Bytes out, const Frame& frame) {
    const auto fields = parse_mac_mask(frame.argument);
    if (!fields) {
        return;
    }
    const std::size_t count = fields->directives.size() / sizeof(MacMaskEntry);
    UAOE_ASSERT(count <= fields->directive_count);
    std::vector<MacMaskEntry> entries;
    for (std::size_t index = 0; index < count; ++index) {
        entries.push_back(mac_mask_entry(*fields, index));
    }
    const std::size_t used =
        write_mac_mask(out, header_of(frame), fields->command, fields->error, entries);
    const auto again = parse_mac_mask(check_header(out.first(used), frame));
    UAOE_ASSERT(again.has_value() && again->command == fields->command);
    UAOE_ASSERT(again->error == fields->error && again->directive_count == count);
    UAOE_ASSERT(is_equal(again->directives, fields->directives));
}

void check_reserve(Bytes out, const Frame& frame) {
    const auto fields = parse_reserve(frame.argument);
    if (!fields) {
        return;
    }
    const std::size_t count = fields->macs.size() / sizeof(MacAddress);
    UAOE_ASSERT(count <= fields->mac_count);
    std::vector<MacAddress> macs;
    for (std::size_t index = 0; index < count; ++index) {
        macs.push_back(reserve_mac(*fields, index));
    }
    const std::size_t used = write_reserve(out, header_of(frame), fields->command, macs);
    const auto again = parse_reserve(check_header(out.first(used), frame));
    UAOE_ASSERT(again.has_value() && again->command == fields->command);
    UAOE_ASSERT(again->mac_count == count && is_equal(again->macs, fields->macs));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > out_bytes / 2) {
        return 0;
    }
    const ConstBytes bytes = std::as_bytes(std::span(data, size));
    const auto frame = parse_frame(bytes);
    if (!frame) {
        return 0;
    }
    static std::array<std::byte, out_bytes> out;
    check_header(Bytes(out).first(write_frame_header(out, header_of(*frame))), *frame);
    // Each parser sees every argument: a target may answer with another command than was asked.
    check_ata(out, *frame);
    check_query_config(out, *frame);
    check_mac_mask(out, *frame);
    check_reserve(out, *frame);
    return 0;
}
