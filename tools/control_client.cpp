// connect, send, receive up to the newline.
#include "tools/control_client.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace uaoe::tools {

namespace {

using Clock = std::chrono::steady_clock;

class Socket {
  public:
    Socket() : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
    ~Socket() {
        if (fd_ >= 0) {
            close(fd_);
        }
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    [[nodiscard]] int fd() const { return fd_; }

  private:
    int fd_;
};

Error unreachable(const std::string& path, int error) {
    const bool forbidden = error == EACCES || error == EPERM;
    return {.what = "cannot reach uaoed at " + path,
            .why = error == ENOENT         ? "there is no such socket"
                   : error == ECONNREFUSED ? "nobody listens there"
                                           : std::strerror(error),
            .what_to_do = forbidden ? "run as root"
                                    : "start uaoed (`systemctl start uaoed`), or name its socket "
                                      "with --control",
            .exit_code = forbidden ? ExitCode::no_permission : ExitCode::daemon_unreachable};
}

Error no_answer(int error) {
    return {.what = "uaoed did not answer",
            .why = error == ECONNRESET ? "it ended, or is too busy" : std::strerror(error),
            .what_to_do = "see what it logs; `uaoe list` tells whether it "
                          "runs",
            .exit_code = ExitCode::daemon_unreachable};
}

int send_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t count = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
        if (count < 0 && errno != EINTR) {
            return errno;
        }
        text.remove_prefix(count > 0 ? static_cast<std::size_t>(count) : 0);
    }
    return 0;
}

// Lines as they come, whatever pieces they come in.
class LineReader {
  public:
    LineReader(int fd, const IsInterrupted& interrupted) : fd_(fd), interrupted_(interrupted) {}

    // 0 with a whole line, or why not: EINTR when it is interrupted.
    int read_line(Clock::time_point end, std::string& line);

  private:
    int read_more(Clock::time_point end);

    int fd_;
    const IsInterrupted& interrupted_;
    std::string text_;
    std::size_t searched_bytes_ = 0; // of text_, without a newline
};

int LineReader::read_line(Clock::time_point end, std::string& line) {
    while (true) {
        const std::size_t newline = text_.find('\n', searched_bytes_);
        if (newline != std::string::npos) {
            line = text_.substr(0, newline);
            text_.erase(0, newline + 1);
            searched_bytes_ = 0;
            return 0;
        }
        searched_bytes_ = text_.size();
        if (text_.size() >= control_reply_bytes_max) {
            return EMSGSIZE;
        }
        if (const int error = read_more(end); error != 0) {
            return error;
        }
    }
}

int LineReader::read_more(Clock::time_point end) {
    while (true) {
        if (interrupted_ && interrupted_()) {
            return EINTR;
        }
        const auto now = Clock::now();
        if (now >= end) {
            return ETIMEDOUT;
        }
        // A signal may come just before poll().
        const std::chrono::milliseconds step{interrupted_ ? 500 : 60'000};
        const auto left =
            end - now < step ? std::chrono::ceil<std::chrono::milliseconds>(end - now) : step;
        pollfd readable{.fd = fd_, .events = POLLIN, .revents = 0};
        const int ready = poll(&readable, 1, static_cast<int>(left.count()));
        if (ready < 0 && errno != EINTR) {
            return errno;
        }
        if (ready > 0) {
            break;
        }
    }
    std::array<char, 65536> buffer; // NOLINT: read() fills it
    const ssize_t count = read(fd_, buffer.data(), buffer.size());
    if (count <= 0) {
        return count < 0 ? errno : ECONNRESET;
    }
    text_.append(buffer.data(), static_cast<std::size_t>(count));
    return 0;
}

std::expected<void, Error> send_request(const Socket& socket, const std::string& socket_path,
                                        const ControlRequest& request) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_path.empty() || socket_path.size() >= sizeof(address.sun_path)) {
        return std::unexpected(unreachable(socket_path, ENAMETOOLONG));
    }
    socket_path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    if (socket.fd() < 0 ||
        connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        return std::unexpected(unreachable(socket_path, errno));
    }
    if (const int error = send_all(socket.fd(), request_line(request)); error != 0) {
        return std::unexpected(no_answer(error));
    }
    return {};
}

ControlReply read_reply(LineReader& reader, std::chrono::seconds time_max) {
    std::string line;
    if (const int error = reader.read_line(Clock::now() + time_max, line); error != 0) {
        return std::unexpected(no_answer(error));
    }
    return parse_reply(line);
}

} // namespace

ControlReply ask_daemon(const std::string& socket_path, const ControlRequest& request,
                        std::chrono::seconds time_max, const IsInterrupted& interrupted) {
    const Socket socket;
    if (auto sent = send_request(socket, socket_path, request); !sent) {
        return std::unexpected(std::move(sent.error()));
    }
    LineReader reader(socket.fd(), interrupted);
    return read_reply(reader, time_max);
}

std::expected<void, Error> follow_daemon(const std::string& socket_path,
                                         const ControlRequest& request,
                                         std::chrono::seconds time_max,
                                         const std::function<bool(std::string_view)>& take,
                                         const IsInterrupted& interrupted) {
    const Socket socket;
    if (auto sent = send_request(socket, socket_path, request); !sent) {
        return sent;
    }
    LineReader reader(socket.fd(), interrupted);
    if (auto reply = read_reply(reader, time_max); !reply) {
        return std::unexpected(std::move(reply.error()));
    }
    std::string line;
    int error = 0;
    while ((error = reader.read_line(Clock::time_point::max(), line)) == 0) {
        if (!take(line)) {
            return {};
        }
    }
    if (error == EINTR) {
        return {};
    }
    return std::unexpected(
        Error{.what = "uaoed has ended",
              .why = {},
              .what_to_do = "follow it again once it runs; attached devices stay",
              .exit_code = ExitCode::daemon_unreachable});
}

} // namespace uaoe::tools
