// "36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/root rw,errors=continue"
#include "initiator/linux/mountinfo.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fcntl.h>
#include <optional>
#include <unistd.h>

namespace uaoe::initiator {

namespace {

std::string_view next_word(std::string_view& line) {
    const auto end = std::min(line.find(' '), line.size());
    const auto word = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    return word;
}

// Blanks and the like are written as "\040".
std::string unescaped(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned value = 0;
        if (text[i] == '\\' && i + 3 < text.size() &&
            std::from_chars(text.data() + i + 1, text.data() + i + 4, value, 8).ptr ==
                text.data() + i + 4) {
            plain += static_cast<char>(value);
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

std::optional<Mount> parse_line(std::string_view line) {
    Mount mount;
    next_word(line); // its number
    next_word(line); // its parent's
    const auto device = next_word(line);
    const auto colon = device.find(':');
    if (colon == std::string_view::npos) {
        return std::nullopt;
    }
    std::from_chars(device.data(), device.data() + colon, mount.major);
    std::from_chars(device.data() + colon + 1, device.data() + device.size(), mount.minor);
    next_word(line); // what of the file system is mounted
    mount.point = unescaped(next_word(line));
    while (!line.empty() && next_word(line) != "-") { // options
    }
    mount.type = next_word(line);
    mount.source = unescaped(next_word(line));
    return mount.type.empty() ? std::nullopt : std::optional(std::move(mount));
}

} // namespace

std::vector<Mount> parse_mountinfo(std::string_view text) {
    std::vector<Mount> mounts;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        if (auto mount = parse_line(text.substr(0, end))) {
            mounts.push_back(std::move(*mount));
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return mounts;
}

std::string read_proc(const std::string& path) {
    std::string text;
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return text;
    }
    std::array<char, 4096> piece;
    ssize_t bytes = 0;
    while ((bytes = read(fd, piece.data(), piece.size())) > 0) {
        text.append(piece.data(), static_cast<std::size_t>(bytes));
    }
    close(fd);
    return text;
}

} // namespace uaoe::initiator
