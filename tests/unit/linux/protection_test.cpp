// What keeps a process off its own I/O path, as far as that can be had without the privileges.
#include "initiator/linux/mountinfo.hpp"
#include "initiator/linux/protection.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace uaoe;
using namespace uaoe::initiator;

namespace {

// A child, because the parent's threads go on.
int exit_status_of(const std::function<int()>& body) {
    const pid_t child = fork();
    if (child == 0) {
        _exit(body());
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

constexpr std::string_view mounts = "22 27 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
                                    "23 27 0:21 / /proc rw shared:14 - proc proc rw\n"
                                    "27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
                                    "30 27 0:25 / /run rw shared:9 - tmpfs tmpfs rw\n"
                                    "31 27 8:2 / /boot rw shared:30 - ext4 /dev/sda2 rw\n"
                                    "32 27 8:3 / /usr rw shared:31 - ext4 /dev/sda3 rw\n"
                                    "33 27 8:4 / /usr/share rw shared:32 - ext4 /dev/sda4 rw\n"
                                    "34 27 0:44 / /srv rw shared:33 - btrfs /dev/nbd0 rw,subvol=/\n"
                                    "35 27 0:45 / /tank rw - zfs tank rw\n"
                                    "36 27 0:46 / /home\\040dir rw - nfs host:/home rw\n"
                                    "37 27 43:0 / /mnt rw shared:40 - xfs /dev/nbd0 rw\n"
                                    "38 37 43:32 / /mnt/below rw shared:41 - xfs /dev/nbd1 rw\n"
                                    "39 27 0:50 / /var/lib/c rw - overlay overlay rw,lowerdir=/a\n"
                                    "40 27 0:51 / /etc rw - tmpfs tmpfs rw\n";
constexpr std::string_view file_systems =
    "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\toverlay\n"
    "nodev\tnfs\n\text4\n\txfs\n\tbtrfs\nnodev\tzfs\n";

} // namespace

TEST_CASE("mountinfo: fields, escapes, lines that make no sense") {
    const auto parsed = parse_mountinfo(mounts);
    REQUIRE(parsed.size() == 14);
    CHECK(parsed[2].major == 8);
    CHECK(parsed[2].minor == 1);
    CHECK(parsed[2].point == "/");
    CHECK(parsed[2].type == "ext4");
    CHECK(parsed[2].source == "/dev/sda1");
    CHECK(parsed[9].point == "/home dir");
    CHECK(parse_mountinfo("\n\nnonsense\n1 2 3\n1 2 3:4 / /x rw -\n").empty());
    CHECK_FALSE(parse_mountinfo(read_proc("/proc/self/mountinfo")).empty());
    CHECK(read_proc("/proc/no/such").empty());
}

TEST_CASE("protection: which mounts a daemon gives up") {
    CHECK(mounts_to_leave(mounts, file_systems, {"/usr/sbin/uaoed", "/etc/uaoe"}) ==
          std::vector<std::string>{"/var/lib/c", "/mnt/below", "/mnt", "/tank", "/srv",
                                   "/usr/share", "/boot"});
    CHECK(mounts_to_leave(mounts, file_systems, {"/usr/share/x", "/mnt/below", "/srvx"}) ==
          std::vector<std::string>{"/var/lib/c", "/tank", "/srv", "/boot"});
}

TEST_CASE("protection: the flags of a task") {
    CHECK(task_flags_of("812 (a ) b) S 1 812 812 0 -1 4194560 1 2 3") == 4194560);
    CHECK_FALSE(task_flags_of("812 (a) S 1 2").has_value());
    CHECK_FALSE(task_flags_of("").has_value());
    CHECK(read_task_flags(getpid(), gettid()).has_value());
    CHECK_FALSE(read_task_flags(getpid(), 0).has_value());
}

TEST_CASE("protection: an I/O thread is one, and says so when it is not") {
    std::thread([] {
        const auto become = become_io_thread();
        const auto flags = read_task_flags(getpid(), gettid());
        REQUIRE(flags.has_value());
        CHECK(become.has_value() == ((*flags & task_flags_io_flusher) == task_flags_io_flusher));
        if (!become) {
            CHECK(become.error().exit_code == ExitCode::no_permission);
            MESSAGE("no CAP_SYS_RESOURCE here: " << become.error().line());
        }
    }).join();
}

TEST_CASE("protection: the process; each thing that fails is said, and open files need nothing") {
    CHECK(exit_status_of([] {
              const auto errors = protect_process();
              rlimit limit{};
              getrlimit(RLIMIT_NOFILE, &limit);
              const bool good = std::ranges::all_of(
                  errors, [](const Error& error) { return error.why != "Success"; });
              return good && errors.size() <= 2 && limit.rlim_cur == limit.rlim_max ? 0 : 1;
          }) == 0);
}

TEST_CASE("protection: mounts of its own") {
    CHECK(exit_status_of([] {
              const auto left = leave_mount_namespace({"/etc/uaoe", "/usr/sbin/uaoed"});
              if (!left) {
                  return left.error().exit_code == ExitCode::no_permission ? 0 : 1;
              }
              return mounts_to_leave(read_proc("/proc/self/mountinfo"),
                                     read_proc("/proc/filesystems"),
                                     {"/etc/uaoe", "/usr/sbin/uaoed"})
                             .empty()
                         ? 0
                         : 2;
          }) == 0);
}
