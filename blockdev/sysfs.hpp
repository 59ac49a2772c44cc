// Attributes of block devices in /sys, and folders there and in /proc.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace uaoe::blockdev {

// "/sys/block/nbd3/queue/scheduler" for "nbd3" and "queue/scheduler".
[[nodiscard]] std::string block_attribute_path(std::string_view disk, std::string_view attribute);

// Without its newline; nothing when there is none or it cannot be read.
[[nodiscard]] std::optional<std::string> read_attribute(const std::string& path);
// What an attribute with a number says.
[[nodiscard]] std::optional<unsigned long long> read_number(const std::string& path);
// Names in a folder whose entries may vanish meanwhile, sorted; none when there is no such folder.
[[nodiscard]] std::vector<std::string> names_in(const std::string& folder);
// Whether the kernel took it. May wait for requests under way: some attributes (the scheduler) stop
// the queue first.
bool write_attribute(const std::string& path, std::string_view value);

} // namespace uaoe::blockdev
