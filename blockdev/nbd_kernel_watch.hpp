// What a kernel NBD device's threads tell each other. For its own sources only.
#pragma once

#include "blockdev/nbd_kernel_device.hpp"

#include <condition_variable>
#include <mutex>

namespace uaoe::blockdev {

struct NbdKernelDevice::Watch {
    std::mutex mutex;
    std::condition_variable_any changed;
    bool gone = false; // the connection's client
};

} // namespace uaoe::blockdev
