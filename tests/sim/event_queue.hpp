// Virtual time: what is to happen when. Things at the same time happen in the order they were asked
// for.
#pragma once

#include "initiator/time.hpp"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace uaoe::sim {

using initiator::Duration;
using initiator::Time;

class EventQueue {
  public:
    // A machine's clock has run for a while when its first disk is attached; some for months.
    explicit EventQueue(Time start = Time{std::chrono::seconds{1}}) : now_(start) {}

    [[nodiscard]] Time now() const { return now_; }

    void at(Time time, std::function<void()> action) {
        queue_.push_back({std::max(time, now_), sequence_++, std::move(action)});
        std::push_heap(queue_.begin(), queue_.end());
    }
    void after(Duration delay, std::function<void()> action) {
        at(now_ + delay, std::move(action));
    }

    // Runs the next thing that is due by `end`. False, and now() is `end`, when there is none.
    bool step(Time end) {
        if (queue_.empty() || queue_.front().time > end) {
            now_ = std::max(now_, end);
            return false;
        }
        std::pop_heap(queue_.begin(), queue_.end());
        const Entry entry = std::move(queue_.back()); // with its frame: not copied
        queue_.pop_back();
        now_ = entry.time;
        entry.action();
        return true;
    }

  private:
    struct Entry {
        Time time;
        std::uint64_t sequence;
        std::function<void()> action;
        bool operator<(const Entry& other) const {
            return std::pair(time, sequence) > std::pair(other.time, other.sequence);
        }
    };
    std::vector<Entry> queue_; // a heap, the next on top
    Time now_;
    std::uint64_t sequence_ = 0;
};

} // namespace uaoe::sim
