// Who uses a block device.
#pragma once

#include <optional>
#include <string>

namespace uaoe::blockdev {

// One user of the device or of one of its partitions: "mounted on /mnt/x", "used by md0", "nbd0p2
// used as swap", "opened by process 1234 (fio)"; nothing when none was found. Waits at most two
// seconds, also when the device does not answer. Not on a thread that serves the device.
[[nodiscard]] std::optional<std::string> device_use(const std::string& device_path);

} // namespace uaoe::blockdev
