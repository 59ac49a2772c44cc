// The other end of the control socket: one request, one reply and perhaps events, blocking.
#pragma once

#include "tools/control_protocol.hpp"

#include <chrono>
#include <expected>
#include <functional>
#include <string>
#include <string_view>

namespace uaoe::tools {

// True: whoever waits gives up.
using IsInterrupted = std::function<bool()>;

// Waits up to `time_max` for the reply. Exit code daemon_unreachable when nobody answers there, and
// no_permission when the socket is not for this user. `interrupted` is asked twice a second, and
// after each signal.
[[nodiscard]] ControlReply ask_daemon(const std::string& socket_path, const ControlRequest& request,
                                      std::chrono::seconds time_max,
                                      const IsInterrupted& interrupted = {});

// After the reply, which may take up to `time_max`, hands over each line that comes, without its
// newline, until `take` returns false or it is interrupted. An error when the other end is closed.
[[nodiscard]] std::expected<void, Error>
follow_daemon(const std::string& socket_path, const ControlRequest& request,
              std::chrono::seconds time_max, const std::function<bool(std::string_view)>& take,
              const IsInterrupted& interrupted);

} // namespace uaoe::tools
