// What a command prints: results on stdout, where a failed write is an error; everything else on
// stderr, line by line.
#pragma once

#include "initiator/linux/error.hpp"

#include <cstddef>
#include <expected>
#include <string_view>

namespace uaoe::tools {

// A descriptor of 0-2 that is closed gets /dev/null, so that no socket takes its number and is
// written to as if it were a terminal. A closed stdout still refuses writes. SIGPIPE is ignored.
void prepare_standard_streams();

// The whole of `text`, at once.
std::expected<void, Error> write_output(std::string_view text);

// How wide lines may be: as the terminal is; elsewhere, where programs read, as COLUMNS says or
// without a limit.
[[nodiscard]] std::size_t output_columns();

// False while standard output is stopped (Ctrl-S, a full pipe) and write_output() would block.
[[nodiscard]] bool output_is_ready();

// One line on stderr; control characters in it are made visible. Failing to write it is no error. A
// stream that is stopped is waited for shortly; then the line is lost, and a later one says how
// many were. Any thread.
void report(std::string_view line);

// A line that the next one replaces, on a terminal; cut to its width. Nowhere else: see
// is_terminal(). One at a time; report() writes over it.
class StatusLine {
  public:
    StatusLine();
    ~StatusLine() { clear(); }
    StatusLine(const StatusLine&) = delete;
    StatusLine& operator=(const StatusLine&) = delete;

    [[nodiscard]] bool is_terminal() const { return is_terminal_; }
    void show(std::string_view text) const;
    void clear() const;

  private:
    bool is_terminal_;
};

} // namespace uaoe::tools
