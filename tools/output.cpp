// Writing to the standard streams with write(2): nothing is held back in a buffer, and each failure
// is seen.
#include "tools/output.hpp"

#include "tools/text.hpp"

#include <atomic>
#include <cerrno>
#include <charconv>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <string>
#include <sys/ioctl.h>
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

// How long one line waits for a stream that is stopped (Ctrl-S, a pipe nobody reads).
constexpr int stopped_wait_ms = 200;

// The stream was stopped the last time: it is not waited for again until it takes something.
std::atomic<bool> error_stopped = false;
std::atomic<unsigned> error_lines_lost_count = 0;

const std::string erase_line = "\r\033[K";
std::atomic<bool> status_shown = false; // a StatusLine is there: there is one at a time

// Never blocks for longer than stopped_wait_ms; false when not all of it was written. Not by
// O_NONBLOCK, which would be the terminal's for every process that has it open. What poll(2) calls
// writable takes PIPE_BUF bytes without blocking.
bool write_error_stream(std::string_view text) {
    while (!text.empty()) {
        pollfd writable{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
        const int ready = poll(&writable, 1, error_stopped ? 0 : stopped_wait_ms);
        if (ready == 0) {
            error_stopped = true;
            return false;
        }
        if (ready < 0 && errno != EINTR) {
            return false;
        }
        if (ready < 0) {
            continue;
        }
        error_stopped = false;
        const std::string_view part = text.substr(0, PIPE_BUF);
        if (write_all(STDERR_FILENO, part) != 0) {
            return false;
        }
        text.remove_prefix(part.size());
    }
    return true;
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

std::size_t output_columns() {
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    const char* const wanted = std::getenv("COLUMNS"); // NOLINT: nobody changes it
    if (wanted == nullptr) {
        return isatty(STDOUT_FILENO) == 1 ? 80 : any_columns;
    }
    const std::string_view text = wanted;
    std::size_t columns = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), columns);
    const bool is_number = error == std::errc{} && end == text.data() + text.size();
    return is_number && columns > 0 ? columns : any_columns;
}

bool output_is_ready() {
    pollfd writable{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
    return poll(&writable, 1, 0) != 0; // an error is for the write to tell
}

void report(std::string_view line) {
    std::string text = visible_text(line) + "\n";
    const unsigned lost_count = error_lines_lost_count.exchange(0);
    if (lost_count > 0) {
        text.insert(
            0, fmt::format("{} lines were lost while standard error was stopped\n", lost_count));
    }
    if (status_shown.exchange(false)) {
        text.insert(0, erase_line); // else it would begin behind a StatusLine
    }
    if (!write_error_stream(text)) {
        error_lines_lost_count += lost_count + 1;
    }
}

StatusLine::StatusLine() : is_terminal_(isatty(STDERR_FILENO) == 1) {}

void StatusLine::show(std::string_view text) const {
    if (!is_terminal_) {
        return;
    }
    winsize size{};
    constexpr std::size_t columns_default = 80;
    const std::size_t columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0
                                    ? size.ws_col
                                    : columns_default;
    // One that wraps cannot be erased.
    write_error_stream(erase_line + shortened_text(text, columns - 1));
    status_shown = true;
}

void StatusLine::clear() const {
    if (is_terminal_ && status_shown.exchange(false)) {
        write_error_stream(erase_line);
    }
}

} // namespace uaoe::tools
