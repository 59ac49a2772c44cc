// What an NBD server serves: one device under its address, and the facts clients are told about it.
// Not a session: that is nbd_handshake.hpp and nbd_connection.hpp.
#pragma once

#include "initiator/device.hpp"
#include "proto/nbd.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace uaoe::blockdev {

// Longest payload of a READ or WRITE, told to clients and enforced.
inline constexpr std::uint32_t nbd_payload_bytes_max = 32U << 20U;

// Copied freely; refers to the device, which outlives every connection. All copies have one size.
class NbdExport {
  public:
    // Any thread. `description` is free text for people (model and serial of the disk by default).
    explicit NbdExport(initiator::Device& device, std::string description = {});

    [[nodiscard]] initiator::Device& device() const { return *device_; }
    [[nodiscard]] const std::string& name() const { return name_; } // "1.0"
    [[nodiscard]] const std::string& description() const { return description_; }

    // "1.0", "e1.0", and the empty name, which asks for the default export.
    [[nodiscard]] bool answers_to(std::string_view name) const;

    // Any thread, both.
    [[nodiscard]] std::uint64_t size_bytes() const { return *size_bytes_; }
    void set_size_bytes(std::uint64_t size_bytes) { *size_bytes_ = size_bytes; }
    [[nodiscard]] std::uint32_t sector_bytes() const { return sector_bytes_; } // minimum block
    [[nodiscard]] std::uint32_t preferred_bytes() const { return preferred_bytes_; }
    [[nodiscard]] std::uint16_t transmission_flags(bool structured_replies) const;
    [[nodiscard]] bool has_flag(std::uint16_t flag) const { return (flags_ & flag) != 0; }

  private:
    initiator::Device* device_;
    std::string name_;
    std::string description_;
    std::shared_ptr<std::atomic<std::uint64_t>> size_bytes_;
    std::uint32_t sector_bytes_;
    std::uint32_t preferred_bytes_;
    std::uint16_t flags_; // without send_df
};

// The error a client sees for the end of a request. out_of_range depends on the command: a write
// past the end is ENOSPC, a read or trim EINVAL (doc/proto.md, "Error values").
[[nodiscard]] proto::nbd::Error nbd_error(initiator::Status status, initiator::Operation operation);

} // namespace uaoe::blockdev
