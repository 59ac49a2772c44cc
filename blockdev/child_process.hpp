// Programs that are run for what they change in the kernel, with a limit to the patience.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace uaoe::blockdev {

// Runs arguments[0], a path, without input, output or environment, and waits so long at most; a
// child that takes longer goes on by itself. Whether it ended well within that time.
bool run_child(std::vector<std::string> arguments, std::chrono::milliseconds time_max);

} // namespace uaoe::blockdev
