// The command line of `uaoed`.
#pragma once

#include "tools/command_line.hpp"
#include "tools/daemon/daemon.hpp"

#include <expected>
#include <string>
#include <vector>

namespace uaoe::tools {

// `arguments`: without the program's own name.
[[nodiscard]] std::expected<DaemonOptions, NothingToRun>
parse_daemon_command_line(const std::vector<std::string>& arguments);

} // namespace uaoe::tools
