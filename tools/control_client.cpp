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

// 0 with a whole line, or why not.
int receive_line(int fd, Clock::time_point end, std::string& line) {
    std::array<char, 65536> buffer; // NOLINT: read() fills it
    while (line.size() < control_reply_bytes_max) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
        if (left.count() <= 0) {
            return ETIMEDOUT;
        }
        pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
        constexpr std::int64_t step_ms = 60'000;
        const int ready =
            poll(&readable, 1, static_cast<int>(std::min<std::int64_t>(left.count(), step_ms)));
        if (ready < 0 && errno != EINTR) {
            return errno;
        }
        if (ready <= 0) {
            continue;
        }
        const ssize_t count = read(fd, buffer.data(), buffer.size());
        if (count <= 0) {
            return count < 0 ? errno : ECONNRESET;
        }
        line.append(buffer.data(), static_cast<std::size_t>(count));
        if (line.ends_with('\n')) {
            line.pop_back();
            return 0;
        }
    }
    return EMSGSIZE;
}

} // namespace

ControlReply ask_daemon(const std::string& socket_path, const ControlRequest& request,
                        std::chrono::seconds time_max) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_path.empty() || socket_path.size() >= sizeof(address.sun_path)) {
        return std::unexpected(unreachable(socket_path, ENAMETOOLONG));
    }
    socket_path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    const Socket socket;
    if (socket.fd() < 0 ||
        connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        return std::unexpected(unreachable(socket_path, errno));
    }
    std::string line;
    int error = send_all(socket.fd(), request_line(request));
    if (error == 0) {
        error = receive_line(socket.fd(), Clock::now() + time_max, line);
    }
    if (error != 0) {
        return std::unexpected(
            Error{.what = "uaoed did not answer",
                  .why = error == ECONNRESET ? "it ended, or is too busy" : std::strerror(error),
                  .what_to_do = "see what it logs; `uaoe list` tells whether it "
                                "runs",
                  .exit_code = ExitCode::daemon_unreachable});
    }
    return parse_reply(line);
}

} // namespace uaoe::tools
