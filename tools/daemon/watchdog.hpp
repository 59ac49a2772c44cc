// Tells a service manager that this process is alive, as long as it is: the thread of the
// io_context, and every thread that is asked. When one of them hangs, the service manager hears
// nothing, and ends and starts the process; devices wait for the next one.
#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <vector>

namespace uaoe::tools {

class Watchdog {
  public:
    // Runs a task on the thread in question, at some time; callable on the io_context's thread.
    using Post = std::function<void(std::function<void()>)>;

    // Calls `feed` every `interval` on the io_context's thread while all `threads` answer. The
    // service manager's patience is to be some intervals long. As long as the io_context runs.
    Watchdog(boost::asio::io_context& context, std::chrono::microseconds interval,
             std::vector<Post> threads, std::function<void()> feed);

  private:
    void ask();
    void wait();

    std::chrono::microseconds interval_;
    std::vector<Post> threads_;
    std::function<void()> feed_;
    boost::asio::steady_timer timer_;
    // Of the threads that have been asked, how many have not answered. Theirs too: they may answer
    // when this is gone.
    std::shared_ptr<std::atomic<std::size_t>> missing_count_;
};

} // namespace uaoe::tools
