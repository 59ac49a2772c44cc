// A queue and at most one write for each.
#include "tools/daemon/event_followers.hpp"

#include "tools/event_text.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include <deque>
#include <utility>
#include <vector>

namespace uaoe::tools {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

namespace {

constexpr std::size_t write_bytes_max = 65536;

} // namespace

struct EventFollowers::Follower {
    Follower(Socket accepted, std::optional<proto::Address> wanted)
        : socket(std::move(accepted)), address(wanted) {}
    Socket socket;
    std::optional<proto::Address> address;
    std::deque<std::shared_ptr<const std::string>> waiting; // shared by all who follow
    std::uint64_t lost_count = 0;                           // behind those that wait
    std::string writing;
    bool is_writing = false;
};

void EventFollowers::add(Socket socket, std::optional<proto::Address> address,
                         std::string greeting) {
    const auto follower = std::make_shared<Follower>(std::move(socket), address);
    followers_.insert(follower);
    follower->waiting.push_back(std::make_shared<const std::string>(std::move(greeting)));
    // One that has shut down its sending side may still read; one that is gone has hung up.
    follower->socket.async_wait(Socket::wait_error,
                                [weak = std::weak_ptr(self_), follower](const ErrorCode& error) {
                                    if (const auto self = weak.lock(); self && !error) {
                                        (*self)->end(follower);
                                    }
                                });
    write_more(follower);
}

void EventFollowers::publish(proto::Address address,
                             const std::function<std::string()>& make_line) {
    std::vector<FollowerPointer> interested; // a copy: one that fails ends itself
    for (const FollowerPointer& follower : followers_) {
        if (!follower->address || *follower->address == address) {
            interested.push_back(follower);
        }
    }
    std::string line = interested.empty() ? std::string() : make_line();
    if (line.empty()) {
        return;
    }
    line += '\n';
    const auto shared = std::make_shared<const std::string>(std::move(line));
    for (const FollowerPointer& follower : interested) {
        if (follower->lost_count > 0 || follower->waiting.size() >= lines_waiting_max) {
            ++follower->lost_count;
        } else {
            follower->waiting.push_back(shared);
        }
        write_more(follower);
    }
}

void EventFollowers::write_more(const FollowerPointer& follower) {
    if (follower->is_writing) {
        return;
    }
    if (follower->lost_count > 0) {
        follower->waiting.push_back(std::make_shared<const std::string>(
            events_lost_json(std::chrono::system_clock::now(),
                             std::exchange(follower->lost_count, 0)) +
            "\n"));
    }
    follower->writing.clear();
    while (!follower->waiting.empty() && follower->writing.size() < write_bytes_max) {
        follower->writing += *follower->waiting.front();
        follower->waiting.pop_front();
    }
    if (follower->writing.empty()) {
        return;
    }
    follower->is_writing = true;
    asio::async_write(follower->socket, asio::buffer(follower->writing),
                      [weak = std::weak_ptr(self_), follower](const ErrorCode& error, std::size_t) {
                          follower->is_writing = false;
                          const auto self = weak.lock();
                          if (self && error) {
                              (*self)->end(follower);
                          } else if (self && follower->socket.is_open()) {
                              (*self)->write_more(follower);
                          }
                      });
}

void EventFollowers::end(FollowerPointer follower) { // NOLINT: it may be the one in the set
    ErrorCode ignored;
    static_cast<void>(follower->socket.close(ignored));
    followers_.erase(follower);
}

void EventFollowers::close() {
    while (!followers_.empty()) {
        end(*followers_.begin());
    }
}

} // namespace uaoe::tools
