// Has an io_context say what the log left out, once it is due.
#pragma once

#include <boost/asio/steady_timer.hpp>

namespace uaoe::tools {

class LogTimer {
  public:
    explicit LogTimer(boost::asio::io_context& context); // that outlives it
    ~LogTimer();                                         // says the rest
    LogTimer(const LogTimer&) = delete;
    LogTimer& operator=(const LogTimer&) = delete;

  private:
    void wait();

    boost::asio::steady_timer timer_;
    bool is_waiting_ = false; // on the io_context's thread
};

} // namespace uaoe::tools
