// By libsystemd.
#include "tools/daemon/service_notice.hpp"

#include <systemd/sd-daemon.h>

namespace uaoe::tools {

void notify_service_manager(const char* state) {
    sd_notify(0, state);
}

} // namespace uaoe::tools
