// Making a kernel NBD device, and taking one over.
#include "blockdev/nbd_kernel_device.hpp"

#include "blockdev/nbd_kernel_watch.hpp"
#include "blockdev/queue_attributes.hpp"
#include "blockdev/sysfs.hpp"
#include "blockdev/wait_until.hpp"

#include <array>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <utility>

namespace uaoe::blockdev {

using namespace std::chrono_literals;
namespace nbd = proto::nbd;

namespace {

constexpr std::chrono::seconds dead_connection_max{600};  // a boot, a repair by hand
constexpr std::chrono::milliseconds busy_time_max = 2s;   // udev has free devices open for a moment
constexpr std::chrono::milliseconds attach_time_max = 5s; // a predecessor is still ending
constexpr std::chrono::milliseconds usable_time_max = 5s;
constexpr std::chrono::milliseconds retry_time = 50ms;

// 6.1 starts with 128. More would only take larger blocks of the buffer arena (6.12's 1280 take
// 2 MiB); an administrator may raise it up to max_hw_sectors_kb.
constexpr const char* max_sectors_kb = "1024";

struct SocketPair {
    int kernel = -1;
    int ours = -1;
};

std::expected<SocketPair, int> make_socket_pair() {
    std::array<int, 2> fds{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) != 0) {
        return std::unexpected(errno);
    }
    enlarge_send_buffer(fds[0]); // the other end's connection does that itself
    return SocketPair{.kernel = fds[0], .ours = fds[1]};
}

std::string disk_name(std::uint32_t index) {
    return "nbd" + std::to_string(index);
}

std::string attribute(const std::string& disk, std::string_view name) {
    return block_attribute_path(disk, name);
}

bool is_connected(const std::string& disk) {
    return read_attribute(attribute(disk, "pid")).has_value();
}

bool has_node(const std::string& disk) {
    struct stat status{};
    const auto numbers = read_attribute(attribute(disk, "dev"));
    return numbers && stat(("/dev/" + disk).c_str(), &status) == 0 && S_ISBLK(status.st_mode) &&
           *numbers ==
               std::to_string(major(status.st_rdev)) + ":" + std::to_string(minor(status.st_rdev));
}

std::string block_timer_text(const NbdKernelOptions& options) {
    return std::to_string(nbd_timeouts(options).block_timer.count());
}

Error taken_error(const std::string& disk) {
    const auto identifier = read_attribute(attribute(disk, "backend"));
    return {.what = "cannot make /dev/" + disk,
            .why = "it is taken" +
                   (identifier && !identifier->empty() ? " by " + *identifier : std::string()),
            .what_to_do = "name another, or none to have the kernel choose"};
}

} // namespace

// The driver's own timer (TIMEOUT) stays off: it kills a connection on which a request takes
// longer, and then every request in flight has to wait for its own timer; a slow target would be
// asked everything twice, over and over. What it would be good for, that requests come again soon
// after their process has died, the block layer's timer does as well: when it looks at a request
// whose socket has been replaced it sends it again, and one whose socket lives it leaves alone (and
// the kernel logs a line, so not much shorter than the answer may take).
NbdTimeouts nbd_timeouts(const NbdKernelOptions& options) {
    const bool is_short = options.fail_after > 0s && options.fail_after < 10s;
    return {.request = 0s,
            .dead_connection_max = options.recoverable ? dead_connection_max : 0s,
            .block_timer = !options.recoverable ? 30s
                           : is_short           ? 5s
                                                : 10s};
}

std::expected<std::unique_ptr<NbdKernelDevice>, Error>
NbdKernelDevice::create(DataThread data, initiator::Device& device, const NbdKernelOptions& options,
                        const std::function<std::expected<void, Error>(std::uint32_t)>& after) {
    auto netlink = NbdNetlink::open();
    if (!netlink) {
        return std::unexpected(std::move(netlink.error()));
    }
    std::unique_ptr<NbdKernelDevice> made(
        new NbdKernelDevice(std::move(data), device, options, std::move(*netlink)));
    auto ready = made->connect();
    if (!ready) {
        made->ended_ = true; // there is nothing to leave
        return std::unexpected(std::move(ready.error()));
    }
    if (after) {
        ready = after(made->index());
    }
    if (ready) {
        set_up_queue(made->disk_, {{"scheduler", "none"},
                                   {"max_sectors_kb", max_sectors_kb},
                                   {"io_timeout", block_timer_text(options)}});
        ready = made->wait_usable(false);
    }
    if (!ready) {
        static_cast<void>(made->close(0ms, [] {}));
        return std::unexpected(std::move(ready.error()));
    }
    return made;
}

std::expected<void, Error> NbdKernelDevice::connect() {
    const NbdExport& exported = service_->nbd_export();
    const NbdTimeouts timeouts = nbd_timeouts(options_);
    const std::string what =
        "cannot make /dev/" + (options_.index ? disk_name(*options_.index) : "nbdN");
    const auto pair = make_socket_pair();
    if (!pair) {
        return std::unexpected(NbdNetlink::error_of(what, pair.error()));
    }
    const NbdConnect request{.index = options_.index,
                             .size_bytes = exported.size_bytes(),
                             .block_bytes = exported.sector_bytes(),
                             // One connection is all there is.
                             .server_flags = exported.transmission_flags(false) &
                                             ~unsigned{nbd::flag_can_multi_conn},
                             .timeout = timeouts.request,
                             .dead_connection_max = timeouts.dead_connection_max,
                             .identifier = options_.identifier,
                             .socket = pair->kernel};
    std::expected<std::uint32_t, int> connected = std::unexpected(EBUSY);
    wait_until(busy_time_max, retry_time, [&] {
        connected = netlink_.connect(request);
        return connected || connected.error() != EBUSY ||
               (options_.index && is_connected(disk_name(*options_.index)));
    });
    ::close(pair->kernel);
    if (!connected) {
        ::close(pair->ours);
        return std::unexpected(connected.error() == EBUSY && options_.index
                                   ? taken_error(disk_name(*options_.index))
                                   : NbdNetlink::error_of(what, connected.error()));
    }
    index_ = *connected;
    disk_ = disk_name(index_);
    serve(pair->ours);
    supervise();
    return {};
}

std::expected<std::unique_ptr<NbdKernelDevice>, Error>
NbdKernelDevice::recover(DataThread data, initiator::Device& device, std::uint32_t index,
                         const NbdKernelOptions& options) {
    auto netlink = NbdNetlink::open();
    if (!netlink) {
        return std::unexpected(std::move(netlink.error()));
    }
    std::unique_ptr<NbdKernelDevice> made(
        new NbdKernelDevice(std::move(data), device, options, std::move(*netlink)));
    made->index_ = index;
    made->disk_ = disk_name(index);
    auto ready = made->take_over();
    if (!ready) {
        made->ended_ = true;
        return std::unexpected(std::move(ready.error()));
    }
    made->supervise();
    // The rest of the queue stays as the predecessor or an administrator left it.
    set_up_queue(made->disk_, {{"io_timeout", block_timer_text(options)}});
    ready = made->wait_usable(true); // of a disk that has grown the kernel may not know yet
    if (!ready) {
        return std::unexpected(std::move(ready.error())); // it stays for the next one
    }
    return made;
}

std::expected<void, Error> NbdKernelDevice::take_over() {
    const std::string what = "cannot take over " + name();
    if (!is_ours()) {
        return std::unexpected(Error{.what = what,
                                     .why = is_connected(disk_) ? "it belongs to somebody else"
                                                                : "it is not connected any more",
                                     .what_to_do = "attach the LUN anew"});
    }
    const NbdTimeouts timeouts = nbd_timeouts(options_);
    std::expected<bool, int> attached = false;
    wait_until(attach_time_max, retry_time, [&] {
        attached = attach_socket(netlink_, &timeouts);
        return !attached || *attached;
    });
    if (!attached) {
        return std::unexpected(NbdNetlink::error_of(what, attached.error()));
    }
    if (!*attached) {
        return std::unexpected(Error{.what = what,
                                     .why = "another process still serves it",
                                     .what_to_do = "end that process"});
    }
    return {};
}

// False when the kernel has dropped the socket because the one it has is alive, as far as it knows.
// It has let go of it then before it answers.
std::expected<bool, int> NbdKernelDevice::attach_socket(NbdNetlink& netlink,
                                                        const NbdTimeouts* timeouts) {
    const auto pair = make_socket_pair();
    if (!pair) {
        return std::unexpected(pair.error());
    }
    NbdReconfigure request{
        .index = index_, .identifier = options_.identifier, .socket = pair->kernel};
    if (timeouts != nullptr) {
        request.timeout = timeouts->request;
        request.dead_connection_max = timeouts->dead_connection_max;
    }
    const auto attached = netlink.reconfigure(request);
    ::close(pair->kernel);
    pollfd end{.fd = pair->ours, .events = 0, .revents = 0};
    const bool dropped = !attached || (poll(&end, 1, 0) > 0 && (end.revents & POLLHUP) != 0);
    if (dropped) {
        ::close(pair->ours);
        return attached ? std::expected<bool, int>(false) : std::unexpected(attached.error());
    }
    serve(pair->ours);
    return true;
}

void NbdKernelDevice::serve(int fd) {
    service_->announce_connection();
    data_.post([service = service_, fd] { service->add(fd, false); });
}

std::expected<void, Error> NbdKernelDevice::wait_usable(bool may_be_smaller) const {
    const auto sectors = service_->nbd_export().size_bytes() / 512;
    std::string why;
    if (!wait_until(usable_time_max, 2ms, [&] { return has_node(disk_); })) {
        why = "its node did not appear";
    } else if (const auto size = read_number(attribute(disk_, "size"));
               !size || *size > sectors || (*size < sectors && !may_be_smaller)) {
        why = "the kernel has another size for it";
    } else {
        return {};
    }
    return std::unexpected(Error{.what = "cannot use " + name(),
                                 .why = std::move(why),
                                 .what_to_do = "`dmesg` and `udevadm monitor` may say more"});
}

bool NbdKernelDevice::is_ours() const {
    return is_connected(disk_) &&
           read_attribute(attribute(disk_, "backend")) == options_.identifier;
}

} // namespace uaoe::blockdev
