// Signal handlers that set a flag.
#include "tools/interrupt.hpp"

namespace uaoe::tools {

namespace {

volatile std::sig_atomic_t interrupt_flag = 0; // NOLINT: what a handler may write

extern "C" void handle_interrupt(int /*signal*/) {
    interrupt_flag = 1;
}

} // namespace

InterruptGuard::InterruptGuard() {
    interrupt_flag = 0;
    struct sigaction action{};
    action.sa_handler = handle_interrupt;
    action.sa_flags = static_cast<int>(SA_RESETHAND); // a second one ends the program
    sigaction(SIGINT, &action, &interrupt_before_);
    sigaction(SIGTERM, &action, &terminate_before_);
}

InterruptGuard::~InterruptGuard() {
    sigaction(SIGINT, &interrupt_before_, nullptr);
    sigaction(SIGTERM, &terminate_before_, nullptr);
}

bool InterruptGuard::interrupted() {
    return interrupt_flag != 0;
}

} // namespace uaoe::tools
