// The listening half of an NBD server: accepts, negotiates, hands over. The only place of blockdev/
// that knows Asio.
#include "blockdev/nbd_server.hpp"

#include "blockdev/nbd_handshake.hpp"
#include "blockdev/nbd_service.hpp"
#include "blockdev/unix_listener.hpp"
#include "initiator/linux/shard.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <fcntl.h>
#include <set>
#include <string_view>
#include <unistd.h>
#include <utility>

namespace uaoe::blockdev {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol::socket;

using Post = std::function<void(std::function<void()>)>;

namespace {

// After accept() failed (no descriptor left): try again then.
constexpr std::chrono::milliseconds accept_retry_time{100};

// For cancelled requests to come back and their connections to close.
constexpr std::chrono::milliseconds cancelled_time_max{1000};

std::string percent_encoded(std::string_view path) {
    constexpr std::string_view plain =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string text;
    for (const char character : path) {
        if (plain.find(character) != std::string_view::npos) {
            text += character;
        } else {
            const auto byte = static_cast<unsigned char>(character);
            text += '%';
            text += digits[byte >> 4U];
            text += digits[byte & 15U];
        }
    }
    return text;
}

} // namespace

struct NbdServer::State : std::enable_shared_from_this<NbdServer::State> {
    // A client in negotiation.
    struct Session {
        Session(Socket accepted, const NbdExport& nbd_export, asio::io_context& context)
            : socket(std::move(accepted)), handshake(nbd_export), deadline(context) {}
        Socket socket;
        NbdHandshake handshake;
        asio::steady_timer deadline;
    };

    State(asio::io_context& io_context, Post post_task, std::shared_ptr<NbdService> nbd_service,
          UnixListener unix_listener, const Config& server_config)
        : context(io_context), post(std::move(post_task)), service(std::move(nbd_service)),
          listener(std::move(unix_listener)), config(server_config), acceptor(io_context),
          accept_retry(io_context) {
        acceptor.assign(asio::local::stream_protocol(), listener.release_fd());
    }

    void accept();
    void handle_accepted(const boost::system::error_code& error, Socket socket);
    void continue_session(const std::shared_ptr<Session>& session);
    void hand_over(Session& session);
    void end_session(const std::shared_ptr<Session>& session);
    void close();

    asio::io_context& context;
    Post post;
    std::shared_ptr<NbdService> service;
    UnixListener listener;
    Config config;
    asio::local::stream_protocol::acceptor acceptor;
    asio::steady_timer accept_retry;
    std::set<std::shared_ptr<Session>> sessions;
    bool closed = false;
};

void NbdServer::State::accept() {
    acceptor.async_accept(
        [self = shared_from_this()](const boost::system::error_code& error, Socket socket) {
            self->handle_accepted(error, std::move(socket));
        });
}

void NbdServer::State::handle_accepted(const boost::system::error_code& error, Socket socket) {
    if (closed) {
        return;
    }
    if (error) {
        accept_retry.expires_after(accept_retry_time);
        accept_retry.async_wait([self = shared_from_this()](const boost::system::error_code&) {
            if (!self->closed) {
                self->accept();
            }
        });
        return;
    }
    if (sessions.size() + service->connections_count() < config.connections_count_max) {
        auto session = std::make_shared<Session>(std::move(socket), service->nbd_export(), context);
        sessions.insert(session);
        session->deadline.expires_after(config.handshake_time_max);
        session->deadline.async_wait(
            [self = shared_from_this(), session](const boost::system::error_code& cancelled) {
                if (!cancelled) {
                    self->end_session(session);
                }
            });
        continue_session(session);
    } // else the socket closes here
    accept();
}

void NbdServer::State::continue_session(const std::shared_ptr<Session>& session) {
    NbdHandshake& handshake = session->handshake;
    if (const auto output = handshake.output(); !output.empty()) {
        session->socket.async_write_some(
            asio::buffer(output.data(), output.size()),
            [self = shared_from_this(), session](const boost::system::error_code& error,
                                                 std::size_t bytes) {
                if (error) { // a client that does not wait for the answer to ABORT, for one
                    self->end_session(session);
                } else if (self->sessions.contains(session)) {
                    session->handshake.handle_sent(bytes);
                    self->continue_session(session);
                }
            });
        return;
    }
    switch (handshake.state()) {
    case NbdHandshake::State::negotiating: {
        const auto room = handshake.input_room();
        session->socket.async_read_some(
            asio::buffer(room.data(), room.size()),
            [self = shared_from_this(), session](const boost::system::error_code& error,
                                                 std::size_t bytes) {
                if (error) {
                    self->end_session(session);
                } else if (self->sessions.contains(session)) {
                    session->handshake.handle_input(bytes);
                    self->continue_session(session);
                }
            });
        return;
    }
    case NbdHandshake::State::transmission:
        hand_over(*session);
        end_session(session);
        return;
    case NbdHandshake::State::closed:
        end_session(session);
        return;
    }
}

void NbdServer::State::hand_over(Session& session) {
    boost::system::error_code error;
    static_cast<void>(session.socket.native_non_blocking(false, error)); // the ring waits by itself
    const int fd = session.socket.release(error);
    if (error) {
        return;
    }
    // Asio's own non-blocking mode is the descriptor's, too.
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    service->announce_connection();
    post([nbd_service = service, fd, structured = session.handshake.structured_replies()] {
        nbd_service->add(fd, structured);
    });
}

void NbdServer::State::end_session(const std::shared_ptr<Session>& session) {
    boost::system::error_code ignored;
    session->deadline.cancel();
    static_cast<void>(session->socket.close(ignored));
    sessions.erase(session);
}

void NbdServer::State::close() {
    if (std::exchange(closed, true)) {
        return;
    }
    boost::system::error_code ignored;
    listener.remove();
    static_cast<void>(acceptor.close(ignored));
    accept_retry.cancel();
    while (!sessions.empty()) {
        end_session(std::shared_ptr<Session>(*sessions.begin()));
    }
    post([nbd_service = service] { nbd_service->close(); });
}

std::expected<std::unique_ptr<NbdServer>, Error>
NbdServer::listen(asio::io_context& context, initiator::Shard& shard,
                  std::shared_ptr<BufferPool> buffers, NbdExport nbd_export,
                  const std::string& path, const Config& config) {
    return listen(
        context,
        DataThread{.ring = shard.ring(),
                   .post = [&shard](std::function<void()> task) { shard.post(std::move(task)); },
                   .buffers = std::move(buffers)},
        std::move(nbd_export), path, config);
}

std::expected<std::unique_ptr<NbdServer>, Error>
NbdServer::listen(asio::io_context& context, const DataThread& data, NbdExport nbd_export,
                  const std::string& path, const Config& config) {
    auto service = NbdService::make(data.ring, std::move(nbd_export), data.buffers);
    auto listener = UnixListener::open(path);
    if (!listener) {
        return std::unexpected(std::move(listener.error()));
    }
    auto state = std::make_shared<State>(context, data.post, std::move(service),
                                         std::move(*listener), config);
    state->accept();
    return std::unique_ptr<NbdServer>(new NbdServer(std::move(state)));
}

NbdServer::NbdServer(std::shared_ptr<State> state) : state_(std::move(state)) {}

NbdServer::~NbdServer() {
    close();
}

std::string NbdServer::uri() const {
    return "nbd+unix:///" + state_->service->nbd_export().name() +
           "?socket=" + percent_encoded(state_->listener.path());
}

std::size_t NbdServer::connections_count() const {
    return state_->service->connections_count();
}

void NbdServer::close() {
    state_->close();
}

std::expected<void, Error> NbdServer::resize(std::uint64_t size_bytes) {
    state_->service->resize(size_bytes);
    return {};
}

std::expected<void, Error> NbdServer::close(std::chrono::milliseconds grace,
                                            const std::function<void()>& cancel) {
    asio::post(state_->context, [state = state_] { state->close(); });
    bool closed = wait_closed(grace);
    // Whatever the io_context does: nothing is submitted to the device after this.
    state_->post([nbd_service = state_->service] { nbd_service->close(); });
    cancel();
    closed = closed || state_->service->wait_closed(cancelled_time_max);
    if (!closed) {
        return std::unexpected(Error{.what = "cannot end " + uri(),
                                     .why = "a client did not let go of its connection",
                                     .what_to_do = "end the client"});
    }
    return {};
}

void NbdServer::leave(std::chrono::milliseconds grace) {
    asio::post(state_->context, [state = state_] { state->close(); });
    static_cast<void>(wait_closed(grace));
    state_->post([nbd_service = state_->service] { nbd_service->close(); });
}

bool NbdServer::wait_closed(std::chrono::milliseconds grace) {
    if (state_->service->wait_closed(grace)) {
        return true;
    }
    state_->post([nbd_service = state_->service] { nbd_service->cut(); });
    return state_->service->wait_closed(std::chrono::seconds{1});
}

} // namespace uaoe::blockdev
