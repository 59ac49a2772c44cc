// The way to /dev/ublk-control, where the kernel has ublk as a module that nobody has loaded yet.
#pragma once

#include "initiator/linux/error.hpp"

#include <expected>

namespace uaoe::blockdev {

// An open /dev/ublk-control. Blocks, up to ten seconds, while modprobe runs.
[[nodiscard]] std::expected<int, Error> open_ublk_control();

} // namespace uaoe::blockdev
