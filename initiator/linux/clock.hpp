// CLOCK_MONOTONIC as the engine's time. The only place where it is read.
#pragma once

#include "initiator/time.hpp"

#include <ctime>

namespace uaoe::initiator {

[[nodiscard]] inline Time clock_now() {
    timespec value{};
    clock_gettime(CLOCK_MONOTONIC, &value);
    return Time{std::chrono::seconds{value.tv_sec} + std::chrono::nanoseconds{value.tv_nsec}};
}

} // namespace uaoe::initiator
