// Telling systemd how a Type=notify service is doing.
#pragma once

#include <chrono>
#include <optional>

namespace uaoe::tools {

// As sd_notify(3). Does nothing when no service manager asks for it.
void notify_service_manager(const char* state);

// A service manager hears the above: by its unit it starts uaoed again when that ends.
[[nodiscard]] bool is_managed_service();

// Within what time it wants to hear "WATCHDOG=1", again and again; nothing when it does not.
[[nodiscard]] std::optional<std::chrono::microseconds> watchdog_patience();

} // namespace uaoe::tools
