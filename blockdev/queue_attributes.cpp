// Attributes of a queue, written where it harms nobody to wait.
#include "blockdev/queue_attributes.hpp"

#include "blockdev/child_process.hpp"
#include "blockdev/sysfs.hpp"

#include <chrono>

namespace uaoe::blockdev {

namespace {

constexpr std::chrono::seconds set_up_time_max{2};

} // namespace

// Attributes of a queue are set with all its requests stopped (6.11): that waits for those under
// way, beyond the reach of signals. A thread of this process would keep the sockets open after a
// kill -9, and so the successor from the device; a child does not. It goes on alone when the target
// has just fallen silent.
void set_up_queue(const std::string& disk,
                  const std::vector<std::pair<std::string, std::string>>& values) {
    std::string script;
    for (const auto& [name, value] : values) {
        const std::string path = block_attribute_path(disk, "queue/" + name);
        const auto present = read_attribute(path);
        if (present && *present != value && present->find("[" + value + "]") == std::string::npos) {
            script.append("echo ").append(value).append(" >").append(path).append("\n");
        }
    }
    if (!script.empty()) {
        run_child({"/bin/sh", "-c", script}, set_up_time_max);
    }
}

} // namespace uaoe::blockdev
