// HTTP by Boost.Beast, on a unix or a TCP socket alike.
#include "tools/daemon/metrics_server.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace uaoe::tools {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Socket = asio::generic::stream_protocol::socket;
using ErrorCode = boost::system::error_code;

namespace {

// For the request to come whole, and again for the answer to be read.
constexpr std::chrono::seconds client_time_max{10};
constexpr std::chrono::milliseconds accept_retry_time{100};
constexpr std::uint32_t header_bytes_max = 8192;

constexpr const char* index_page =
    "<html><head><title>uaoed</title></head><body><a href=\"/metrics\">metrics</a></body></html>\n";

Error listen_error(const std::string& endpoint, int error) {
    return {.what = "cannot serve metrics on " + endpoint,
            .why = std::strerror(error),
            .what_to_do =
                error == EADDRINUSE ? "`ss -ltnp` shows who has that port; mend metrics_listen"
                : error == EACCES
                    ? "name a port of 1024 or more, which needs no privilege, in metrics_listen"
                    : "mend metrics_listen in uaoe.toml"};
}

std::expected<int, int> listen_tcp(const MetricsEndpoint& endpoint) {
    sockaddr_in four{};
    sockaddr_in6 six{};
    const bool is_four = inet_pton(AF_INET, endpoint.address.c_str(), &four.sin_addr) == 1;
    if (!is_four && inet_pton(AF_INET6, endpoint.address.c_str(), &six.sin6_addr) != 1) {
        return std::unexpected(EINVAL);
    }
    four.sin_family = AF_INET;
    four.sin_port = htons(endpoint.port);
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(endpoint.port);
    const int fd =
        socket(is_four ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    constexpr int on = 1;
    const bool listens =
        fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        (is_four ? bind(fd, reinterpret_cast<const sockaddr*>(&four), sizeof(four))
                 : bind(fd, reinterpret_cast<const sockaddr*>(&six), sizeof(six))) == 0 &&
        ::listen(fd, SOMAXCONN) == 0;
    if (!listens) {
        const int error = errno;
        if (fd >= 0) {
            ::close(fd);
        }
        return std::unexpected(error);
    }
    return fd;
}

} // namespace

struct MetricsServer::State : std::enable_shared_from_this<MetricsServer::State> {
    struct Client {
        Client(Socket accepted, asio::io_context& context)
            : socket(std::move(accepted)), deadline(context) {
            parser.header_limit(header_bytes_max);
            parser.body_limit(0);
        }
        Socket socket;
        asio::steady_timer deadline;
        boost::beast::flat_buffer buffer{header_bytes_max + 1024};
        http::request_parser<http::empty_body> parser;
        http::response<http::string_body> response;
        char ignored = 0; // what comes behind the request
    };
    using ClientPointer = std::shared_ptr<Client>;

    State(asio::io_context& io_context, MetricsListener&& socket, Collect collector)
        : context(io_context), unix_listener(std::move(socket.unix_)),
          listener(io_context, std::exchange(socket.fd_, -1)), accept_retry(io_context),
          collect(std::move(collector)) {
        listener.non_blocking(true);
    }

    void accept();
    void take(int fd);
    void read(const ClientPointer& client);
    void answer(const ClientPointer& client);
    static void write(const ClientPointer& client);
    static void limit_time(const ClientPointer& client);
    static void end(const ClientPointer& client);

    asio::io_context& context;
    std::optional<blockdev::UnixListener> unix_listener; // removes its socket
    asio::posix::stream_descriptor listener;
    asio::steady_timer accept_retry;
    Collect collect;
    std::size_t clients_count = 0;
    bool closed = false;
};

void MetricsServer::State::accept() {
    listener.async_wait(asio::posix::stream_descriptor::wait_read, [self = shared_from_this()](
                                                                       const ErrorCode& error) {
        if (error || self->closed) {
            return;
        }
        const int fd =
            accept4(self->listener.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        const bool is_out = fd < 0 && errno != EAGAIN && errno != ECONNABORTED;
        if (fd >= 0) {
            self->take(fd);
        }
        if (!is_out) {
            self->accept();
            return;
        }
        self->accept_retry.expires_after(accept_retry_time); // no descriptor left
        self->accept_retry.async_wait([self](const ErrorCode& cancelled) {
            if (!cancelled && !self->closed) {
                self->accept();
            }
        });
    });
}

void MetricsServer::State::take(int fd) {
    if (clients_count >= connections_count_max) {
        ::close(fd);
        return;
    }
    Socket socket(context);
    ErrorCode failed;
    // A generic socket is told its family; it makes no difference to what is done with it here.
    static_cast<void>(socket.assign(asio::generic::stream_protocol(AF_UNIX, 0), fd, failed));
    if (failed) {
        ::close(fd);
        return;
    }
    ++clients_count;
    // Counted down when the last handler has let go of it.
    read(ClientPointer(new Client(std::move(socket), context),
                       [self = shared_from_this()](Client* ended) {
                           delete ended; // NOLINT: this is its deleter
                           --self->clients_count;
                       }));
}

void MetricsServer::State::limit_time(const ClientPointer& client) {
    client->deadline.expires_after(client_time_max);
    client->deadline.async_wait([weak = std::weak_ptr(client)](const ErrorCode& cancelled) {
        if (const ClientPointer late = weak.lock(); late && !cancelled) {
            end(late);
        }
    });
}

void MetricsServer::State::read(const ClientPointer& client) {
    limit_time(client);
    http::async_read_header(
        client->socket, client->buffer, client->parser,
        [self = shared_from_this(), client](const ErrorCode& error, std::size_t) {
            const bool is_nonsense = error.category() == http::make_error_code({}).category() &&
                                     error != http::error::end_of_stream &&
                                     error != http::error::partial_message;
            if (error && !is_nonsense) {
                end(client); // it went away, or said too little for too long
                return;
            }
            client->response.result(error ? http::status::bad_request : http::status::ok);
            self->answer(client);
        });
}

void MetricsServer::State::answer(const ClientPointer& client) {
    auto& response = client->response;
    const auto& request = client->parser.get();
    response.version(request.version() == 10 ? 10 : 11);
    response.keep_alive(false);
    response.set(http::field::server, "uaoed");
    response.set(http::field::content_type, "text/plain; charset=utf-8");
    const auto target = request.target().substr(0, request.target().find('?'));
    if (response.result() != http::status::ok) {
        response.body() = "that is no HTTP request\n";
    } else if (request.method() != http::verb::get && request.method() != http::verb::head) {
        response.result(http::status::method_not_allowed);
        response.set(http::field::allow, "GET, HEAD");
        response.body() = "metrics can be read, and nothing else\n";
    } else if (target == "/metrics") {
        response.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
        collect([client](std::string text) {
            client->response.body() = std::move(text);
            write(client);
        });
        return;
    } else if (target == "/") {
        response.set(http::field::content_type, "text/html; charset=utf-8");
        response.body() = index_page;
    } else {
        response.result(http::status::not_found);
        response.body() = "the metrics are at /metrics\n";
    }
    write(client);
}

void MetricsServer::State::write(const ClientPointer& client) {
    limit_time(client);
    client->response.prepare_payload();
    if (client->parser.get().method() == http::verb::head) {
        client->response.body().clear(); // its length stays in the header
    }
    http::async_write(client->socket, client->response, [client](const ErrorCode&, std::size_t) {
        ErrorCode ignored;
        // Unread bytes would turn the end of file into a reset.
        static_cast<void>(client->socket.shutdown(Socket::shutdown_send, ignored));
        client->socket.async_read_some(asio::buffer(&client->ignored, 1),
                                       [client](const ErrorCode&, std::size_t) { end(client); });
    });
}

void MetricsServer::State::end(const ClientPointer& client) {
    ErrorCode ignored;
    client->deadline.cancel();
    static_cast<void>(client->socket.close(ignored));
}

std::expected<MetricsListener, Error> MetricsListener::open(const MetricsEndpoint& endpoint,
                                                            std::optional<gid_t> group) {
    if (endpoint.path.empty()) {
        const auto fd = listen_tcp(endpoint);
        return fd ? std::expected<MetricsListener, Error>(MetricsListener(*fd))
                  : std::unexpected(listen_error(endpoint.text(), fd.error()));
    }
    auto opened = blockdev::UnixListener::open(endpoint.path);
    if (opened && group) {
        if (auto shared = opened->share_with(*group); !shared) {
            return std::unexpected(
                Error{.what = "cannot serve metrics on " + endpoint.path,
                      .why = "giving it to the group of the control socket is not permitted",
                      .what_to_do = "restart uaoed, which may do that only at its start, as root; "
                                    "devices stay",
                      .exit_code = ExitCode::no_permission});
        }
    }
    if (!opened) {
        return std::unexpected(std::move(opened.error()));
    }
    MetricsListener listener(opened->release_fd());
    listener.unix_.emplace(std::move(*opened));
    return listener;
}

MetricsListener::MetricsListener(MetricsListener&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), unix_(std::move(other.unix_)) {}

MetricsListener::~MetricsListener() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

MetricsServer::MetricsServer(asio::io_context& context, MetricsListener listener, Collect collect)
    : state_(std::make_shared<State>(context, std::move(listener), std::move(collect))) {
    state_->accept();
}

MetricsServer::~MetricsServer() {
    close();
}

void MetricsServer::close() {
    ErrorCode ignored;
    state_->closed = true;
    static_cast<void>(state_->listener.close(ignored));
    state_->accept_retry.cancel();
    if (state_->unix_listener) {
        state_->unix_listener->remove();
    }
}

} // namespace uaoe::tools
