// Parsing and writing of AoE frames.
#include "proto/frame.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace uaoe::proto {

namespace {

MacAddress mac_at(ConstBytes bytes, std::size_t offset) {
    const auto mac = load<MacAddress>(bytes, offset);
    UAOE_ASSERT(mac.has_value());
    return *mac;
}

// The first `count` whole entries of `entry_bytes` that are really in `bytes`.
ConstBytes whole_entries(ConstBytes bytes, std::size_t entry_bytes, std::size_t count) {
    return bytes.first(std::min(bytes.size() / entry_bytes, count) * entry_bytes);
}

void copy_bytes(Bytes out, std::size_t offset, ConstBytes from) {
    UAOE_ASSERT(out.size() >= offset && out.size() - offset >= from.size());
    std::ranges::copy(from, out.begin() + static_cast<std::ptrdiff_t>(offset));
}

} // namespace

std::optional<Frame> parse_frame(ConstBytes bytes) {
    std::optional<Frame> parsed; // made in its place
    EthernetHeader ethernet;
    AoeHeader aoe;
    if (!load_into(ethernet, bytes) || !load_into(aoe, bytes, sizeof(EthernetHeader)) ||
        ethernet.ethertype.value() != ethertype_aoe) {
        return parsed;
    }
    Frame& frame = parsed.emplace();
    frame.destination = ethernet.destination;
    frame.source = ethernet.source;
    frame.version = aoe.version_flags >> 4U;
    frame.is_response = (aoe.version_flags & flag_response) != 0;
    frame.is_error = (aoe.version_flags & flag_error) != 0;
    frame.error = frame.is_error ? static_cast<AoeError>(aoe.error) : AoeError::none;
    frame.address = {aoe.shelf.value(), aoe.slot};
    frame.command = static_cast<Command>(aoe.command);
    frame.tag = {aoe.tag.value()};
    frame.argument = bytes.subspan(aoe_frame_header_bytes);
    return parsed;
}

std::optional<AtaFields> parse_ata(ConstBytes argument) {
    AtaArgument wire;
    if (!load_into(wire, argument)) {
        return std::nullopt;
    }
    return AtaFields{.flags = wire.flags,
                     .error_feature = wire.error_feature,
                     .sector_count = wire.sector_count,
                     .command_status = wire.command_status,
                     .lba = {wire.lba.value()},
                     .data = argument.subspan(sizeof(AtaArgument))};
}

std::optional<QueryConfigFields> parse_query_config(ConstBytes argument) {
    const auto wire = load<QueryConfigArgument>(argument);
    if (!wire) {
        return std::nullopt;
    }
    const ConstBytes rest = argument.subspan(sizeof(QueryConfigArgument));
    const std::size_t string_bytes = wire->string_bytes.value();
    if (string_bytes > config_string_bytes_max || string_bytes > rest.size()) {
        return std::nullopt;
    }
    return QueryConfigFields{.buffer_count = wire->buffer_count.value(),
                             .firmware_version = wire->firmware_version.value(),
                             .sectors_per_frame = wire->sectors_per_frame,
                             .version = static_cast<std::uint8_t>(wire->version_command >> 4U),
                             .command = static_cast<ConfigCommand>(wire->version_command & 0xfU),
                             .string = rest.first(string_bytes)};
}

std::optional<MacMaskFields> parse_mac_mask(ConstBytes argument) {
    const auto wire = load<MacMaskArgument>(argument);
    if (!wire) {
        return std::nullopt;
    }
    return MacMaskFields{.command = static_cast<MaskCommand>(wire->command),
                         .error = static_cast<MaskError>(wire->error),
                         .directive_count = wire->directive_count,
                         .directives = whole_entries(argument.subspan(sizeof(MacMaskArgument)),
                                                     sizeof(MacMaskEntry), wire->directive_count)};
}

MacMaskEntry mac_mask_entry(const MacMaskFields& fields, std::size_t index) {
    const auto entry = load<MacMaskEntry>(fields.directives, index * sizeof(MacMaskEntry));
    UAOE_ASSERT(entry.has_value());
    return *entry;
}

std::optional<ReserveFields> parse_reserve(ConstBytes argument) {
    const auto wire = load<ReserveArgument>(argument);
    if (!wire) {
        return std::nullopt;
    }
    return ReserveFields{.command = static_cast<ReserveCommand>(wire->command),
                         .mac_count = wire->mac_count,
                         .macs = whole_entries(argument.subspan(sizeof(ReserveArgument)),
                                               sizeof(MacAddress), wire->mac_count)};
}

MacAddress reserve_mac(const ReserveFields& fields, std::size_t index) {
    return mac_at(fields.macs, index * sizeof(MacAddress));
}

// This and write_ata() are on the data path, and write each field to its place: a struct that is
// filled on the stack and copied from there in larger pieces waits for its stores.
std::size_t write_frame_header(Bytes out, const FrameHeader& header) {
    UAOE_ASSERT(out.size() >= aoe_frame_header_bytes);
    const Bytes ethernet = out.first<sizeof(EthernetHeader)>();
    store(ethernet, header.destination, offsetof(EthernetHeader, destination));
    store(ethernet, header.source, offsetof(EthernetHeader, source));
    store(ethernet, big_uint16_buf_t(ethertype_aoe), offsetof(EthernetHeader, ethertype));
    const Bytes aoe = out.subspan<sizeof(EthernetHeader), sizeof(AoeHeader)>();
    store(aoe, header.version_flags, offsetof(AoeHeader, version_flags));
    store(aoe, static_cast<std::uint8_t>(header.error), offsetof(AoeHeader, error));
    store(aoe, big_uint16_buf_t(header.address.shelf), offsetof(AoeHeader, shelf));
    store(aoe, header.address.slot, offsetof(AoeHeader, slot));
    store(aoe, static_cast<std::uint8_t>(header.command), offsetof(AoeHeader, command));
    store(aoe, big_uint32_buf_t(header.tag.value), offsetof(AoeHeader, tag));
    return aoe_frame_header_bytes;
}

std::size_t write_ata(Bytes out, const FrameHeader& header, const AtaFields& fields) {
    UAOE_ASSERT(fields.lba.value < lba48_sectors_max); // the field holds no more
    UAOE_ASSERT(out.size() >= ata_frame_header_bytes);
    write_frame_header(out, header);
    const Bytes ata = out.subspan<aoe_frame_header_bytes, sizeof(AtaArgument)>();
    store(ata, fields.flags, offsetof(AtaArgument, flags));
    store(ata, fields.error_feature, offsetof(AtaArgument, error_feature));
    store(ata, fields.sector_count, offsetof(AtaArgument, sector_count));
    store(ata, fields.command_status, offsetof(AtaArgument, command_status));
    store(ata, little_uint48_buf_t(fields.lba.value), offsetof(AtaArgument, lba));
    store(ata, std::array<std::uint8_t, 2>{}, offsetof(AtaArgument, reserved));
    copy_bytes(out, ata_frame_header_bytes, fields.data);
    return ata_frame_header_bytes + fields.data.size();
}

std::size_t write_query_config(Bytes out, const FrameHeader& header,
                               const QueryConfigFields& fields) {
    UAOE_ASSERT(fields.string.size() <= config_string_bytes_max);
    std::size_t used = write_frame_header(out, header);
    QueryConfigArgument wire{};
    wire.buffer_count = fields.buffer_count;
    wire.firmware_version = fields.firmware_version;
    wire.sectors_per_frame = fields.sectors_per_frame;
    wire.version_command = static_cast<std::uint8_t>((unsigned{fields.version} << 4U) |
                                                     static_cast<unsigned>(fields.command));
    wire.string_bytes = static_cast<std::uint16_t>(fields.string.size());
    store(out, wire, used);
    used += sizeof(wire);
    copy_bytes(out, used, fields.string);
    return used + fields.string.size();
}

std::size_t write_mac_mask(Bytes out, const FrameHeader& header, MaskCommand command,
                           MaskError error, std::span<const MacMaskEntry> directives) {
    UAOE_ASSERT(directives.size() <= 255);
    std::size_t used = write_frame_header(out, header);
    store(out,
          MacMaskArgument{.reserved = 0,
                          .command = static_cast<std::uint8_t>(command),
                          .error = static_cast<std::uint8_t>(error),
                          .directive_count = static_cast<std::uint8_t>(directives.size())},
          used);
    used += sizeof(MacMaskArgument);
    copy_bytes(out, used, std::as_bytes(directives));
    return used + directives.size_bytes();
}

std::size_t write_reserve(Bytes out, const FrameHeader& header, ReserveCommand command,
                          std::span<const MacAddress> macs) {
    UAOE_ASSERT(macs.size() <= 255);
    std::size_t used = write_frame_header(out, header);
    store(out,
          ReserveArgument{.command = static_cast<std::uint8_t>(command),
                          .mac_count = static_cast<std::uint8_t>(macs.size())},
          used);
    used += sizeof(ReserveArgument);
    copy_bytes(out, used, std::as_bytes(macs));
    return used + macs.size_bytes();
}

std::size_t pad_frame(Bytes out, std::size_t used) {
    if (used >= ethernet_frame_bytes_min) {
        return used;
    }
    UAOE_ASSERT(out.size() >= ethernet_frame_bytes_min);
    std::ranges::fill(out.subspan(used, ethernet_frame_bytes_min - used), std::byte{0});
    return ethernet_frame_bytes_min;
}

} // namespace uaoe::proto
