// Accept, read a line, answer, close.
#include "tools/daemon/control_server.hpp"

#include "blockdev/unix_listener.hpp"
#include "tools/daemon/event_followers.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <chrono>
#include <filesystem>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace uaoe::tools {

namespace asio = boost::asio;
using Socket = asio::local::stream_protocol::socket;
using ErrorCode = boost::system::error_code;

namespace {

// For the request to come whole, and for the reply to be read.
constexpr std::chrono::seconds client_time_max{10};
constexpr std::chrono::milliseconds accept_retry_time{100};

} // namespace

struct ControlServer::State : std::enable_shared_from_this<ControlServer::State> {
    struct Client {
        Client(Socket accepted, asio::io_context& context)
            : socket(std::move(accepted)), deadline(context) {}
        Socket socket;
        asio::steady_timer deadline;
        std::string request;
        std::string reply;
        char ignored = 0; // what comes behind the request
        bool gone = false;
    };
    using ClientPointer = std::shared_ptr<Client>;

    State(asio::io_context& io_context, blockdev::UnixListener unix_listener, bool may_group_change,
          Handler request_handler)
        : context(io_context), listener(std::move(unix_listener)),
          group_may_change(may_group_change), handler(std::move(request_handler)),
          acceptor(io_context), accept_retry(io_context) {
        acceptor.assign(asio::local::stream_protocol(), listener.release_fd());
    }

    void accept();
    void read(const ClientPointer& client);
    [[nodiscard]] bool may_change(const ClientPointer& client) const;
    void handle_request(const ClientPointer& client, const ErrorCode& error, std::size_t bytes);
    static void watch(const ClientPointer& client);
    void answer(const ClientPointer& client, const ControlReply& reply);
    void follow(const ClientPointer& client, const EventsRequest& request);
    void limit_time(const ClientPointer& client);
    static void end(const ClientPointer& client);

    asio::io_context& context;
    blockdev::UnixListener listener;
    bool group_may_change;
    Handler handler;
    asio::local::stream_protocol::acceptor acceptor;
    asio::steady_timer accept_retry;
    std::size_t clients_count = 0;
    EventFollowers followers;
    bool closed = false;
};

void ControlServer::State::accept() {
    acceptor.async_accept([self = shared_from_this()](const ErrorCode& error, Socket socket) {
        if (self->closed) {
            return;
        }
        if (error) { // no descriptor left
            self->accept_retry.expires_after(accept_retry_time);
            self->accept_retry.async_wait([self](const ErrorCode&) {
                if (!self->closed) {
                    self->accept();
                }
            });
            return;
        }
        if (self->clients_count < connections_count_max) {
            ++self->clients_count;
            // Counted down when the last handler has let go of it.
            const ClientPointer client(new Client(std::move(socket), self->context),
                                       [self](Client* ended) {
                                           delete ended; // NOLINT: this is its deleter
                                           --self->clients_count;
                                       });
            self->read(client);
        } // else the socket closes here
        self->accept();
    });
}

void ControlServer::State::limit_time(const ClientPointer& client) {
    client->deadline.expires_after(client_time_max);
    client->deadline.async_wait([weak = std::weak_ptr(client)](const ErrorCode& cancelled) {
        if (const ClientPointer late = weak.lock(); late && !cancelled) {
            end(late);
        }
    });
}

void ControlServer::State::read(const ClientPointer& client) {
    limit_time(client);
    asio::async_read_until(
        client->socket, asio::dynamic_buffer(client->request, control_request_bytes_max), '\n',
        [self = shared_from_this(), client](const ErrorCode& error, std::size_t bytes) {
            self->handle_request(client, error, bytes);
        });
}

// By what the kernel says of the process that connected.
bool ControlServer::State::may_change(const ClientPointer& client) const {
    ucred peer{};
    socklen_t bytes = sizeof(peer);
    const bool is_known =
        getsockopt(client->socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0;
    return group_may_change || (is_known && (peer.uid == 0 || peer.uid == geteuid()));
}

void ControlServer::State::handle_request(const ClientPointer& client, const ErrorCode& error,
                                          std::size_t bytes) {
    client->deadline.cancel();
    if (error && error != asio::error::not_found) {
        return; // it went away, or said too little for too long
    }
    const auto request =
        error ? std::unexpected(Error{.what = "the request was not understood",
                                      .why = "it is longer than " +
                                             std::to_string(control_request_bytes_max) + " bytes",
                                      .what_to_do = "use `uaoe`, of the version of uaoed"})
              : parse_request(std::string_view(client->request).substr(0, bytes - 1));
    if (!request) {
        answer(client, std::unexpected(request.error()));
        return;
    }
    if (changes_anything(*request) && !may_change(client)) {
        answer(client, std::unexpected(
                           Error{.what = "uaoed refuses to change anything",
                                 .why = "only root may; the group of its control socket may look",
                                 .what_to_do = "do it as root, or see control_group_changes in "
                                               "uaoe.toml(5)",
                                 .exit_code = ExitCode::no_permission}));
        return;
    }
    if (const auto* const events = std::get_if<EventsRequest>(&*request)) {
        follow(client, *events);
        return;
    }
    watch(client);
    handler(
        *request,
        [self = shared_from_this(), client](const ControlReply& reply) {
            self->answer(client, reply);
        },
        // Kept as long as the LUN is attached; the client is not.
        [weak = std::weak_ptr(client)] {
            const ClientPointer asker = weak.lock();
            return !asker || asker->gone;
        });
}

void ControlServer::State::follow(const ClientPointer& client, const EventsRequest& request) {
    if (followers.is_full()) {
        answer(client,
               std::unexpected(Error{.what = "too many follow events",
                                     .why = "uaoed tells " +
                                            std::to_string(EventFollowers::followers_count_max) +
                                            " at a time",
                                     .what_to_do = "end one of them"}));
        return;
    }
    followers.add(std::move(client->socket), request.address, reply_line(json_string("following")));
}

// A client may shut down its sending side and still wait; one that has closed its socket fails a
// write, too, which is what tells them apart: poll(2) says HUP for it.
void ControlServer::State::watch(const ClientPointer& client) {
    client->socket.async_wait(Socket::wait_error, [client](const ErrorCode& error) {
        client->gone = client->gone || !error;
    });
}

void ControlServer::State::answer(const ClientPointer& client, const ControlReply& reply) {
    client->reply = reply_line(reply);
    limit_time(client);
    asio::async_write(
        client->socket, asio::buffer(client->reply), [client](const ErrorCode&, std::size_t) {
            ErrorCode ignored;
            // Unread bytes would turn the end of file into a reset.
            static_cast<void>(client->socket.shutdown(Socket::shutdown_send, ignored));
            client->socket.async_read_some(
                asio::buffer(&client->ignored, 1),
                [client](const ErrorCode&, std::size_t) { end(client); });
        });
}

void ControlServer::State::end(const ClientPointer& client) {
    ErrorCode ignored;
    client->deadline.cancel();
    static_cast<void>(client->socket.close(ignored));
}

std::expected<blockdev::UnixListener, Error> ControlServer::bind(const std::string& path,
                                                                 const Access& access) {
    std::error_code failed;
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    if (!folder.empty()) {
        std::filesystem::create_directories(folder, failed); // listening says what is wrong
    }
    auto listener = blockdev::UnixListener::open(path);
    if (!listener) {
        Error error = std::move(listener.error());
        if (error.why == "another server listens there") {
            error.what_to_do = "another uaoed runs; stop it, or give this one its own --control";
        }
        return std::unexpected(std::move(error));
    }
    if (access.group) {
        if (auto shared = listener->share_with(*access.group); !shared) {
            return std::unexpected(std::move(shared.error()));
        }
    }
    return listener;
}

ControlServer::ControlServer(asio::io_context& context, blockdev::UnixListener listener,
                             const Access& access, Handler handler)
    : state_(std::make_shared<State>(context, std::move(listener), access.group_may_change,
                                     std::move(handler))) {
    state_->accept();
}

ControlServer::~ControlServer() {
    close();
}

void ControlServer::publish(proto::Address address, const std::function<std::string()>& make_line) {
    state_->followers.publish(address, make_line);
}

void ControlServer::close() {
    ErrorCode ignored;
    state_->followers.close();
    state_->closed = true;
    static_cast<void>(state_->acceptor.close(ignored));
    state_->accept_retry.cancel();
    state_->listener.remove();
}

} // namespace uaoe::tools
