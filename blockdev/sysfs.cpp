// One read or one write each, as sysfs wants it.
#include "blockdev/sysfs.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <unistd.h>
#include <utility>

namespace uaoe::blockdev {

std::string block_attribute_path(std::string_view disk, std::string_view attribute) {
    std::string path = "/sys/block/";
    path.append(disk).append("/").append(attribute);
    return path;
}

std::optional<std::string> read_attribute(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return std::nullopt;
    }
    std::array<char, 4096> text{};
    const auto bytes = read(fd, text.data(), text.size());
    close(fd);
    if (bytes < 0) {
        return std::nullopt;
    }
    std::string value(text.data(), static_cast<std::size_t>(bytes));
    if (value.ends_with('\n')) {
        value.pop_back();
    }
    return value;
}

std::optional<unsigned long long> read_number(const std::string& path) {
    const auto text = read_attribute(path);
    unsigned long long value = 0;
    if (!text ||
        std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc{}) {
        return std::nullopt;
    }
    return value;
}

// Not by std::filesystem: its iterators throw when an entry vanishes under them.
std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> names;
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir(folder.c_str()), closedir);
    while (entries != nullptr) {
        const dirent* const entry = readdir(entries.get());
        if (entry == nullptr) {
            break;
        }
        if (std::string name = entry->d_name; name != "." && name != "..") {
            names.push_back(std::move(name));
        }
    }
    std::ranges::sort(names);
    return names;
}

bool write_attribute(const std::string& path, std::string_view value) {
    const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const auto bytes = write(fd, value.data(), value.size());
    close(fd);
    return bytes == static_cast<ssize_t>(value.size());
}

} // namespace uaoe::blockdev
