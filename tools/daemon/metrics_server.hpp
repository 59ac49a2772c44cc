// Serves metrics over HTTP/1.1 (and 1.0), one request a connection: GET and HEAD of /metrics. All
// on the io_context's thread; a client that is slow, or sends nothing, holds up nobody and is ended
// after ten seconds.
#pragma once

#include "blockdev/unix_listener.hpp"
#include "initiator/linux/error.hpp"
#include "tools/daemon/metrics_endpoint.hpp"

#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>

namespace boost::asio {
class io_context;
}

namespace uaoe::tools {

// The socket, before whoever makes it gives up root's privileges.
class MetricsListener {
  public:
    // `group` may read a unix socket, too.
    static std::expected<MetricsListener, Error> open(const MetricsEndpoint& endpoint,
                                                      std::optional<gid_t> group);
    MetricsListener(MetricsListener&& other) noexcept;
    MetricsListener& operator=(MetricsListener&&) = delete;
    ~MetricsListener(); // closes it, and removes a unix socket

  private:
    friend class MetricsServer;
    explicit MetricsListener(int fd) : fd_(fd) {}

    int fd_;
    std::optional<blockdev::UnixListener> unix_;
};

class MetricsServer {
  public:
    static constexpr std::size_t connections_count_max = 16; // more are closed at once

    // Called on the io_context's thread; the text may come later.
    using Done = std::function<void(std::string)>;
    using Collect = std::function<void(Done)>;

    MetricsServer(boost::asio::io_context& context, MetricsListener listener, Collect collect);
    ~MetricsServer();
    MetricsServer(const MetricsServer&) = delete;
    MetricsServer& operator=(const MetricsServer&) = delete;

    // Ends listening, and removes a unix socket.
    void close();

  private:
    struct State;
    std::shared_ptr<State> state_;
};

} // namespace uaoe::tools
