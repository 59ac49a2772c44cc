// One limit and one way out for the process, under a mutex.
#include "tools/log.hpp"

#include "initiator/linux/clock.hpp"
#include "tools/journal.hpp"
#include "tools/log_limit.hpp"
#include "tools/output.hpp"

#include <fmt/format.h>
#include <mutex>
#include <utility>

namespace uaoe::tools {

using namespace std::chrono_literals;

namespace {

class Log {
  public:
    void open(std::string program) {
        const std::lock_guard lock(mutex_);
        program_ = std::move(program);
        if (error_stream_is_journal()) {
            journal_.emplace();
        }
    }

    void write(const LogLine& line) {
        const std::lock_guard lock(mutex_);
        const initiator::Time now = initiator::clock_now();
        say_left_out(now);
        const bool any_waits = limit_.poll_timeout().has_value();
        if (limit_.admit(now, line)) {
            say(line);
        } else if (!any_waits && left_out_handler_) {
            left_out_handler_();
        }
    }

    std::optional<initiator::Time> write_left_out(initiator::Time now) {
        const std::lock_guard lock(mutex_);
        say_left_out(now);
        return limit_.poll_timeout();
    }

    void set_left_out_handler(std::function<void()> handler) {
        const std::lock_guard lock(mutex_);
        left_out_handler_ = std::move(handler);
    }

  private:
    void say_left_out(initiator::Time now) {
        while (const auto line = limit_.poll_left_out(now)) {
            say(*line);
        }
    }

    void say(const LogLine& line) {
        if (journal_ && say_to_journal(line)) {
            return;
        }
        report(log_text(line, program_));
    }

    // False: there is none.
    bool say_to_journal(const LogLine& line) {
        if (lost_count_ > 0) {
            const LogLine lost{.level = LogLevel::warning,
                               .text = fmt::format("{} lines were lost while the journal stood "
                                                   "still; I/O went on",
                                                   lost_count_)};
            if (journal_->send(journal_entry(lost, program_), 0ms) == JournalSocket::Sent::yes) {
                lost_count_ = 0;
            }
        }
        // It is not waited for again until it takes something.
        switch (journal_->send(journal_entry(line, program_), lost_count_ > 0 ? 0ms : 200ms)) {
        case JournalSocket::Sent::nobody:
            return false;
        case JournalSocket::Sent::stopped:
            ++lost_count_;
            break;
        case JournalSocket::Sent::yes:
            break;
        }
        return true;
    }

    std::mutex mutex_;
    std::string program_ = "uaoe";
    std::optional<JournalSocket> journal_;
    std::uint64_t lost_count_ = 0; // the journal stands still
    LogLimit limit_;
    std::function<void()> left_out_handler_;
};

Log& the_log() {
    static Log log;
    return log;
}

} // namespace

void open_log(std::string program) {
    the_log().open(std::move(program));
}

void write_log(const LogLine& line) {
    the_log().write(line);
}

std::optional<initiator::Time> write_left_out(initiator::Time now) {
    return the_log().write_left_out(now);
}

void set_left_out_handler(std::function<void()> handler) {
    the_log().set_left_out_handler(std::move(handler));
}

} // namespace uaoe::tools
