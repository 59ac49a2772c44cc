// A process that serves block devices of the machine it runs on must not wait for them itself: not
// for memory that is freed by writing to them, not as the last user of a file system on them. What
// is here depends on nothing but the kernel, and concerns the whole process or thread, which is why
// it is not with the front ends.
//
// Without the privileges for it each of these fails, and the process goes on without.
#pragma once

#include "initiator/linux/error.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace uaoe::initiator {

// Of the calling thread: its allocations do not wait for I/O, and its writes are not throttled for
// those of others (PR_SET_IO_FLUSHER, 5.6). Threads it makes afterwards inherit that. Asks the
// kernel whether it took it.
std::expected<void, Error> become_io_thread();

// Of the process: never chosen by the OOM killer; its memory is not paged out (what has not been
// touched yet is not fetched for that, so that large mappings cost nothing); as many open files as
// it may have. Returns what could not be had.
std::vector<Error> protect_process();

// The calling process gets mounts of its own, which nobody else's mounts and unmounts reach, and
// gives up those of file systems that are or may be on block devices, but for "/" and those that
// the named paths are on. Otherwise it can come to be the last user of a file system on a device
// that it serves, and would wait for itself when it ends (ublksrv PR #186). Before the first
// thread is made.
std::expected<void, Error> leave_mount_namespace(const std::vector<std::string>& kept_paths);

// ---- parts of it, for tests ----

// PF_* of a thread, from /proc/PID/task/TID/stat.
[[nodiscard]] std::optional<std::uint32_t> read_task_flags(pid_t pid, pid_t tid);
[[nodiscard]] std::optional<std::uint32_t> task_flags_of(std::string_view stat_line);
inline constexpr std::uint32_t task_flags_io_flusher = 0x00180000; // MEMALLOC_NOIO, LOCAL_THROTTLE

// Where to unmount, deepest first. `mounts`: as /proc/self/mountinfo; `file_systems`: as
// /proc/filesystems.
[[nodiscard]] std::vector<std::string> mounts_to_leave(std::string_view mounts,
                                                       std::string_view file_systems,
                                                       const std::vector<std::string>& kept_paths);

} // namespace uaoe::initiator
