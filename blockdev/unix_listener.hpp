// A listening unix socket in the file system: made with care for what is there already, removed
// with care for whose it is now.
#pragma once

#include "initiator/linux/error.hpp"

#include <expected>
#include <string>
#include <sys/types.h>

namespace uaoe::blockdev {

class UnixListener {
  public:
    // Mode 0600. A socket nobody listens on is replaced; anything else at `path` is left alone.
    static std::expected<UnixListener, Error> open(const std::string& path);
    UnixListener(UnixListener&& other) noexcept;
    UnixListener& operator=(UnixListener&&) = delete;
    ~UnixListener(); // removes the socket and closes the descriptor

    // Mode 0660, and that group's.
    std::expected<void, Error> share_with(gid_t group);
    // Removes the socket if it is still the one that was made here.
    void remove();
    // The descriptor is the caller's to close from here on.
    [[nodiscard]] int release_fd();
    [[nodiscard]] const std::string& path() const { return path_; } // absolute

  private:
    UnixListener() = default;

    std::string path_;
    int fd_ = -1;
    bool made_ = false;
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

} // namespace uaoe::blockdev
