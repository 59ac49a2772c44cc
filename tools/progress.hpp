// How far long work is, on standard error: on a terminal a line that changes in place, elsewhere
// few lines. Standard output is for the result alone, with --json, too.
#pragma once

#include "initiator/time.hpp"
#include "tools/output.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace uaoe::tools {

// When something is to be shown. Sans-IO: time is an argument.
class ProgressPace {
  public:
    static constexpr initiator::Duration interval_on_terminal = std::chrono::milliseconds{500};
    static constexpr initiator::Duration interval_of_lines = std::chrono::seconds{10};

    // `patience`: work that takes no longer says nothing.
    ProgressPace(initiator::Time begin, bool is_terminal, initiator::Duration patience)
        : begin_(begin), next_(begin + patience), is_terminal_(is_terminal) {}

    // True: show it now. It is not due again for an interval.
    [[nodiscard]] bool is_due(initiator::Time now);
    [[nodiscard]] initiator::Duration elapsed(initiator::Time now) const { return now - begin_; }

  private:
    initiator::Time begin_;
    initiator::Time next_;
    bool is_terminal_;
};

// "waiting for 1.0 on eth1 (3 s of 10 s): no answer yet"; `whole` is how long it will take at most,
// where that is known and not over.
[[nodiscard]] std::string progress_text(std::string_view what, initiator::Duration elapsed,
                                        std::optional<initiator::Duration> whole,
                                        std::string_view state);

class Progress {
  public:
    // Whoever reads lines wants to know less soon than whoever sits before a terminal, and scripts
    // that ask for something short want one line: the error, if there is one.
    struct Patience {
        initiator::Duration on_terminal = std::chrono::milliseconds{500};
        initiator::Duration of_lines = std::chrono::seconds{5};
    };

    Progress(std::string what, std::optional<initiator::Duration> whole, Patience patience);
    Progress(std::string what, std::optional<initiator::Duration> whole);

    // As often as one likes; `state` is asked when it is shown.
    void update(const std::function<std::string()>& state);
    void clear() { line_.clear(); }

  private:
    std::string what_;
    std::optional<initiator::Duration> whole_;
    StatusLine line_;
    ProgressPace pace_;
};

} // namespace uaoe::tools
