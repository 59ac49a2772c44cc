// Keeping and ending a kernel NBD device.
#include "blockdev/nbd_kernel_device.hpp"

#include "blockdev/nbd_kernel_watch.hpp"
#include "blockdev/sysfs.hpp"
#include "blockdev/wait_until.hpp"

#include <algorithm>
#include <cerrno>
#include <future>
#include <mutex>
#include <utility>

namespace uaoe::blockdev {

using namespace std::chrono_literals;

namespace {

constexpr std::chrono::milliseconds disconnect_time_max = 1s;
constexpr std::chrono::milliseconds cancelled_time_max = 1s;

// The timer of requests that a leaving process may leave unanswered, and how long requests with a
// longer one are given to end.
constexpr std::chrono::seconds leaving_timeout = 1s;
constexpr std::chrono::milliseconds leaving_time_max = 200ms;

std::string attribute(const std::string& disk, std::string_view name) {
    return block_attribute_path(disk, name);
}

} // namespace

NbdKernelDevice::NbdKernelDevice(DataThread data, initiator::Device& device,
                                 const NbdKernelOptions& options, NbdNetlink netlink)
    : data_(std::move(data)), options_(options), netlink_(std::move(netlink)),
      service_(NbdService::make(data_.ring, NbdExport(device), data_.buffers)),
      watch_(std::make_shared<Watch>()) {
    service_->set_gone_handler([watch = watch_] {
        const std::lock_guard lock(watch->mutex);
        watch->gone = true;
        watch->changed.notify_all();
    });
}

NbdKernelDevice::~NbdKernelDevice() {
    if (!ended_) {
        leave(0ms);
    }
}

void NbdKernelDevice::report(std::string why, std::string what_to_do) const {
    if (options_.report) {
        options_.report(
            {.what = name(), .why = std::move(why), .what_to_do = std::move(what_to_do)});
    }
}

void NbdKernelDevice::supervise() {
    supervisor_ = std::thread([this, stop = stop_.get_token()] { run_supervisor(stop); });
}

void NbdKernelDevice::run_supervisor(const std::stop_token& stop) {
    bool goes_on = true;
    while (goes_on) {
        {
            std::unique_lock lock(watch_->mutex);
            if (!watch_->changed.wait(lock, stop, [this] { return watch_->gone; })) {
                return;
            }
            watch_->gone = false;
        }
        goes_on = reattach(stop);
    }
}

// Whether the device is there any more.
bool NbdKernelDevice::reattach(const std::stop_token& stop) {
    // The kernel does not read its end any more. It must not take it for a live one either.
    data_.post([service = service_] { service->cut(); });
    auto netlink = NbdNetlink::open();
    int error = EIO;
    for (auto pause = 10ms; !stop.stop_requested(); pause = std::min(pause * 2, 1000ms)) {
        std::this_thread::sleep_for(pause);
        if (!is_ours()) {
            report("somebody has disconnected it", "detach the LUN and attach it anew");
            return false;
        }
        if (!netlink) {
            netlink = NbdNetlink::open();
            continue;
        }
        const auto attached = attach_socket(*netlink, nullptr);
        if (attached && *attached) {
            report("the kernel had given up its connection", "it has a new one");
            return true;
        }
        if (!attached && std::exchange(error, attached.error()) != attached.error()) {
            report(NbdNetlink::error_of("cannot give it a new connection", error).line(),
                   "it is tried again");
        }
    }
    return false;
}

void NbdKernelDevice::stop_supervisor() {
    stop_.request_stop();
    if (supervisor_.joinable()) {
        supervisor_.join();
    }
}

void NbdKernelDevice::wait_idle(std::chrono::milliseconds time_max) const {
    wait_until(time_max, 5ms, [this] { // "       0        0": reads, writes and the rest
        const auto counts = read_attribute(attribute(disk_, "inflight"));
        return !counts || counts->find_first_not_of(" 0") == std::string::npos;
    });
}

// The driver sends a last message, and waits for room when nobody reads.
std::expected<void, Error> NbdKernelDevice::disconnect() {
    if (!is_ours()) {
        return {}; // somebody has, and somebody else may have it now
    }
    std::promise<void> done;
    std::thread watchdog([this, ended = done.get_future()] {
        if (ended.wait_for(disconnect_time_max) == std::future_status::timeout) {
            data_.post([service = service_] { service->cut(); });
        }
    });
    const auto disconnected = netlink_.disconnect(index_);
    done.set_value();
    watchdog.join();
    if (!disconnected && is_ours()) {
        return std::unexpected(NbdNetlink::error_of("cannot end " + name(), disconnected.error()));
    }
    return {};
}

std::expected<void, Error> NbdKernelDevice::close(std::chrono::milliseconds grace,
                                                  const std::function<void()>& cancel) {
    if (over_) {
        return {};
    }
    if (!std::exchange(ended_, true)) {
        wait_idle(grace);
        stop_supervisor();
    }
    auto result = disconnect(); // EIO to whatever is left
    // Requests that are still in the socket are not submitted.
    data_.post([service = service_] { service->close(); });
    data_.post([service = service_] { service->cut(); });
    if (!std::exchange(cancelled_, true)) {
        cancel();
    }
    if (!service_->wait_closed(cancelled_time_max) && result) {
        result = std::unexpected(Error{.what = "cannot end " + name(),
                                       .why = "requests of it did not come back",
                                       .what_to_do = "end this process"});
    }
    over_ = result.has_value();
    return result;
}

void NbdKernelDevice::leave(std::chrono::milliseconds grace) {
    if (std::exchange(ended_, true)) {
        return; // close() has begun to end it
    }
    over_ = true;
    stop_supervisor();
    if (options_.recoverable && grace > 0ms) {
        // What is in the socket when it closes comes again when its timer ends: soon, then. The
        // driver's timer, because it is set without waiting; the successor sets it back, and the
        // connection that it would kill has no future anyway.
        static_cast<void>(netlink_.reconfigure(
            {.index = index_, .identifier = options_.identifier, .timeout = leaving_timeout}));
        wait_idle(std::min(grace, leaving_time_max));
    }
    data_.post([service = service_] { service->leave(); });
    if (!service_->wait_closed(grace)) {
        data_.post([service = service_] { service->cut(); });
    }
}

std::expected<void, Error> NbdKernelDevice::resize(std::uint64_t size_bytes) {
    const std::uint64_t before = service_->nbd_export().size_bytes();
    // Served before the kernel asks for it.
    service_->resize(std::max(before, size_bytes));
    const auto resized = netlink_.reconfigure(
        {.index = index_, .identifier = options_.identifier, .size_bytes = size_bytes});
    service_->resize(resized ? size_bytes : before);
    if (!resized) {
        return std::unexpected(NbdNetlink::error_of("cannot resize " + name(), resized.error()));
    }
    return {};
}

} // namespace uaoe::blockdev
