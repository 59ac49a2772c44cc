// prctl, /proc, mlockall, rlimits and mounts.
#include "initiator/linux/protection.hpp"

#include "initiator/linux/mountinfo.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <sched.h>
#include <set>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace uaoe::initiator {

namespace {

// By number: older C libraries do not have them.
constexpr int set_io_flusher = 57;
constexpr int get_io_flusher = 58;
constexpr unsigned cap_ipc_lock = 14;

Error error_of(std::string what, int error, std::string_view capability) {
    const bool forbidden = error == EPERM || error == EACCES;
    return {.what = std::move(what),
            .why = std::strerror(error),
            .what_to_do = forbidden ? "start it as root with " + std::string(capability)
                                    : "the kernel may be too old",
            .exit_code = forbidden ? ExitCode::no_permission : ExitCode::failed};
}

bool has_capability(unsigned number) {
    const std::string status = read_proc("/proc/self/status");
    constexpr std::string_view key = "CapEff:\t";
    const auto at = status.find(key);
    std::uint64_t set = 0;
    if (at != std::string::npos) {
        std::from_chars(status.data() + at + key.size(), status.data() + status.size(), set, 16);
    }
    return (set >> number & 1U) != 0;
}

int set_oom_score(std::string_view score) {
    const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    const bool written = write(fd, score.data(), score.size()) >= 0;
    const int error = written ? 0 : errno;
    close(fd);
    return error;
}

// With a limit mlockall() would work today, and mmap() fail one day.
int lock_memory() {
    rlimit limit{.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 && !has_capability(cap_ipc_lock)) {
        return EPERM;
    }
    return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0 ? 0 : errno;
}

int raise_open_files() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return errno;
    }
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? 0 : errno;
}

bool contains(std::string_view folder, std::string_view path) {
    return folder == "/" || (path.starts_with(folder) &&
                             (path.size() == folder.size() || path[folder.size()] == '/'));
}

// "nodev\tproc\n\text4\n": the first word says that it has no block device.
std::set<std::string, std::less<>> types_without_device(std::string_view text) {
    std::set<std::string, std::less<>> types;
    while (!text.empty()) {
        const auto line = text.substr(0, std::min(text.find('\n'), text.size()));
        if (const auto tab = line.find('\t'); tab != std::string_view::npos && tab > 0) {
            types.emplace(line.substr(tab + 1));
        }
        text.remove_prefix(std::min(line.size() + 1, text.size()));
    }
    // So they say, and keep one busy all the same: zfs its own, the others the one that they lie
    // on.
    for (const char* type : {"zfs", "overlay", "aufs", "ecryptfs"}) {
        types.erase(type);
    }
    return types;
}

} // namespace

std::expected<void, Error> become_io_thread() {
    if (prctl(set_io_flusher, 1, 0, 0, 0) != 0) {
        return std::unexpected(
            error_of("cannot keep memory pressure off the I/O path", errno, "CAP_SYS_RESOURCE"));
    }
    if (prctl(get_io_flusher, 0, 0, 0, 0) != 1) {
        return std::unexpected(Error{.what = "cannot keep memory pressure off the I/O path",
                                     .why = "the kernel forgot that this is an I/O thread",
                                     .what_to_do = "report this with the kernel's version"});
    }
    return {};
}

std::vector<Error> protect_process() {
    std::vector<Error> errors;
    if (const int error = set_oom_score("-1000"); error != 0) {
        errors.push_back(error_of("cannot hide from the OOM killer", error, "CAP_SYS_RESOURCE"));
    }
    if (const int error = lock_memory(); error != 0) {
        errors.push_back(error_of("cannot lock memory", error, "CAP_IPC_LOCK"));
    }
    if (const int error = raise_open_files(); error != 0) {
        errors.push_back(error_of("cannot raise the limit on open files", error, "RLIMIT_NOFILE"));
    }
    return errors;
}

std::vector<std::string> mounts_to_leave(std::string_view mounts, std::string_view file_systems,
                                         const std::vector<std::string>& kept_paths) {
    const auto deviceless = types_without_device(file_systems);
    std::vector<std::string> points;
    for (const Mount& mount : parse_mountinfo(mounts)) {
        const bool is_needed =
            mount.point == "/" || std::ranges::any_of(kept_paths, [&](const auto& path) {
                return contains(mount.point, path);
            });
        if (!is_needed && (mount.major != 0 || !deviceless.contains(mount.type))) {
            points.push_back(mount.point);
        }
    }
    std::ranges::reverse(points); // what lies on another comes after it in the list
    return points;
}

std::expected<void, Error> leave_mount_namespace(const std::vector<std::string>& kept_paths) {
    const char* const what = "cannot have mounts of its own";
    if (unshare(CLONE_NEWNS) != 0 ||
        mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        return std::unexpected(error_of(what, errno, "CAP_SYS_ADMIN"));
    }
    int error = 0;
    for (const std::string& point : mounts_to_leave(read_proc("/proc/self/mountinfo"),
                                                    read_proc("/proc/filesystems"), kept_paths)) {
        // Below one that has gone already, it has gone with it.
        if (umount2(point.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL &&
            errno != ENOENT) {
            error = errno;
        }
    }
    if (error != 0) {
        return std::unexpected(error_of("cannot give up all mounts", error, "CAP_SYS_ADMIN"));
    }
    return {};
}

// "812 (a name) with ) in it) S 1 ...": the flags are the ninth field, and the name may be
// anything.
std::optional<std::uint32_t> task_flags_of(std::string_view stat_line) {
    const auto name_end = stat_line.rfind(')');
    if (name_end == std::string_view::npos) {
        return std::nullopt;
    }
    stat_line.remove_prefix(name_end + 1);
    for (int field = 0; field < 7; ++field) {
        const auto blank = stat_line.find(' ');
        if (blank == std::string_view::npos) {
            return std::nullopt;
        }
        stat_line.remove_prefix(blank + 1);
    }
    std::uint32_t flags = 0;
    const auto [end, error] =
        std::from_chars(stat_line.data(), stat_line.data() + stat_line.size(), flags);
    return error == std::errc{} ? std::optional(flags) : std::nullopt;
}

std::optional<std::uint32_t> read_task_flags(pid_t pid, pid_t tid) {
    return task_flags_of(
        read_proc("/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/stat"));
}

} // namespace uaoe::initiator
