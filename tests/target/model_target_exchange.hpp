// What the two halves of the model target share: the request at hand, and how an ATA command ended.
// Private to model_target*.cpp.
#pragma once

#include "tests/target/model_target.hpp"

namespace uaoe::target {

struct ModelTarget::Exchange {
    proto::Frame frame;
    proto::FrameHeader header; // of the reply
    std::uint32_t mtu_bytes;
    proto::Bytes reply;

    // What a frame of this MTU holds, Ethernet header included.
    [[nodiscard]] std::size_t frame_bytes_max() const {
        return mtu_bytes + sizeof(proto::EthernetHeader);
    }
};

inline constexpr std::uint8_t status_failed = proto::ata_status_ready | proto::ata_status_error;

struct ModelTarget::AtaResult {
    proto::AoeError aoe_error = proto::AoeError::none; // the command was not given to the disk
    bool is_silent = false;
    std::uint8_t status = proto::ata_status_ready;
    std::uint8_t error = 0;
    std::uint8_t sector_count = 0;   // what remains of a transfer
    std::size_t data_bytes = 0;      // behind the ATA argument
    std::optional<proto::Lba> lba{}; // of the reply; nothing: as it came
    proto::ConstBytes borrowed{};    // where they lie, when they are not in the reply buffer

    static AtaResult aborted(std::uint8_t remaining_count) {
        return {.status = status_failed,
                .error = proto::ata_error_abort,
                .sector_count = remaining_count};
    }
    static AtaResult not_found(std::uint8_t remaining_count) {
        return {.status = status_failed,
                .error = proto::ata_error_id_not_found,
                .sector_count = remaining_count};
    }
    static AtaResult faulted(std::uint8_t remaining_count) {
        return {.status = status_failed | proto::ata_status_device_fault,
                .error = proto::ata_error_abort,
                .sector_count = remaining_count};
    }
};

} // namespace uaoe::target
