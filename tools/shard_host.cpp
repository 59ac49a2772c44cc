// A shard's thread, and its news carried over to the io_context's.
#include "tools/shard_host.hpp"

#include "proto/assert.hpp"
#include "tools/output.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <fmt/format.h>
#include <utility>

namespace uaoe::tools {

namespace {

// Messages of the shard that the io_context has not taken yet. More are counted and thrown away, so
// that a control plane that stands still costs no memory. A NIC that goes is two for each of 256
// LUNs, and comes back soon.
constexpr unsigned messages_waiting_max = 1024;

} // namespace

std::expected<std::unique_ptr<ShardHost>, Error> ShardHost::make(boost::asio::io_context& context,
                                                                 Session session,
                                                                 std::size_t buffer_bytes,
                                                                 Handlers handlers) {
    auto arena = blockdev::BufferArena::make(buffer_bytes);
    if (!arena) {
        return std::unexpected(std::move(arena.error()));
    }
    (*arena)->populate(buffer_bytes);
    auto buffers = std::make_shared<blockdev::BufferPool>(std::move(*arena));
    return std::unique_ptr<ShardHost>(
        new ShardHost(context, std::move(session), std::move(buffers), std::move(handlers)));
}

ShardHost::ShardHost(boost::asio::io_context& context, Session session,
                     std::shared_ptr<blockdev::BufferPool> buffers, Handlers handlers)
    : context_(context), session_(std::move(session)), buffers_(std::move(buffers)),
      handlers_(std::move(handlers)) {}

ShardHost::~ShardHost() {
    stop();
}

void ShardHost::start(std::function<void(Session&)> first) {
    thread_ = std::thread([this, first = std::move(first)] {
        if (first) {
            first(session_);
        }
        shard().set_event_handler([this](const initiator::Event& event) { handle_event(event); });
        shard().set_error_handler([this](const Error& error) {
            report_from_shard(failure_line(error, LogKind::link, {})); // it says what then
        });
        shard().run();
    });
}

void ShardHost::stop() {
    if (thread_.joinable()) {
        shard().stop();
        thread_.join();
    }
}

std::vector<Interface> ShardHost::interfaces() const {
    const std::lock_guard lock(interfaces_mutex_);
    return session_.interfaces;
}

void ShardHost::set_interfaces(std::vector<Interface> interfaces) {
    std::vector<std::string> later;
    {
        const std::lock_guard lock(interfaces_mutex_);
        UAOE_ASSERT(interfaces.size() >= session_.interfaces.size());
        for (std::size_t i = session_.interfaces.size(); i < interfaces.size(); ++i) {
            later.push_back(interfaces[i].name);
        }
        session_.interfaces = std::move(interfaces); // before an event can name one of them
    }
    if (!later.empty()) {
        shard().post([this, later = std::move(later)] {
            for (const std::string& name : later) {
                shard().add_interface(name);
            }
        });
    }
}

blockdev::DataThread ShardHost::data_thread() {
    return {.ring = shard().ring(),
            .post = [this](std::function<void()> task) { shard().post(std::move(task)); },
            .buffers = buffers_};
}

void ShardHost::watch(proto::Address address, std::chrono::seconds fail_after) {
    reporters_.try_emplace(address, address, fail_after,
                           [this](const LogLine& line) { report_from_shard(line); });
}

void ShardHost::unwatch(proto::Address address) {
    reporters_.erase(address);
}

// On the shard's thread.
void ShardHost::handle_event(const initiator::Event& event) {
    const auto reporter = reporters_.find(event.address);
    if (reporter != reporters_.end()) {
        const bool has_port = event.port.value < shard().interfaces_count();
        reporter->second.handle(shard().now(), event,
                                has_port ? shard().interface_name(event.port) : std::string("?"));
    }
    if (handlers_.event &&
        (reporter != reporters_.end() || event.kind == initiator::EventKind::target_found ||
         event.kind == initiator::EventKind::target_changed)) {
        boost::asio::post(context_, [this, event] { handlers_.event(event); });
    }
}

// The shard never writes: a terminal that is stopped would stop its I/O.
void ShardHost::report_from_shard(const LogLine& line) {
    if (messages_waiting_count_.fetch_add(1) >= messages_waiting_max) {
        --messages_waiting_count_;
        ++messages_dropped_count_;
        return;
    }
    boost::asio::post(context_, [this, line] {
        --messages_waiting_count_;
        if (const unsigned dropped = messages_dropped_count_.exchange(0); dropped > 0) {
            handlers_.report({.level = LogLevel::warning,
                              .text = fmt::format("{} changes of LUNs were not logged: too many at "
                                                  "once; `uaoe list` shows how LUNs are now",
                                                  dropped)});
        }
        handlers_.report(line);
    });
}

} // namespace uaoe::tools
