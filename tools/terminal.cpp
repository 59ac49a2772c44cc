// termios and the few sequences that every terminal knows.
#include "tools/terminal.hpp"

#include "tools/output.hpp"

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <string>
#include <sys/ioctl.h>
#include <unistd.h>

namespace uaoe::tools {

namespace {

constexpr std::string_view enter_text = "\x1b[?1049h\x1b[?25l"; // another screen, no cursor
constexpr std::string_view leave_text = "\x1b[?25h\x1b[?1049l";

// Only interrupts what waits.
extern "C" void handle_resize(int /*signal*/) {}

} // namespace

bool Screen::is_possible() {
    return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
}

Screen::Screen() {
    tcgetattr(STDIN_FILENO, &before_);
    termios keys = before_;
    keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    keys.c_cc[VMIN] = 1;
    keys.c_cc[VTIME] = 0;
    keys.c_cc[VSUSP] = _POSIX_VDISABLE; // stopped, it would leave the shell this screen
    tcsetattr(STDIN_FILENO, TCSANOW, &keys);
    struct sigaction action{};
    action.sa_handler = handle_resize;
    sigaction(SIGWINCH, &action, &resize_before_);
    static_cast<void>(write_output(enter_text));
}

Screen::~Screen() {
    static_cast<void>(write_output(leave_text));
    sigaction(SIGWINCH, &resize_before_, nullptr);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
}

Screen::Size Screen::size() {
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
        return {};
    }
    return {.columns = size.ws_col, .rows = size.ws_row};
}

// The newline behind the last line would scroll a screen that is full.
void Screen::draw(std::string_view text) {
    if (!output_is_ready()) {
        return;
    }
    std::string drawn = "\x1b[H";
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        drawn += text.substr(0, end);
        drawn += "\x1b[K";
        text.remove_prefix(std::min(end + 1, text.size()));
        drawn += text.empty() ? "" : "\n";
    }
    drawn += "\x1b[J";
    static_cast<void>(write_output(drawn));
}

std::optional<char> Screen::wait_key(std::chrono::milliseconds time) {
    pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    if (poll(&input, 1, static_cast<int>(time.count())) <= 0) {
        return std::nullopt;
    }
    char key = '\0';
    const ssize_t count = read(STDIN_FILENO, &key, 1);
    if (count == 1) {
        return key;
    }
    return count < 0 && errno == EINTR ? std::nullopt : std::optional('\0');
}

} // namespace uaoe::tools
