// Those who follow uaoed's events on the control socket. Each has a queue of its own, of bounded
// length: one that does not read costs nobody anything but that, and is told how many lines it
// missed. All on the io_context's thread.
#pragma once

#include "proto/address.hpp"

#include <boost/asio/local/stream_protocol.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace uaoe::tools {

class EventFollowers {
  public:
    using Socket = boost::asio::local::stream_protocol::socket;

    static constexpr std::size_t followers_count_max = 16;
    static constexpr std::size_t lines_waiting_max = 1024; // for each, beside 64 KiB being written

    EventFollowers() = default;
    ~EventFollowers() { close(); }
    EventFollowers(const EventFollowers&) = delete;
    EventFollowers& operator=(const EventFollowers&) = delete;

    [[nodiscard]] bool is_full() const { return followers_.size() >= followers_count_max; }
    [[nodiscard]] std::size_t count() const { return followers_.size(); }

    // Not when it is full. Of one LUN, or of all. `greeting`: a line with its newline.
    void add(Socket socket, std::optional<proto::Address> address, std::string greeting);
    // `make_line`: without a newline; empty when there is nothing to tell. Asked only when somebody
    // follows that LUN, and once.
    void publish(proto::Address address, const std::function<std::string()>& make_line);
    void close(); // whatever is still to be sent

  private:
    struct Follower;
    using FollowerPointer = std::shared_ptr<Follower>;
    void write_more(const FollowerPointer& follower);
    void end(FollowerPointer follower);

    std::set<FollowerPointer> followers_;
    // Handlers that are still to come look whether this is gone.
    std::shared_ptr<EventFollowers*> self_ = std::make_shared<EventFollowers*>(this);
};

} // namespace uaoe::tools
