// Probe, replace, bind, listen, under a lock on the directory.
#include "blockdev/unix_listener.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace uaoe::blockdev {

namespace {

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    [[nodiscard]] int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }

  private:
    int fd_;
};

std::unexpected<Error> refuse(const std::string& path, std::string why, std::string what_to_do,
                              ExitCode exit_code = ExitCode::failed) {
    return std::unexpected(Error{.what = "cannot listen on " + path,
                                 .why = std::move(why),
                                 .what_to_do = std::move(what_to_do),
                                 .exit_code = exit_code});
}

std::unexpected<Error> refuse_errno(const std::string& path, int error) {
    switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
        return refuse(path, std::strerror(error), "name a place this user may write to",
                      ExitCode::no_permission);
    case ENOENT:
    case ENOTDIR:
        return refuse(path, "its directory does not exist", "make the directory first");
    case EADDRINUSE:
        return refuse(path, "something has just appeared there", "try again");
    default:
        return refuse(path, std::strerror(error), "");
    }
}

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    return address;
}

// Removes a socket that nobody listens on; refuses whatever else is at `path`.
std::expected<void, Error> clear_path(const std::string& path, const sockaddr_un& address) {
    struct stat status{};
    if (lstat(path.c_str(), &status) != 0) {
        if (errno == ENOENT) {
            return {}; // or its directory is missing, which bind() reports
        }
        return refuse_errno(path, errno);
    }
    if (!S_ISSOCK(status.st_mode)) {
        return refuse(path, "there is a file that is not a socket", "name another path");
    }
    const Descriptor probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (probe.get() < 0) {
        return refuse_errno(path, errno); // whether anybody listens there cannot be known
    }
    if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ||
        errno == EAGAIN) {
        return refuse(path, "another server listens there", "stop it, or name another path");
    }
    if (errno != ECONNREFUSED) {
        return refuse_errno(path, errno);
    }
    if (unlink(path.c_str()) != 0 && errno != ENOENT) {
        return refuse_errno(path, errno);
    }
    return {};
}

// A server holds it for less than a millisecond, but anybody who may read the directory can hold it
// for ever. Then, and where the directory cannot be opened for reading, there is no lock, and all
// the rest.
void lock_directory(int directory) {
    constexpr int tries_max = 100;
    constexpr useconds_t retry_us = 10'000;
    for (int tries = 0; tries < tries_max; ++tries) {
        if (flock(directory, LOCK_EX | LOCK_NB) == 0 || (errno != EWOULDBLOCK && errno != EINTR)) {
            return;
        }
        usleep(retry_us);
    }
}

} // namespace

std::expected<UnixListener, Error> UnixListener::open(const std::string& path) {
    std::error_code ignored;
    const std::filesystem::path absolute =
        path.empty() ? std::filesystem::path() : std::filesystem::absolute(path, ignored);
    if (path.empty() || absolute.filename().empty()) {
        return refuse(path.empty() ? "an empty path" : path, "it names no file",
                      "give the path of the socket to make");
    }
    UnixListener listener;
    listener.path_ = absolute.string();
    constexpr std::size_t path_bytes_max = sizeof(sockaddr_un::sun_path) - 1;
    if (listener.path_.size() > path_bytes_max) {
        return refuse(listener.path_,
                      "the path has " + std::to_string(listener.path_.size()) +
                          " bytes, and a socket's may have " + std::to_string(path_bytes_max),
                      "name a shorter one");
    }
    const sockaddr_un address = address_of(listener.path_);
    Descriptor listening(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    // Before bind() this is the mode the file gets: there is no moment at which it is wider.
    if (listening.get() < 0 || fchmod(listening.get(), S_IRUSR | S_IWUSR) != 0) {
        return refuse_errno(listener.path_, errno);
    }

    // Two servers that find the same stale socket must not both remove it.
    const Descriptor directory(
        ::open(absolute.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK));
    lock_directory(directory.get());
    if (auto cleared = clear_path(listener.path_, address); !cleared) {
        return std::unexpected(std::move(cleared.error()));
    }
    struct stat status{};
    if (bind(listening.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        lstat(listener.path_.c_str(), &status) != 0) {
        return refuse_errno(listener.path_, errno);
    }
    listener.made_ = true;
    listener.device_ = status.st_dev;
    listener.inode_ = status.st_ino;
    if (::listen(listening.get(), SOMAXCONN) != 0) {
        return refuse_errno(listener.path_, errno);
    }
    listener.fd_ = listening.release();
    return listener;
}

UnixListener::UnixListener(UnixListener&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)),
      made_(std::exchange(other.made_, false)), device_(other.device_), inode_(other.inode_) {}

UnixListener::~UnixListener() {
    remove();
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

void UnixListener::remove() {
    struct stat status{};
    if (std::exchange(made_, false) && lstat(path_.c_str(), &status) == 0 &&
        status.st_dev == device_ && status.st_ino == inode_) {
        unlink(path_.c_str());
    }
}

std::expected<void, Error> UnixListener::share_with(gid_t group) {
    constexpr uid_t same_owner = static_cast<uid_t>(-1);
    if (lchown(path_.c_str(), same_owner, group) != 0 ||
        chmod(path_.c_str(), S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP) != 0) {
        return refuse_errno(path_, errno);
    }
    return {};
}

int UnixListener::release_fd() {
    return std::exchange(fd_, -1);
}

} // namespace uaoe::blockdev
