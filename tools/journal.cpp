// A connected datagram socket that never blocks.
#include "tools/journal.hpp"

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace uaoe::tools {

bool is_journal_stream(std::string_view journal_stream, dev_t device, ino_t inode) {
    std::uint64_t number = 0;
    const char* const end = journal_stream.data() + journal_stream.size();
    const auto first = std::from_chars(journal_stream.data(), end, number);
    if (first.ec != std::errc{} || first.ptr == end || *first.ptr != ':' || number != device) {
        return false;
    }
    const auto second = std::from_chars(first.ptr + 1, end, number);
    return second.ec == std::errc{} && second.ptr == end && number == inode;
}

bool error_stream_is_journal() {
    const char* const stream = std::getenv("JOURNAL_STREAM"); // NOLINT: nobody changes it
    struct stat status{};
    return stream != nullptr && fstat(STDERR_FILENO, &status) == 0 &&
           is_journal_stream(stream, status.st_dev, status.st_ino);
}

bool JournalSocket::connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.empty() || path_.size() >= sizeof(address.sun_path)) {
        return false;
    }
    path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
    fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd_ >= 0 &&
        ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
        return true;
    }
    close();
    return false;
}

void JournalSocket::close() {
    if (fd_ >= 0) {
        ::close(std::exchange(fd_, -1));
    }
}

JournalSocket::Sent JournalSocket::send(std::string_view entry, std::chrono::milliseconds wait) {
    bool is_new = false;
    while (true) {
        if (fd_ < 0) {
            if (is_new || !connect()) {
                return Sent::nobody;
            }
            is_new = true;
        }
        if (::send(fd_, entry.data(), entry.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) {
            return Sent::yes;
        }
        if (errno == EMSGSIZE) {
            return Sent::nobody;
        }
        if (errno == EAGAIN) {
            pollfd writable{.fd = fd_, .events = POLLOUT, .revents = 0};
            if (wait.count() <= 0 || poll(&writable, 1, static_cast<int>(wait.count())) <= 0) {
                return Sent::stopped;
            }
            wait = {}; // once
        } else if (errno != EINTR) {
            close();
        }
    }
}

} // namespace uaoe::tools
