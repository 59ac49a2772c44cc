// A pace, a text, and where they go.
#include "tools/progress.hpp"

#include "initiator/linux/clock.hpp"

#include <fmt/format.h>
#include <utility>

namespace uaoe::tools {

using namespace std::chrono_literals;

namespace {

// "75 s", "12 min", "5:11 h"
std::string span_text(initiator::Duration span) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(span).count();
    if (seconds < 120) {
        return fmt::format("{} s", seconds);
    }
    const auto minutes = seconds / 60;
    return minutes < 120 ? fmt::format("{} min", minutes)
                         : fmt::format("{}:{:02} h", minutes / 60, minutes % 60);
}

} // namespace

bool ProgressPace::is_due(initiator::Time now) {
    if (now < next_) {
        return false;
    }
    next_ = now + (is_terminal_ ? interval_on_terminal : interval_of_lines);
    return true;
}

std::string progress_text(std::string_view what, initiator::Duration elapsed,
                          std::optional<initiator::Duration> whole, std::string_view state) {
    const bool is_bounded = whole && elapsed <= *whole;
    return fmt::format("{} ({}{}{}){}{}", what, span_text(elapsed), is_bounded ? " of " : "",
                       is_bounded ? span_text(*whole) : "", state.empty() ? "" : ": ", state);
}

Progress::Progress(std::string what, std::optional<initiator::Duration> whole, Patience patience)
    : what_(std::move(what)), whole_(whole),
      pace_(initiator::clock_now(), line_.is_terminal(),
            line_.is_terminal() ? patience.on_terminal : patience.of_lines) {}

Progress::Progress(std::string what, std::optional<initiator::Duration> whole)
    : Progress(std::move(what), whole, Patience{}) {}

void Progress::update(const std::function<std::string()>& state) {
    const initiator::Time now = initiator::clock_now();
    if (!pace_.is_due(now)) {
        return;
    }
    const std::string text = progress_text(what_, pace_.elapsed(now), whole_, state());
    if (line_.is_terminal()) {
        line_.show(text);
    } else {
        report(text);
    }
}

} // namespace uaoe::tools
