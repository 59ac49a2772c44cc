// The terminal as a screen that is drawn again and again, and that is as before afterwards.
#pragma once

#include <chrono>
#include <csignal>
#include <cstddef>
#include <optional>
#include <string_view>
#include <termios.h>

namespace uaoe::tools {

class Screen {
  public:
    // Both standard input and standard output are a terminal.
    [[nodiscard]] static bool is_possible();

    Screen();
    ~Screen();
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    struct Size {
        std::size_t columns = 80;
        std::size_t rows = 24;
    };
    [[nodiscard]] static Size size();

    // Lines with a newline each, no more than fit. Not while the terminal is stopped (Ctrl-S).
    static void draw(std::string_view text);

    // Waits for a key, for a signal (also that the size has changed), or until the time is over.
    // '\0': the terminal is gone.
    [[nodiscard]] static std::optional<char> wait_key(std::chrono::milliseconds time);

  private:
    termios before_{};
    struct sigaction resize_before_{};
};

} // namespace uaoe::tools
