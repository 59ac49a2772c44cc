// A timer, and a count of answers.
#include "tools/daemon/watchdog.hpp"

#include <boost/asio/io_context.hpp>

#include <utility>

namespace uaoe::tools {

Watchdog::Watchdog(boost::asio::io_context& context, std::chrono::microseconds interval,
                   std::vector<Post> threads, std::function<void()> feed)
    : interval_(interval), threads_(std::move(threads)), feed_(std::move(feed)), timer_(context),
      missing_count_(std::make_shared<std::atomic<std::size_t>>(0)) {
    ask();
    wait();
}

void Watchdog::ask() {
    *missing_count_ = threads_.size();
    for (const Post& post : threads_) {
        post([missing_count = missing_count_] { --*missing_count; });
    }
}

void Watchdog::wait() {
    timer_.expires_after(interval_);
    timer_.async_wait([this](const boost::system::error_code& cancelled) {
        if (cancelled) {
            return;
        }
        if (*missing_count_ == 0) {
            feed_();
            ask();
        } // else a thread has not come round yet; asking it again would only fill its queue
        wait();
    });
}

} // namespace uaoe::tools
