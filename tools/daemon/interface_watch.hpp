// News of the local interfaces, for an uaoed that has to take up those that come after its start.
#pragma once

#include "initiator/linux/error.hpp"
#include "tools/interface.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace uaoe::tools {

// Which interfaces may be taken up: those that were there at two looks. A port of a bridge and a
// member of a bond are up for a moment before they become that, and a container's interface before
// it goes to its container.
class SettledInterfaces {
  public:
    // `found`: those that are there now. Returns those that were there the last time, too.
    std::vector<Interface> look(std::vector<Interface> found);
    // Whether the last look found one that was not there before.
    [[nodiscard]] bool is_unsettled() const { return is_unsettled_; }

  private:
    std::set<std::string> names_;
    bool is_unsettled_ = false;
};

// All of it on the io_context's thread.
class InterfaceWatch {
  public:
    // With those that find_interfaces() finds and that have settled: a while after each news, and
    // once in any case.
    using Handler = std::function<void(const std::vector<Interface>&)>;

    static std::expected<std::unique_ptr<InterfaceWatch>, Error>
    start(boost::asio::io_context& context, Handler handler);

  private:
    // Also the least time between two looks, however much news there is.
    static constexpr std::chrono::milliseconds settle_time{500};

    InterfaceWatch(boost::asio::io_context& context, int socket, Handler handler);
    void await_news();
    void look_later();

    boost::asio::posix::stream_descriptor socket_;
    boost::asio::steady_timer timer_;
    Handler handler_;
    SettledInterfaces settled_;
    bool is_looking_ = false; // the timer runs
};

} // namespace uaoe::tools
