// How much is said of one thing: of each kind of line and each LUN so many in a period, then one
// line that says how many were left out, and what the last of them was. Sans-IO: time is an
// argument.
//
// Its table has a fixed size. When it is full, further LUNs share one place in it, so that there is
// a bound on all of the log: (entries_count_max + 1) * (lines_max + 1) lines a period.
#pragma once

#include "initiator/time.hpp"
#include "tools/log_line.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace uaoe::tools {

class LogLimit {
  public:
    static constexpr unsigned lines_max = 10; // of a kind and a LUN, in a period
    static constexpr initiator::Duration period = std::chrono::seconds{10};
    static constexpr std::size_t entries_count_max = 256;

    LogLimit() : entries_(entries_count_max + 1) {}

    // Whether it is to be said; it is counted otherwise. Lines of LogKind::process always are.
    // After poll_left_out() has returned nothing for this `now`.
    [[nodiscard]] bool admit(initiator::Time now, const LogLine& line);

    // The next line that says what was left out, once its period is over.
    [[nodiscard]] std::optional<LogLine> poll_left_out(initiator::Time now);
    // When there is one; nothing: nothing is left out.
    [[nodiscard]] std::optional<initiator::Time> poll_timeout() const;

  private:
    // A period of one kind and LUN. Free when it is over and nothing was left out.
    struct Entry {
        LogKind kind{};
        std::optional<proto::Address> address;
        std::optional<initiator::Time> end; // nothing: free
        unsigned said_count = 0;
        std::uint64_t left_out_count = 0;
        LogLine last; // that was left out
    };
    Entry& entry_of(initiator::Time now, const LogLine& line);

    std::vector<Entry> entries_; // the last one is what is shared
};

} // namespace uaoe::tools
