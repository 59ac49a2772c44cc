// What a request of the transmission phase asks for, checked against the export. A pure function
// of the 28 bytes; the stream around them is nbd_connection.hpp.
#pragma once

#include "blockdev/nbd_export.hpp"
#include "initiator/request.hpp"
#include "proto/nbd.hpp"

#include <cstdint>

namespace uaoe::blockdev {

struct NbdCommand {
    enum class Kind : std::uint8_t {
        garbage,    // not NBD, or too absurd to read off: close
        disconnect, // DISC
        refuse,     // answer `error` once the payload is read off
        submit,
    };

    Kind kind = Kind::garbage;
    proto::nbd::Error error = proto::nbd::Error::none; // refuse
    bool is_read = false;                              // its reply carries data, or may
    std::uint64_t cookie = 0;
    std::uint64_t offset = 0;
    std::uint32_t payload_bytes = 0; // that follow the header, refused or not
    std::uint32_t buffer_bytes = 0;  // submit: of a READ or WRITE
    // submit:
    initiator::Operation operation = initiator::Operation::read;
    bool fua = false;
    initiator::Lba lba;
    initiator::SectorCount sectors;
};

// A refused WRITE up to this length is read off; a longer one ends the connection.
inline constexpr std::uint32_t nbd_refused_write_bytes_max = 64U << 20U;

[[nodiscard]] NbdCommand parse_command(const proto::nbd::Request& request,
                                       const NbdExport& nbd_export, bool structured_replies);

} // namespace uaoe::blockdev
