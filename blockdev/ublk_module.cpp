// Opens the control device; loads its module before, where needed.
#include "blockdev/ublk_module.hpp"

#include "blockdev/child_process.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <thread>
#include <unistd.h>

namespace uaoe::blockdev {

namespace {

using namespace std::chrono_literals;

constexpr const char* control_path = "/dev/ublk-control";
constexpr auto modprobe_time_max = 10s;
constexpr auto node_time_max = 2s; // udev or devtmpfs makes it
constexpr auto poll_interval = 10ms;

int open_control() {
    return open(control_path, O_RDWR | O_CLOEXEC);
}

bool run_modprobe(const char* option) {
    constexpr std::array paths{"/sbin/modprobe", "/usr/sbin/modprobe"};
    const char* const path = access(paths[0], X_OK) == 0 ? paths[0] : paths[1];
    return run_child({path, "-q", option, "ublk_drv"}, modprobe_time_max);
}

Error explain(int error, bool module_exists) {
    if (error == EACCES || error == EPERM || (error == ENOENT && module_exists)) {
        return {.what = "cannot use ublk",
                .why = error == ENOENT ? std::string("only root may load its module, ublk_drv")
                                       : std::string(control_path) + ": " + std::strerror(error),
                .what_to_do = "run it as root (it needs CAP_SYS_ADMIN), or serve a socket with "
                              "--nbd-socket",
                .exit_code = ExitCode::no_permission};
    }
    if (error == ENOENT || error == ENODEV || error == ENXIO) {
        return {.what = "cannot use ublk",
                .why = "this kernel has no ublk, or may not load its module (ublk_drv)",
                .what_to_do = "`modprobe ublk_drv` tells; Debian 12 has it in "
                              "linux-image-6.12-amd64 (security, backports); --nbd-device does "
                              "without"};
    }
    return {.what = "cannot use ublk",
            .why = std::string(control_path) + ": " + std::strerror(error),
            .what_to_do = "`dmesg` may say more; --nbd-device does without ublk"};
}

} // namespace

std::expected<int, Error> open_ublk_control() {
    int fd = open_control();
    if (fd >= 0) {
        return fd;
    }
    int error = errno;
    if (error != ENOENT && error != ENODEV && error != ENXIO) {
        return std::unexpected(explain(error, false));
    }
    const bool is_root = geteuid() == 0;
    const bool module_exists = run_modprobe(is_root ? "--use-blacklist" : "--dry-run");
    if (module_exists && is_root) {
        const auto end = std::chrono::steady_clock::now() + node_time_max;
        do {
            fd = open_control();
            error = errno;
            if (fd >= 0) {
                return fd;
            }
            std::this_thread::sleep_for(poll_interval);
        } while (error == ENOENT && std::chrono::steady_clock::now() < end);
    }
    return std::unexpected(explain(error, module_exists && !is_root));
}

} // namespace uaoe::blockdev
