// How the kernel treats the requests of a disk: the attributes in /sys/block/DISK/queue.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace uaoe::blockdev {

// Names and values, as in {"scheduler", "none"}. Those that have their value already are left
// alone. Waits two seconds at most; what takes longer goes on by itself. Only speed may depend on
// it. Not on a thread that serves the disk.
void set_up_queue(const std::string& disk,
                  const std::vector<std::pair<std::string, std::string>>& values);

} // namespace uaoe::blockdev
