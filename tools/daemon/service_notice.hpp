// Telling systemd how a Type=notify service is doing.
#pragma once

namespace uaoe::tools {

// As sd_notify(3). Does nothing when no service manager asks for it.
void notify_service_manager(const char* state);

} // namespace uaoe::tools
