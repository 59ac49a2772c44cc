// That a LUN is attached once on this machine: two front ends on one disk, each with a cache above
// it, would destroy what is on it.
#pragma once

#include "initiator/linux/error.hpp"
#include "proto/address.hpp"

#include <expected>
#include <string>

namespace uaoe::tools {

// Held by an abstract socket's name, as ShardNumber is: apart for each network namespace, and given
// back by the kernel when the process ends, however it ends.
class LunLock {
  public:
    // The error names the process that has it.
    static std::expected<LunLock, Error> take(proto::Address address);
    LunLock(LunLock&& other) noexcept;
    LunLock& operator=(LunLock&& other) noexcept;
    ~LunLock();

  private:
    explicit LunLock(int socket) : socket_(socket) {}
    int socket_;
};

} // namespace uaoe::tools
