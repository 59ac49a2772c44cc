// Writing to the standard streams with write(2): nothing is held back in a buffer, and each failure
// is seen.
#include "tools/output.hpp"

#include "tools/text.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <unistd.h>

namespace uaoe::tools {

namespace {

int write_all(int descriptor, std::string_view text) {
    while (!text.empty()) {
        const ssize_t count = ::write(descriptor, text.data(), text.size());
        if (count < 0) {
            if (errno == EINTR) {
                continue;
            }
            return errno;
        }
        text.remove_prefix(static_cast<std::size_t>(count));
    }
    return 0;
}

} // namespace

void prepare_standard_streams() {
    for (int descriptor = 0; descriptor <= 2; ++descriptor) {
        if (fcntl(descriptor, F_GETFD) < 0) {
            // The lowest free number is this one. Read-only: a write still fails.
            [[maybe_unused]] const int opened =
                open("/dev/null", descriptor == 2 ? O_WRONLY : O_RDONLY); // NOLINT
        }
    }
    std::signal(SIGPIPE, SIG_IGN); // NOLINT: a write that fails says so itself
}

std::expected<void, Error> write_output(std::string_view text) {
    if (const int error = write_all(STDOUT_FILENO, text); error != 0) {
        return std::unexpected(Error{
            .what = "cannot write to standard output",
            .why = std::strerror(error),
            .what_to_do = error == ENOSPC ? "free some space" : "see where it is redirected to"});
    }
    return {};
}

void report(std::string_view line) {
    write_all(STDERR_FILENO, visible_text(line) + "\n");
}

StatusLine::StatusLine() : is_terminal_(isatty(STDERR_FILENO) == 1) {}

void StatusLine::show(std::string_view text) {
    if (is_terminal_) {
        write_all(STDERR_FILENO, "\r\033[K" + visible_text(text));
        shown_ = true;
    }
}

void StatusLine::clear() {
    if (shown_) {
        write_all(STDERR_FILENO, "\r\033[K");
        shown_ = false;
    }
}

} // namespace uaoe::tools
