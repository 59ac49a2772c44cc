// The model target's AoE: who may talk to it, its four commands, its errors, its quirks. What an
// ATA command does to the disk is in model_target_ata.cpp.
#include "tests/target/model_target_exchange.hpp"

#include <algorithm>
#include <array>

namespace uaoe::target {

using proto::Address;
using proto::AoeError;
using proto::Command;
using proto::ConfigCommand;
using proto::MacAddress;

namespace {

constexpr std::size_t list_count_max = 255; // a count field of one octet

bool contains(const std::vector<MacAddress>& list, const MacAddress& mac) {
    return std::ranges::find(list, mac) != list.end();
}

std::string_view text_of(proto::ConstBytes bytes) {
    // char may look at any bytes; string_view is what std::string compares and assigns.
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

proto::ConstBytes bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

proto::FrameHeader with_error(proto::FrameHeader header, AoeError error) {
    if (error != AoeError::none) {
        header.version_flags |= proto::flag_error;
        header.error = error;
    }
    return header;
}

// Up to 60 bytes, with what was in the buffer before, as targets that answer in place do.
std::size_t pad_with_leftovers(proto::Bytes reply, std::size_t used, proto::ConstBytes request) {
    for (std::size_t i = used; i < proto::ethernet_frame_bytes_min; ++i) {
        reply[i] = i < request.size() ? request[i] : std::byte{0};
    }
    return std::max(used, proto::ethernet_frame_bytes_min);
}

} // namespace

ModelTarget::ModelTarget(LunConfig config, Storage& storage)
    : config_(std::move(config)), storage_(&storage) {
    UAOE_ASSERT(!config_.address.is_broadcast());
    UAOE_ASSERT(config_.config_string.size() <= proto::config_string_bytes_max);
    UAOE_ASSERT(config_.identify.logical_sector_bytes % 512 == 0);
    restart();
}

void ModelTarget::restart() {
    config_string_ = config_.config_string;
    mask_list_ = config_.mask_list;
    reserved_for_ = config_.reserved_for;
}

bool ModelTarget::is_for_us(const proto::Frame& frame) const {
    const Address address = frame.address;
    return !frame.is_response &&
           (address.shelf == config_.address.shelf ||
            address.shelf == proto::broadcast_address.shelf) &&
           (address.slot == config_.address.slot || address.slot == proto::broadcast_address.slot);
}

// An empty list lets everyone in (AoEr11 3.3).
bool ModelTarget::is_masked_out(const MacAddress& source) const {
    return !mask_list_.empty() && !contains(mask_list_, source);
}

bool ModelTarget::is_reserved_for_others(const MacAddress& source) const {
    return !reserved_for_.empty() && !contains(reserved_for_, source);
}

std::uint8_t ModelTarget::sectors_advertised(std::uint32_t mtu_bytes) const {
    return config_.sectors_per_frame != 0
               ? config_.sectors_per_frame
               : static_cast<std::uint8_t>(proto::sectors_per_frame_of_mtu(mtu_bytes, 512));
}

std::size_t ModelTarget::handle_frame(proto::ConstBytes request, const MacAddress& own_mac,
                                      std::uint32_t mtu_bytes, proto::Bytes reply) {
    const Reply made = handle_frame_in_place(request, own_mac, mtu_bytes, reply);
    if (!made.payload.empty()) {
        std::ranges::copy(made.payload,
                          reply.begin() + static_cast<std::ptrdiff_t>(made.frame_bytes));
    }
    return made.frame_bytes + made.payload.size();
}

Reply ModelTarget::handle_frame_in_place(proto::ConstBytes request, const MacAddress& own_mac,
                                         std::uint32_t mtu_bytes, proto::Bytes reply) {
    UAOE_ASSERT(reply.size() >= mtu_bytes + sizeof(proto::EthernetHeader));
    const auto frame = proto::parse_frame(request);
    if (!frame || !is_for_us(*frame) || is_masked_out(frame->source)) {
        return {};
    }
    Exchange exchange{.frame = *frame,
                      .header = {.destination = frame->source,
                                 .source = own_mac,
                                 .address = config_.address,
                                 .command = frame->command,
                                 .tag = frame->tag},
                      .mtu_bytes = mtu_bytes,
                      .reply = reply};
    const unsigned version = config_.quirks.version_zero ? 0 : proto::aoe_version;
    exchange.header.version_flags =
        static_cast<std::uint8_t>((version << 4U) | proto::flag_response);
    if (config_.quirks.wrong_command) {
        exchange.header.command = Command::query_config;
    }
    if (config_.quirks.broadcast_address && frame->command == Command::query_config) {
        exchange.header.address = proto::broadcast_address;
    }

    Reply made;
    if (frame->version != proto::aoe_version) {
        made = answer_error(exchange, AoeError::unsupported_version);
    } else {
        switch (frame->command) {
        case Command::ata:
            made = answer_ata(exchange);
            break;
        case Command::query_config:
            made = answer_query_config(exchange);
            break;
        case Command::mac_mask_list:
        case Command::reserve_release:
            made = answer_list(exchange);
            break;
        default:
            made = answer_error(exchange, AoeError::unrecognized_command);
        }
    }
    if (made.frame_bytes + made.payload.size() > exchange.frame_bytes_max()) {
        return {};
    }
    if (config_.quirks.pads_replies && made.frame_bytes > 0 && made.payload.empty()) {
        made.frame_bytes = pad_with_leftovers(reply, made.frame_bytes, request);
    }
    return made;
}

// The request's argument goes back with the error, as vblade does; ggaoed sends the header alone.
Reply ModelTarget::answer_error(const Exchange& exchange, AoeError error) {
    std::size_t used =
        proto::write_frame_header(exchange.reply, with_error(exchange.header, error));
    if (!config_.quirks.short_errors) {
        const proto::ConstBytes argument = exchange.frame.argument.first(
            std::min(exchange.frame.argument.size(), sizeof(proto::AtaArgument)));
        std::ranges::copy(argument, exchange.reply.begin() + static_cast<std::ptrdiff_t>(used));
        used += argument.size();
    }
    return {.frame_bytes = used};
}

Reply ModelTarget::answer_ata(const Exchange& exchange) {
    const auto ata = proto::parse_ata(exchange.frame.argument);
    if (!ata) {
        return {};
    }
    const bool is_identify =
        static_cast<proto::AtaCommand>(ata->command_status) == proto::AtaCommand::identify_device;
    const Quirks& quirks = config_.quirks;
    if (quirks.unavailable) {
        return answer_error(exchange, AoeError::device_unavailable);
    }
    if (is_identify ? quirks.reserved_identify
                    : quirks.reserved || quirks.reserved_identify ||
                          is_reserved_for_others(exchange.frame.source)) {
        return answer_error(exchange, AoeError::target_is_reserved);
    }
    const AtaResult result = run_ata(exchange, *ata);
    if (result.is_silent) {
        return {};
    }
    if (result.aoe_error != AoeError::none) {
        return answer_error(exchange, result.aoe_error);
    }
    // Flags go back as they came, and the LBA mostly. The data is in the reply buffer already, or
    // borrowed.
    const std::size_t header_bytes = proto::write_ata(exchange.reply, exchange.header,
                                                      {.flags = ata->flags,
                                                       .error_feature = result.error,
                                                       .sector_count = result.sector_count,
                                                       .command_status = result.status,
                                                       .lba = result.lba.value_or(ata->lba)});
    if (!result.borrowed.empty()) {
        return {.frame_bytes = header_bytes, .payload = result.borrowed};
    }
    return {.frame_bytes = header_bytes + result.data_bytes};
}

Reply ModelTarget::answer_query_config(const Exchange& exchange) {
    const auto fields = proto::parse_query_config(exchange.frame.argument);
    if (!fields) {
        return {};
    }
    AoeError error = AoeError::none;
    const std::string_view asked = text_of(fields->string);
    switch (fields->command) {
    case ConfigCommand::read:
        break;
    case ConfigCommand::test:
        if (asked != config_string_) {
            return {};
        }
        break;
    case ConfigCommand::prefix:
        if (!config_string_.starts_with(asked)) {
            return {};
        }
        break;
    case ConfigCommand::set:
        // The same string again is not a conflict: the answer to the first may have been lost.
        if (!config_string_.empty() && config_string_ != asked) {
            error = AoeError::config_string_present;
            break;
        }
        config_string_ = asked;
        break;
    case ConfigCommand::force_set:
        config_string_ = asked;
        break;
    default:
        error = AoeError::bad_argument;
    }
    if (proto::aoe_frame_header_bytes + sizeof(proto::QueryConfigArgument) + config_string_.size() >
        exchange.frame_bytes_max()) {
        return {};
    }
    if (error != AoeError::none && config_.quirks.short_errors) {
        return answer_error(exchange, error);
    }
    return {
        .frame_bytes = proto::write_query_config(
            exchange.reply, with_error(exchange.header, error),
            {.buffer_count = config_.quirks.advertised_buffer_count.value_or(config_.buffer_count),
             .firmware_version = config_.firmware_version,
             .sectors_per_frame = sectors_advertised(exchange.mtu_bytes),
             .version = proto::aoe_version,
             .command = fields->command,
             .string = bytes_of(config_string_)})};
}

Reply ModelTarget::answer_list(const Exchange& exchange) {
    if (config_.quirks.lists_silent) {
        return {};
    }
    if (config_.quirks.lists_unknown) {
        return answer_error(exchange, AoeError::unrecognized_command);
    }
    return exchange.frame.command == Command::mac_mask_list ? answer_mac_mask(exchange)
                                                            : answer_reserve(exchange);
}

// Stops at the first directive that cannot be done; `done_count` says how many were.
proto::MaskError ModelTarget::edit_masks(const proto::MacMaskFields& fields,
                                         std::size_t& done_count) {
    for (done_count = 0; done_count < fields.directive_count; ++done_count) {
        const proto::MacMaskEntry entry = proto::mac_mask_entry(fields, done_count);
        switch (static_cast<proto::MaskDirective>(entry.directive)) {
        case proto::MaskDirective::none:
            break;
        case proto::MaskDirective::add:
            if (!contains(mask_list_, entry.mac)) {
                if (mask_list_.size() >= config_.quirks.mask_list_max) {
                    return proto::MaskError::list_full;
                }
                mask_list_.push_back(entry.mac);
            }
            break;
        case proto::MaskDirective::remove:
            std::erase(mask_list_, entry.mac);
            break;
        default:
            return proto::MaskError::bad_directive;
        }
    }
    return proto::MaskError::none;
}

Reply ModelTarget::answer_mac_mask(const Exchange& exchange) {
    const auto fields = proto::parse_mac_mask(exchange.frame.argument);
    if (!fields) {
        return {};
    }
    const bool is_edit = fields->command == proto::MaskCommand::edit;
    const bool is_cut_short = is_edit && fields->directives.size() / sizeof(proto::MacMaskEntry) <
                                             fields->directive_count;
    if ((!is_edit && fields->command != proto::MaskCommand::read) || is_cut_short) {
        return answer_error(exchange, AoeError::bad_argument);
    }
    if (is_edit && !config_.quirks.lists_ignored) {
        std::size_t done_count = 0;
        const proto::MaskError error = edit_masks(*fields, done_count);
        if (error != proto::MaskError::none) {
            const std::size_t used =
                proto::write_mac_mask(exchange.reply, exchange.header, fields->command, error, {});
            exchange.reply[proto::aoe_frame_header_bytes +
                           offsetof(proto::MacMaskArgument, directive_count)] =
                static_cast<std::byte>(done_count);
            return {.frame_bytes = used};
        }
    }
    std::array<proto::MacMaskEntry, list_count_max> entries{};
    for (std::size_t i = 0; i < mask_list_.size(); ++i) {
        entries[i].mac = mask_list_[i];
    }
    const auto list = std::span(entries).first(mask_list_.size());
    if (proto::aoe_frame_header_bytes + sizeof(proto::MacMaskArgument) + list.size_bytes() >
        exchange.frame_bytes_max()) {
        return {};
    }
    return {.frame_bytes = proto::write_mac_mask(exchange.reply, exchange.header, fields->command,
                                                 proto::MaskError::none, list)};
}

Reply ModelTarget::answer_reserve(const Exchange& exchange) {
    const auto fields = proto::parse_reserve(exchange.frame.argument);
    if (!fields) {
        return {};
    }
    AoeError error = AoeError::none;
    switch (fields->command) {
    case proto::ReserveCommand::read:
        break;
    case proto::ReserveCommand::set:
        if (is_reserved_for_others(exchange.frame.source)) {
            error = AoeError::target_is_reserved;
            break;
        }
        [[fallthrough]];
    case proto::ReserveCommand::force_set:
        if (fields->macs.size() < fields->mac_count * sizeof(MacAddress)) {
            error = AoeError::bad_argument;
            break;
        }
        if (config_.quirks.lists_ignored) {
            break;
        }
        reserved_for_.clear();
        for (std::size_t i = 0; i < fields->mac_count; ++i) {
            reserved_for_.push_back(proto::reserve_mac(*fields, i));
        }
        break;
    default:
        error = AoeError::bad_argument;
    }
    if (error != AoeError::none && config_.quirks.short_errors) {
        return answer_error(exchange, error);
    }
    if (proto::aoe_frame_header_bytes + sizeof(proto::ReserveArgument) +
            reserved_for_.size() * sizeof(MacAddress) >
        exchange.frame_bytes_max()) {
        return {};
    }
    // An error too says who holds it, as vblade's does.
    return {.frame_bytes = proto::write_reserve(exchange.reply, with_error(exchange.header, error),
                                                fields->command, reserved_for_)};
}

std::size_t ModelTarget::make_boot_advertisement(const MacAddress& own_mac, std::uint32_t mtu_bytes,
                                                 proto::Bytes frame) {
    UAOE_ASSERT(frame.size() >= mtu_bytes + sizeof(proto::EthernetHeader));
    Exchange exchange{.frame = {},
                      .header = {.destination = proto::broadcast_mac,
                                 .source = own_mac,
                                 .address = config_.address,
                                 .command = Command::query_config},
                      .mtu_bytes = mtu_bytes,
                      .reply = frame};
    const unsigned version = config_.quirks.version_zero ? 0 : proto::aoe_version;
    exchange.header.version_flags =
        static_cast<std::uint8_t>((version << 4U) | proto::flag_response);
    // Answered as a Query Config read that nobody sent.
    const std::array<std::byte, sizeof(proto::QueryConfigArgument)> question{};
    exchange.frame.command = Command::query_config;
    exchange.frame.argument = question;
    return answer_query_config(exchange).frame_bytes;
}

} // namespace uaoe::target
