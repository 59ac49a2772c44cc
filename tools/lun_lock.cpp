// A name is taken by binding to it. The holder listens, so that another can ask the kernel who that
// is; it never accepts.
#include "tools/lun_lock.hpp"

#include "initiator/linux/mountinfo.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace uaoe::tools {

namespace {

// Each that asks stays in the queue; when it is full the holder is not named any more.
constexpr int questions_count_max = 4096;

struct Name {
    sockaddr_un address{};
    socklen_t bytes = 0;

    explicit Name(proto::Address lun) {
        const std::string text = "uaoe-lun-" + proto::to_string(lun);
        address.sun_family = AF_UNIX;
        // An abstract name begins with a zero byte and ends where the length says.
        std::ranges::copy(text, address.sun_path + 1);
        bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
    }
    [[nodiscard]] const sockaddr* untyped() const {
        const void* any = &address;
        return static_cast<const sockaddr*>(any);
    }
};

int make_socket() {
    // Not blocking: a full queue is not waited for.
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

// "process 812 (uaoed)"
std::string holder_of(const Name& name) {
    std::string holder = "another process";
    const int asking = make_socket();
    ucred credentials{};
    socklen_t bytes = sizeof(credentials);
    if (asking >= 0 && connect(asking, name.untyped(), name.bytes) == 0 &&
        getsockopt(asking, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) == 0 &&
        credentials.pid > 0) { // 0: of another PID namespace
        const std::string pid = std::to_string(credentials.pid);
        std::string command = initiator::read_proc("/proc/" + pid + "/comm");
        command.erase(std::min(command.find('\n'), command.size()));
        holder = "process " + pid + (command.empty() ? "" : " (" + command + ")");
    }
    if (asking >= 0) {
        close(asking);
    }
    return holder;
}

} // namespace

std::expected<LunLock, Error> LunLock::take(proto::Address address) {
    const std::string lun = proto::to_string(address);
    const Name name(address);
    const int held = make_socket();
    if (held < 0) {
        return std::unexpected(Error{.what = "cannot make a socket",
                                     .why = std::strerror(errno),
                                     .what_to_do = "check the limit on open files (`ulimit -n`)"});
    }
    if (bind(held, name.untyped(), name.bytes) == 0 && listen(held, questions_count_max) == 0) {
        return LunLock(held);
    }
    const int error = errno;
    close(held);
    if (error != EADDRINUSE) {
        return std::unexpected(Error{.what = "cannot take " + lun,
                                     .why = std::strerror(error),
                                     .what_to_do = "check free memory"});
    }
    return std::unexpected(
        Error{.what = lun + " is in use",
              .why = holder_of(name) + " holds it",
              .what_to_do = "`uaoe list` shows where it is attached, or end that process"});
}

LunLock::LunLock(LunLock&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}

LunLock& LunLock::operator=(LunLock&& other) noexcept {
    std::swap(socket_, other.socket_);
    return *this;
}

LunLock::~LunLock() {
    if (socket_ >= 0) {
        close(socket_);
    }
}

} // namespace uaoe::tools
