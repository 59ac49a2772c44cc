// Asks in the order in which answers say most, and first where nothing can wait for the device.
// Opening it can: the kernel may read its partition table then.
#include "blockdev/device_use.hpp"

#include "blockdev/sysfs.hpp"
#include "initiator/linux/mountinfo.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <future>
#include <set>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace uaoe::blockdev {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::seconds open_time_max{2};

// A disk or one of its partitions.
struct Part {
    dev_t number = 0;
    std::string name;  // "nbd0p1"
    std::string shown; // "nbd0p1 ", or nothing for what was asked about
};

std::optional<dev_t> block_number(const std::string& path) {
    struct stat status{};
    return stat(path.c_str(), &status) == 0 && S_ISBLK(status.st_mode)
               ? std::optional(status.st_rdev)
               : std::nullopt;
}

std::string sysfs_folder(dev_t number) {
    return "/sys/dev/block/" + std::to_string(major(number)) + ":" + std::to_string(minor(number));
}

// The device first.
std::vector<Part> parts_of(dev_t number) {
    std::error_code error;
    const fs::path folder = fs::canonical(sysfs_folder(number), error);
    if (error) {
        return {{.number = number, .name = "", .shown = ""}};
    }
    std::vector<Part> parts{{.number = number, .name = folder.filename(), .shown = ""}};
    for (const std::string& name : names_in(folder)) {
        const std::string part = folder.native() + "/" + name;
        unsigned major_number = 0;
        unsigned minor_number = 0;
        const auto numbers = read_attribute(part + "/dev");
        if (numbers && read_attribute(part + "/partition") &&
            std::sscanf(numbers->c_str(), "%u:%u", &major_number, &minor_number) == 2) {
            parts.push_back(
                {.number = makedev(major_number, minor_number), .name = name, .shown = name + " "});
        }
    }
    return parts;
}

const Part* find(const std::vector<Part>& parts, std::optional<dev_t> number) {
    const auto found = std::ranges::find_if(
        parts, [&](const Part& part) { return number && part.number == *number; });
    return found == parts.end() ? nullptr : &*found;
}

std::optional<std::string> find_mount(const std::vector<Part>& parts, const std::string& process,
                                      std::string_view where) {
    for (const auto& mount :
         initiator::parse_mountinfo(initiator::read_proc("/proc/" + process + "/mountinfo"))) {
        // Btrfs has a number of its own, so its source is looked at; a node, which never waits.
        const auto number = mount.major != 0 ? std::optional(makedev(mount.major, mount.minor))
                            : mount.source.starts_with("/dev/") ? block_number(mount.source)
                                                                : std::nullopt;
        if (const Part* part = find(parts, number)) {
            std::string text = part->shown + "mounted on " + mount.point;
            return text.append(where);
        }
    }
    return std::nullopt;
}

std::optional<std::string> find_holder(const std::vector<Part>& parts) {
    for (const Part& part : parts) {
        for (const std::string& name : names_in(sysfs_folder(part.number) + "/holders")) {
            const auto mapped = read_attribute(block_attribute_path(name, "dm/name"));
            return part.shown + "used by " + name + (mapped ? " (" + *mapped + ")" : "");
        }
    }
    return std::nullopt;
}

std::optional<std::string> find_swap(const std::vector<Part>& parts) {
    const std::string text = initiator::read_proc("/proc/swaps");
    for (std::size_t at = 0; at < text.size();) { // the head line begins with no path
        const auto end = std::min(text.find('\n', at), text.size());
        const std::string path = text.substr(at, std::min(text.find(' ', at), end) - at);
        if (path.starts_with("/dev/")) {
            if (const Part* part = find(parts, block_number(path))) {
                return part->shown + "used as swap";
            }
        }
        at = end + 1;
    }
    return std::nullopt;
}

std::string command_of(const std::string& process) {
    std::string command = initiator::read_proc("/proc/" + process + "/comm");
    command.erase(std::min(command.find('\n'), command.size()));
    return command;
}

std::string shown_process(const std::string& process) {
    const std::string command = command_of(process);
    return "process " + process + (command.empty() ? "" : " (" + command + ")");
}

std::optional<std::string> find_descriptor(const std::vector<Part>& parts,
                                           const std::string& process) {
    const std::string folder = "/proc/" + process + "/fd";
    std::error_code error;
    for (const std::string& name : names_in(folder)) {
        // Only nodes are asked what they are: a file may be on something that does not answer.
        const std::string path = std::string(folder).append("/").append(name);
        const fs::path target = fs::read_symlink(path, error);
        if (error || !target.native().starts_with("/dev/")) {
            continue;
        }
        // Udev looks at everything for a moment.
        const Part* part = find(parts, block_number(path));
        if (part != nullptr && command_of(process).find("udev") == std::string::npos) {
            return part->shown + "opened by " + shown_process(process);
        }
    }
    return std::nullopt;
}

// Processes by number, and mounts of namespaces other than the first.
std::optional<std::string> find_process(const std::vector<Part>& parts) {
    const std::string self = std::to_string(getpid());
    std::set<std::string> namespaces;
    std::error_code error;
    for (const std::string& process : names_in("/proc")) {
        if (process.find_first_not_of("0123456789") != std::string::npos || process == self) {
            continue;
        }
        if (auto use = find_descriptor(parts, process)) {
            return use;
        }
        const fs::path mounts = fs::read_symlink("/proc/" + process + "/ns/mnt", error);
        if (!error && namespaces.insert(mounts.native()).second) {
            if (auto use = find_mount(parts, process, " for " + shown_process(process))) {
                return use;
            }
        }
    }
    return std::nullopt;
}

// What else has it for itself shows in that nobody can have it besides: ZFS, bcache, a kernel
// target, a mount of a namespace whose processes are not seen. A thread that does not come back
// has an open device, until the device is ended.
std::optional<std::string> find_exclusive(const std::vector<Part>& parts) {
    std::vector<std::string> paths;
    for (const Part& part : parts) {
        paths.push_back("/dev/" + part.name);
    }
    std::packaged_task<std::size_t()> task([paths] {
        for (std::size_t i = 0; i < paths.size(); ++i) {
            const int fd =
                open(paths[i].c_str(), O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
            const bool busy = fd < 0 && errno == EBUSY;
            if (fd >= 0) {
                close(fd);
            }
            if (busy) {
                return i;
            }
        }
        return paths.size();
    });
    auto result = task.get_future();
    std::thread(std::move(task)).detach();
    if (result.wait_for(open_time_max) != std::future_status::ready) {
        return std::nullopt;
    }
    const std::size_t busy = result.get();
    return busy < parts.size() ? std::optional(parts[busy].shown +
                                               "used by something in the kernel (ZFS, a target)")
                               : std::nullopt;
}

} // namespace

std::optional<std::string> device_use(const std::string& device_path) {
    const auto number = block_number(device_path);
    if (!number) {
        return std::nullopt;
    }
    const auto parts = parts_of(*number);
    // The daemon has mounts of its own; people mean those of the first process.
    auto use = find_mount(parts, "1", "");
    for (const auto& look : {find_holder, find_swap, find_process, find_exclusive}) {
        if (!use) {
            use = look(parts);
        }
    }
    return use;
}

} // namespace uaoe::blockdev
