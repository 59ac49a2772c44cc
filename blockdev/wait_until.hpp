// Waiting for something that tells nobody when it comes, with a limit.
#pragma once

#include <chrono>
#include <thread>

namespace uaoe::blockdev {

// Asks `done` now and every `step`; false when it was not so after `time_max`.
template <typename Done>
bool wait_until(std::chrono::milliseconds time_max, std::chrono::milliseconds step,
                const Done& done) {
    const auto deadline = std::chrono::steady_clock::now() + time_max;
    while (!done()) {
        if (std::chrono::steady_clock::now() >= deadline) {
            return false;
        }
        std::this_thread::sleep_for(step);
    }
    return true;
}

} // namespace uaoe::blockdev
