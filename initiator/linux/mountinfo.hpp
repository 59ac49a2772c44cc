// The lines of /proc/PID/mountinfo (proc(5)).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace uaoe::initiator {

struct Mount {
    unsigned major = 0; // of the file system's device; 0 for those without one, and for btrfs
    unsigned minor = 0;
    std::string point;  // where it is
    std::string type;   // "ext4"
    std::string source; // "/dev/nbd0"
};

// In the file's order: later ones may be on top of earlier ones. Lines that make no sense are left
// out.
[[nodiscard]] std::vector<Mount> parse_mountinfo(std::string_view text);

// The whole of a file in /proc, empty when there is none.
[[nodiscard]] std::string read_proc(const std::string& path);

} // namespace uaoe::initiator
