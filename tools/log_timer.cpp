// A timer that runs only while something is left out.
#include "tools/log_timer.hpp"

#include "initiator/linux/clock.hpp"
#include "tools/log.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace uaoe::tools {

LogTimer::LogTimer(boost::asio::io_context& context) : timer_(context) {
    set_left_out_handler([this] {
        boost::asio::post(timer_.get_executor(), [this] {
            if (!is_waiting_) {
                wait();
            }
        });
    });
}

LogTimer::~LogTimer() {
    set_left_out_handler({});
    write_left_out(initiator::Time::max());
}

void LogTimer::wait() {
    const initiator::Time now = initiator::clock_now();
    const auto due = write_left_out(now);
    is_waiting_ = due.has_value();
    if (!due) {
        return;
    }
    timer_.expires_after(*due - now);
    timer_.async_wait([this](const boost::system::error_code& cancelled) {
        if (!cancelled) {
            wait();
        }
    });
}

} // namespace uaoe::tools
