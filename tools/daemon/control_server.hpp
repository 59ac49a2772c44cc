// The control socket of uaoed: listens, reads one request a connection, and writes the reply when
// the daemon has one. Everything is on the io_context's thread, and nothing a client sends or
// leaves unsent holds up anybody else.
#pragma once

#include "initiator/linux/error.hpp"
#include "tools/control_protocol.hpp"

#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <string>

namespace boost::asio {
class io_context;
}

namespace uaoe::tools {

class ControlServer {
  public:
    // Both on the io_context's thread. Called once, now or later:
    using Reply = std::function<void(const ControlReply&)>;
    // Whether the client has gone away meanwhile:
    using IsGone = std::function<bool()>;
    using Handler = std::function<void(const ControlRequest&, Reply, IsGone)>;

    static constexpr std::size_t connections_count_max = 64; // more are closed at once

    // Makes the folder of `path` if it is missing. The socket has mode 0600: it is root's.
    static std::expected<std::unique_ptr<ControlServer>, Error>
    listen(boost::asio::io_context& context, const std::string& path, Handler handler);
    ~ControlServer();
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;

    // Ends listening and removes the socket. Replies that are still to come are sent.
    void close();

  private:
    struct State;
    explicit ControlServer(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

} // namespace uaoe::tools
