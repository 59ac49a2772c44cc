// A table that is searched from its begin: lines are rare.
#include "tools/log_limit.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace uaoe::tools {

LogLimit::Entry& LogLimit::entry_of(initiator::Time now, const LogLine& line) {
    Entry* free = nullptr;
    for (Entry& entry : entries_) {
        if (entry.end && *entry.end <= now && entry.left_out_count == 0) {
            entry.end.reset();
        }
        const bool is_shared = &entry == &entries_.back();
        if (!entry.end) {
            free = free == nullptr ? &entry : free;
        } else if (!is_shared && entry.kind == line.kind && entry.address == line.address) {
            return entry;
        }
    }
    if (free == nullptr) {
        return entries_.back();
    }
    free->kind = line.kind;
    free->address = line.address;
    free->end = now + period;
    free->said_count = 0;
    return *free;
}

bool LogLimit::admit(initiator::Time now, const LogLine& line) {
    if (line.kind == LogKind::process) {
        return true;
    }
    Entry& entry = entry_of(now, line);
    if (entry.said_count < lines_max) {
        ++entry.said_count;
        return true;
    }
    ++entry.left_out_count;
    entry.last = line;
    return false;
}

std::optional<LogLine> LogLimit::poll_left_out(initiator::Time now) {
    const auto over = std::ranges::find_if(entries_, [&](const Entry& entry) {
        return entry.left_out_count > 0 && *entry.end <= now;
    });
    if (over == entries_.end()) {
        return std::nullopt;
    }
    LogLine line = std::move(over->last);
    const bool is_shared = over + 1 == entries_.end();
    line.left_out_count = over->left_out_count;
    line.text =
        fmt::format("{} more {} left out in {} s; the last: {}", over->left_out_count,
                    is_shared                   ? "lines about many LUNs were"
                    : over->left_out_count == 1 ? "such line was"
                                                : "such lines were",
                    std::chrono::duration_cast<std::chrono::seconds>(period).count(), line.text);
    *over = {};
    return line;
}

std::optional<initiator::Time> LogLimit::poll_timeout() const {
    std::optional<initiator::Time> first;
    for (const Entry& entry : entries_) {
        if (entry.left_out_count > 0) {
            first = std::min(first.value_or(*entry.end), *entry.end);
        }
    }
    return first;
}

} // namespace uaoe::tools
