// Read to the end; write beside and rename.
#include "tools/whole_file.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace uaoe::tools {

namespace {

int write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t count = write(fd, text.data(), text.size());
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return count < 0 ? errno : EIO;
        }
        text.remove_prefix(static_cast<std::size_t>(count));
    }
    return 0;
}

void sync_folder(const std::string& path) {
    const std::string folder = std::filesystem::path(path).parent_path().string();
    const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); // NOLINT
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

} // namespace

std::expected<std::string, int> read_whole_file(const std::string& path, std::size_t bytes_max) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); // NOLINT
    if (fd < 0) {
        return std::unexpected(errno);
    }
    std::string text;
    int error = 0;
    while (error == 0) {
        constexpr std::size_t step_bytes = 16384;
        const std::size_t before = text.size();
        text.resize(before + step_bytes);
        const ssize_t count = read(fd, text.data() + before, step_bytes);
        text.resize(before + (count > 0 ? static_cast<std::size_t>(count) : 0));
        if (count == 0) {
            break;
        }
        if (count < 0 && errno != EINTR) {
            error = errno;
        } else if (text.size() > bytes_max) {
            error = EFBIG;
        }
    }
    close(fd);
    if (error != 0) {
        return std::unexpected(error);
    }
    return text;
}

std::expected<void, int> write_whole_file(const std::string& path, std::string_view text,
                                          FileSync sync) {
    const std::string beside = path + ".new"; // one process writes a path
    const int fd = open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644); // NOLINT
    if (fd < 0) {
        return std::unexpected(errno);
    }
    int error = write_all(fd, text);
    if (error == 0 && sync == FileSync::disk && fsync(fd) != 0) {
        error = errno;
    }
    if (close(fd) != 0 && error == 0) {
        error = errno;
    }
    if (error == 0 && std::rename(beside.c_str(), path.c_str()) != 0) {
        error = errno;
    }
    if (error != 0) {
        unlink(beside.c_str());
        return std::unexpected(error);
    }
    if (sync == FileSync::disk) {
        sync_folder(path);
    }
    return {};
}

} // namespace uaoe::tools
