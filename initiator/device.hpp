// What a front end sees of an attached LUN.
#pragma once

#include "initiator/request.hpp"
#include "proto/address.hpp"
#include "proto/identify.hpp"

#include <cstdint>

namespace uaoe::initiator {

// Fixed while a device is attached, but for its size: a disk may grow.
struct DeviceInfo {
    proto::Address address;
    proto::Identify identify;
    SectorCount sectors;              // of sector_bytes
    std::uint32_t sector_bytes = 512; // logical: alignment and unit of every request
    bool read_only = false;
    bool can_flush = false;   // the target has FLUSH CACHE (EXT)
    bool can_discard = false; // the target has DATA SET MANAGEMENT with TRIM
};

// A device as front ends use it; everything happens on the device's shard thread.
class Device {
  public:
    [[nodiscard]] virtual const DeviceInfo& info() const = 0;

    // Takes the request over; it comes back through request.owner->handle_completion(), never from
    // inside this call. Requests that cannot be right (past the end, read-only) come back with
    // their status, too.
    virtual void submit(Request& request) = 0;

  protected:
    ~Device() = default;
};

} // namespace uaoe::initiator
