// Ctrl-C for commands that end with a last word. Not for `serve`, which has an io_context.
#pragma once

#include <csignal>

namespace uaoe::tools {

// While it lives, SIGINT and SIGTERM only set interrupted(). They end a wait of the shard early
// (EINTR), or are seen at its next step.
class InterruptGuard {
  public:
    InterruptGuard();
    ~InterruptGuard();
    InterruptGuard(const InterruptGuard&) = delete;
    InterruptGuard& operator=(const InterruptGuard&) = delete;
    [[nodiscard]] static bool interrupted();

  private:
    struct sigaction interrupt_before_{};
    struct sigaction terminate_before_{};
};

} // namespace uaoe::tools
