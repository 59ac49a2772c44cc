// From DeviceInfo to what NBD says of an export.
#include "blockdev/nbd_export.hpp"

#include <algorithm>

namespace uaoe::blockdev {

namespace nbd = proto::nbd;

namespace {

std::string describe(const initiator::DeviceInfo& info) {
    std::string text = "AoE " + proto::to_string(info.address);
    for (const std::string_view part : {info.identify.model.view(), info.identify.serial.view()}) {
        if (!part.empty()) {
            text.append(" ").append(part);
        }
    }
    // NBD strings are UTF-8; what a disk says of itself may be anything.
    std::ranges::replace_if(text, [](char c) { return c < ' ' || c > '~'; }, '?');
    return text;
}

std::uint16_t flags_of(const initiator::DeviceInfo& info) {
    // One engine stands behind all connections, so a flush covers every connection's completed
    // writes, which is what can_multi_conn promises.
    unsigned flags = nbd::flag_has_flags | nbd::flag_can_multi_conn;
    if (info.read_only) {
        flags |= nbd::flag_read_only;
    } else {
        flags |= nbd::flag_send_write_zeroes;
        if (info.can_discard) {
            flags |= nbd::flag_send_trim;
        }
    }
    if (info.can_flush) {
        flags |= nbd::flag_send_flush | nbd::flag_send_fua;
    }
    if (info.identify.rotation_rate > 1) {
        flags |= nbd::flag_rotational;
    }
    return static_cast<std::uint16_t>(flags);
}

} // namespace

NbdExport::NbdExport(initiator::Device& device, std::string description)
    : device_(&device), name_(proto::to_string(device.info().address)),
      description_(description.empty() ? describe(device.info()) : std::move(description)),
      size_bytes_(std::make_shared<std::atomic<std::uint64_t>>(device.info().sectors.value *
                                                               device.info().sector_bytes)),
      sector_bytes_(device.info().sector_bytes),
      preferred_bytes_(std::max(4096U, device.info().identify.physical_sector_bytes)),
      flags_(flags_of(device.info())) {}

bool NbdExport::answers_to(std::string_view name) const {
    return name.empty() || name == name_ || (name.front() == 'e' && name.substr(1) == name_);
}

std::uint16_t NbdExport::transmission_flags(bool structured_replies) const {
    return static_cast<std::uint16_t>(flags_ | (structured_replies ? nbd::flag_send_df : 0U));
}

nbd::Error nbd_error(initiator::Status status, initiator::Operation operation) {
    using initiator::Operation;
    using initiator::Status;
    switch (status) {
    case Status::ok:
        return nbd::Error::none;
    case Status::io_error:
    case Status::timed_out:
    case Status::reserved:
    case Status::unavailable:
        return nbd::Error::io;
    case Status::out_of_range:
        return operation == Operation::write || operation == Operation::write_zeroes
                   ? nbd::Error::no_space
                   : nbd::Error::invalid;
    case Status::read_only:
        return nbd::Error::not_permitted;
    case Status::unsupported:
        return nbd::Error::not_supported;
    case Status::invalid:
        return nbd::Error::invalid;
    case Status::cancelled:
        return nbd::Error::shutdown;
    }
    return nbd::Error::io;
}

} // namespace uaoe::blockdev
