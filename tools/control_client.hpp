// The other end of the control socket: one request, one reply, blocking.
#pragma once

#include "tools/control_protocol.hpp"

#include <chrono>
#include <string>

namespace uaoe::tools {

// Waits up to `time_max` for the reply. Exit code daemon_unreachable when nobody answers there, and
// no_permission when the socket is not for this user.
[[nodiscard]] ControlReply ask_daemon(const std::string& socket_path, const ControlRequest& request,
                                      std::chrono::seconds time_max);

} // namespace uaoe::tools
