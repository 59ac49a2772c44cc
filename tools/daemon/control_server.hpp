// The control socket of uaoed: listens, reads one request a connection, and writes the reply when
// the daemon has one. Everything is on the io_context's thread, and nothing a client sends or
// leaves unsent holds up anybody else. Who may ask for what, the kernel's word on the client
// decides (SO_PEERCRED).
#pragma once

#include "blockdev/unix_listener.hpp"
#include "initiator/linux/error.hpp"
#include "tools/control_protocol.hpp"

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

class ControlServer {
  public:
    // Both on the io_context's thread. Called once, now or later:
    using Reply = std::function<void(const ControlReply&)>;
    // Whether the client has gone away meanwhile:
    using IsGone = std::function<bool()>;
    using Handler = std::function<void(const ControlRequest&, Reply, IsGone)>;

    static constexpr std::size_t connections_count_max = 64; // more are closed at once

    // Whoever the daemon runs as, and root, may do everything.
    struct Access {
        std::optional<gid_t> group;    // may list and show
        bool group_may_change = false; // and all the rest
    };

    // Says the line (of event_text.hpp) to those who asked for events, see EventFollowers: an
    // EventsRequest does not reach the handler.
    void publish(proto::Address address, const std::function<std::string()>& make_line);

    // The socket. Makes its folder if it is missing.
    static std::expected<blockdev::UnixListener, Error> bind(const std::string& path,
                                                             const Access& access);
    ControlServer(boost::asio::io_context& context, blockdev::UnixListener listener,
                  const Access& access, Handler handler);
    ~ControlServer();
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;

    // Ends listening and removes the socket. Replies that are still to come are sent.
    void close();

  private:
    struct State;
    std::shared_ptr<State> state_;
};

} // namespace uaoe::tools
