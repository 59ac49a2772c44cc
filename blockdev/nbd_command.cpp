// The rules of doc/proto.md, "Request types" and "Error values".
#include "blockdev/nbd_command.hpp"

#include <optional>

namespace uaoe::blockdev {

namespace nbd = proto::nbd;
using initiator::Operation;
using nbd::CommandType;
using nbd::Error;

namespace {

std::optional<Operation> operation_of(CommandType type, const NbdExport& nbd_export) {
    switch (type) {
    case CommandType::read:
        return Operation::read;
    case CommandType::write:
        return Operation::write;
    case CommandType::flush:
        // Never pretended: without the flag the target cannot do it.
        return nbd_export.has_flag(nbd::flag_send_flush) ? std::optional(Operation::flush)
                                                         : std::nullopt;
    case CommandType::trim:
        return nbd_export.has_flag(nbd::flag_send_trim) ? std::optional(Operation::discard)
                                                        : std::nullopt;
    case CommandType::write_zeroes:
        return nbd_export.has_flag(nbd::flag_send_write_zeroes)
                   ? std::optional(Operation::write_zeroes)
                   : std::nullopt;
    default:
        return std::nullopt;
    }
}

bool changes_data(CommandType type) {
    return type == CommandType::write || type == CommandType::trim ||
           type == CommandType::write_zeroes;
}

unsigned allowed_flags(CommandType type, const NbdExport& nbd_export, bool structured_replies) {
    unsigned flags = nbd_export.has_flag(nbd::flag_send_fua) ? nbd::command_fua : 0U;
    if (type == CommandType::write_zeroes) {
        flags |= nbd::command_no_hole;
    }
    if (type == CommandType::read && structured_replies) {
        flags |= nbd::command_df; // replies are never fragmented
    }
    return flags;
}

Error check_range(Operation operation, std::uint64_t offset, std::uint32_t length,
                  const NbdExport& nbd_export) {
    const std::uint32_t sector_bytes = nbd_export.sector_bytes();
    if (length == 0 || offset % sector_bytes != 0 || length % sector_bytes != 0) {
        return Error::invalid;
    }
    const bool has_payload = operation == Operation::read || operation == Operation::write;
    if (has_payload && length > nbd_payload_bytes_max) {
        return Error::invalid;
    }
    if (offset > nbd_export.size_bytes() || length > nbd_export.size_bytes() - offset) {
        return nbd_error(initiator::Status::out_of_range, operation);
    }
    return Error::none;
}

} // namespace

NbdCommand parse_command(const nbd::Request& request, const NbdExport& nbd_export,
                         bool structured_replies) {
    NbdCommand command;
    if (request.magic.value() != nbd::request_magic) {
        return command;
    }
    const auto type = static_cast<CommandType>(request.type.value());
    const unsigned flags = request.flags.value();
    const std::uint32_t length = request.length.value();
    command.cookie = request.cookie.value();
    command.offset = request.offset.value();
    command.is_read = type == CommandType::read;
    if (type == CommandType::disconnect) {
        command.kind = NbdCommand::Kind::disconnect;
        return command;
    }
    if (type == CommandType::write) {
        if (length > nbd_refused_write_bytes_max) {
            return command;
        }
        command.payload_bytes = length;
    }
    command.kind = NbdCommand::Kind::refuse;
    if (changes_data(type) && nbd_export.has_flag(nbd::flag_read_only)) {
        command.error = Error::not_permitted;
        return command;
    }
    const std::optional<Operation> operation = operation_of(type, nbd_export);
    if (!operation || (flags & ~allowed_flags(type, nbd_export, structured_replies)) != 0) {
        command.error = Error::invalid;
        return command;
    }
    if (*operation != Operation::flush) {
        command.error = check_range(*operation, command.offset, length, nbd_export);
        if (command.error != Error::none) {
            return command;
        }
        command.lba.value = command.offset / nbd_export.sector_bytes();
        command.sectors.value = length / nbd_export.sector_bytes();
    }
    command.kind = NbdCommand::Kind::submit;
    command.operation = *operation;
    command.fua = changes_data(type) && (flags & nbd::command_fua) != 0;
    if (*operation == Operation::read || *operation == Operation::write) {
        command.buffer_bytes = length;
    }
    return command;
}

} // namespace uaoe::blockdev
