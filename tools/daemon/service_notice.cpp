// By libsystemd.
#include "tools/daemon/service_notice.hpp"

#include <cstdint>
#include <cstdlib>
#include <systemd/sd-daemon.h>

namespace uaoe::tools {

void notify_service_manager(const char* state) {
    sd_notify(0, state);
}

bool is_managed_service() {
    return std::getenv("NOTIFY_SOCKET") != nullptr; // NOLINT: nobody changes the environment
}

std::optional<std::chrono::microseconds> watchdog_patience() {
    std::uint64_t patience_us = 0;
    if (sd_watchdog_enabled(0, &patience_us) <= 0) {
        return std::nullopt;
    }
    return std::chrono::microseconds{patience_us};
}

} // namespace uaoe::tools
