// A shard with what a server puts around it: its thread, the buffers of its front ends, and
// somebody who says what happens to its LUNs.
#pragma once

#include "blockdev/front_end.hpp"
#include "initiator/linux/shard.hpp"
#include "tools/serve_reporter.hpp"
#include "tools/session.hpp"

#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>

namespace boost::asio {
class io_context;
}

namespace uaoe::tools {

class ShardHost {
  public:
    struct Handlers {
        // Both on the io_context's thread. A line for the log:
        std::function<void(const LogLine&)> report;
        // An event of a LUN that somebody watches, or news of any target:
        std::function<void(const initiator::Event&)> event;
    };

    // `buffer_bytes`: shared by the front ends of this shard, and kept in memory.
    static std::expected<std::unique_ptr<ShardHost>, Error> make(boost::asio::io_context& context,
                                                                 Session session,
                                                                 std::size_t buffer_bytes,
                                                                 Handlers handlers);
    ~ShardHost(); // stops
    ShardHost(const ShardHost&) = delete;
    ShardHost& operator=(const ShardHost&) = delete;

    // Its thread runs `first`, if given, and then serves.
    void start(std::function<void(Session&)> first = {});
    void stop(); // and waits for its thread

    [[nodiscard]] initiator::Shard& shard() { return *session_.shard; }
    // PortIndex n is the n-th. Any thread.
    [[nodiscard]] std::vector<Interface> interfaces() const;
    // The same with what their addresses are now, and behind them more, at most
    // Shard::interfaces_count_max() together. Those are used as soon as they are up.
    void set_interfaces(std::vector<Interface> interfaces);
    [[nodiscard]] blockdev::DataThread data_thread();

    // Runs `task` on the shard's thread and waits for it. Not from that thread; only while it
    // serves.
    template <class Task>
    auto call(Task task) {
        using Result = std::invoke_result_t<Task&>;
        std::packaged_task<Result()> packaged(std::move(task));
        auto future = packaged.get_future();
        shard().post([&packaged] { packaged(); });
        return future.get();
    }

    // On the shard's thread: says what happens to this LUN, until unwatch().
    void watch(proto::Address address, std::chrono::seconds fail_after);
    void unwatch(proto::Address address);

    std::size_t luns_count = 0; // for whoever distributes LUNs; not used here

  private:
    ShardHost(boost::asio::io_context& context, Session session,
              std::shared_ptr<blockdev::BufferPool> buffers, Handlers handlers);
    void handle_event(const initiator::Event& event);
    void report_from_shard(const LogLine& line);

    boost::asio::io_context& context_;
    Session session_; // its interfaces: under interfaces_mutex_
    mutable std::mutex interfaces_mutex_;
    std::shared_ptr<blockdev::BufferPool> buffers_;
    Handlers handlers_;
    std::map<proto::Address, ServeReporter> reporters_; // on the shard's thread
    std::atomic<unsigned> messages_waiting_count_ = 0;
    std::atomic<unsigned> messages_dropped_count_ = 0;
    std::thread thread_;
};

} // namespace uaoe::tools
