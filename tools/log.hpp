// Where uaoed and `uaoe serve` say what happens: standard error, or, when that is the journal, its
// socket, with fields. Nobody is held up for long: see report() in output.hpp. So much of one
// thing, and no more: see log_limit.hpp.
#pragma once

#include "initiator/time.hpp"
#include "tools/log_line.hpp"

#include <functional>
#include <optional>
#include <string>

namespace uaoe::tools {

// First, once: `program` says who says it, and where it goes is settled. Without it: "uaoe", on
// standard error.
void open_log(std::string program);

// Any thread.
void write_log(const LogLine& line);

// Writes what was left out and is due by `now`; when the next will be due.
std::optional<initiator::Time> write_left_out(initiator::Time now);
// Called when a line is left out and none was before, by the thread that wrote it: may not write
// itself. Empty: nobody.
void set_left_out_handler(std::function<void()> handler);

} // namespace uaoe::tools
