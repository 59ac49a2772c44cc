// The life of a disk. Every wait in here has an end.
#include "blockdev/ublk_device.hpp"

#include "blockdev/ublk_translation.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

namespace uaoe::blockdev {

namespace {

using namespace std::chrono_literals;

constexpr auto node_time_max = 5s; // udev may hold a new node for a moment
constexpr auto node_interval = 20ms;
constexpr auto idle_interval = 5ms;
constexpr auto ring_time_max = 10s;     // for the ring's thread to take up a task
constexpr auto finished_time_max = 10s; // for aborted commands to come back

// Opened once it is there and nobody else has it open.
std::expected<std::unique_ptr<UblkChannel>, int> open_channel(UblkDriver& driver,
                                                              const ublk::DeviceInfo& info) {
    const auto end = std::chrono::steady_clock::now() + node_time_max;
    while (true) {
        auto channel = driver.open_channel(info.device_id, info.queue_depth);
        const bool soon = !channel && (channel.error() == -ENOENT || channel.error() == -EBUSY);
        if (!soon || std::chrono::steady_clock::now() >= end) {
            return channel;
        }
        std::this_thread::sleep_for(node_interval);
    }
}

bool wait_for_disk(UblkDriver& driver, std::uint32_t id) {
    const auto end = std::chrono::steady_clock::now() + node_time_max;
    while (!driver.has_disk(id)) {
        if (std::chrono::steady_clock::now() >= end) {
            return false;
        }
        std::this_thread::sleep_for(node_interval);
    }
    return true;
}

ublk::DeviceInfo make_wish(const UblkControl& control, const initiator::DeviceInfo& device,
                           const UblkOptions& options) {
    ublk::DeviceInfo wish;
    wish.flags = ublk::feature_get_data; // which the first ublk has (6.0)
    wish.queue_depth = std::clamp(options.queue_depth, std::uint16_t{1}, ublk::queue_depth_max);
    wish.io_bytes_max = std::clamp(options.io_bytes_max, 4096U, ublk::io_bytes_max);
    wish.server_flags = ublk_mark(device.address);
    if (control.has(ublk::feature_ioctl_encode)) {
        wish.flags |= ublk::feature_ioctl_encode;
    }
    constexpr std::uint64_t recovery = ublk::feature_recovery | ublk::feature_recovery_reissue;
    if (options.recoverable && control.has(recovery)) {
        wish.flags |= recovery;
    }
    return wish;
}

} // namespace

std::expected<std::unique_ptr<UblkDevice>, Error> UblkDevice::create(
    UblkControl& control, DataThread data, initiator::Device& device, const UblkOptions& options,
    const std::function<std::expected<void, Error>(std::uint32_t id)>& before_start) {
    std::unique_ptr<UblkDevice> disk(new UblkDevice(control, std::move(data), device));
    if (auto added = disk->add(options); !added) {
        return std::unexpected(std::move(added.error()));
    }
    auto done = before_start ? before_start(disk->id()) : std::expected<void, Error>{};
    if (done) {
        done = disk->open_queue();
    }
    if (done) {
        const UblkQueue& queue = *disk->queue_;
        done = control.start(disk->id(), [&queue] { return queue.refusal() != 0; });
        if (!done) {
            done = std::unexpected(disk->explain_start(std::move(done.error())));
        }
    }
    if (done) {
        done = disk->wait_usable();
    }
    if (!done) {
        disk->undo();
        return std::unexpected(std::move(done.error()));
    }
    control.driver().tune_disk(disk->id(), disk->info_.io_bytes_max);
    return disk;
}

std::expected<std::unique_ptr<UblkDevice>, Error>
UblkDevice::recover(UblkControl& control, DataThread data, initiator::Device& device,
                    std::uint32_t id, const UblkOptions& options) {
    std::unique_ptr<UblkDevice> disk(new UblkDevice(control, std::move(data), device));
    auto info = control.info(id);
    if (!info) {
        return std::unexpected(std::move(info.error()));
    }
    disk->info_ = *info;
    auto done = disk->check_params();
    if (done) {
        done = control.start_recovery(id);
    }
    if (done) {
        done = disk->open_queue();
    }
    if (done) {
        const UblkQueue& queue = *disk->queue_;
        done = control.end_recovery(id, [&queue] { return queue.refusal() != 0; });
        if (!done) {
            Error error = disk->explain_start(std::move(done.error()));
            // Commands that the kernel took come back only when this process ends, and until then
            // nobody else can open the channel.
            if (queue.refusal() == 0 || !disk->drop_queue()) {
                error.what_to_do = "restart uaoed, which holds /dev/ublkc" + std::to_string(id);
            }
            done = std::unexpected(std::move(error));
        }
    }
    if (!done) {
        return std::unexpected(std::move(done.error())); // the destructor leaves what there is
    }
    // The disk works from here on, whatever else there is.
    if (const auto usable = disk->wait_usable(); !usable && options.report) {
        options.report(usable.error());
    }
    control.driver().tune_disk(id, disk->info_.io_bytes_max);
    return disk;
}

UblkDevice::~UblkDevice() {
    if (!queue_) {
        return;
    }
    if (!failing_) {
        const auto queue = queue_;
        run_on_ring([queue] { queue->leave(); });
    }
    keep_queue();
}

std::expected<void, Error> UblkDevice::add(const UblkOptions& options) {
    const initiator::DeviceInfo& lun = device_.info();
    auto added = control_.add(make_wish(control_, lun, options));
    if (!added) {
        return std::unexpected(std::move(added.error()));
    }
    info_ = *added;
    auto described = control_.set_params(id(), make_params(lun, info_.io_bytes_max));
    if (!described) {
        undo();
    }
    return described;
}

// Of a device to take over: what the kernel was told of it may not be true any more.
std::expected<void, Error> UblkDevice::check_params() {
    const auto state = static_cast<ublk::DeviceState>(info_.state);
    const std::string what = "cannot recover " + name();
    if (!is_recoverable() || state == ublk::DeviceState::dead) {
        return std::unexpected(Error{.what = what,
                                     .why = "it has been stopped, or was not made to be recovered",
                                     .what_to_do = "attach its LUN again"});
    }
    if (marked_address(info_.server_flags) != device_.info().address) {
        return std::unexpected(Error{.what = what,
                                     .why = marked_address(info_.server_flags)
                                                ? "it is another LUN's"
                                                : "it is another program's",
                                     .what_to_do = "attach the LUN again"});
    }
    const auto known = control_.params(id());
    if (!known) {
        return std::unexpected(known.error());
    }
    const auto wanted = make_params(device_.info(), info_.io_bytes_max);
    if (known->basic.logical_block_shift != wanted.basic.logical_block_shift ||
        known->basic.device_sectors > wanted.basic.device_sectors || info_.queues_count != 1) {
        return std::unexpected(
            Error{.what = what,
                  .why = "the disk behind it is another one: it is smaller, or its sectors differ",
                  .what_to_do = "find out which LUN it was; then detach it and attach it again"});
    }
    return {};
}

std::expected<void, Error> UblkDevice::open_queue() {
    if ((info_.flags & ublk::feature_get_data) == 0) {
        return std::unexpected(Error{.what = "cannot serve " + name(),
                                     .why = "it was made without NEED_GET_DATA, by another version "
                                            "of uaoe or by a kernel that has it no more",
                                     .what_to_do = "detach its LUN and attach it again; where that "
                                                   "does not help, attach it with --via nbd"});
    }
    auto channel = open_channel(control_.driver(), info_);
    if (!channel) {
        return std::unexpected(Error{.what = "cannot open /dev/ublkc" + std::to_string(id()),
                                     .why = std::strerror(-channel.error()),
                                     .what_to_do = channel.error() == -EBUSY
                                                       ? "another program has it open"
                                                       : "check that /dev is a devtmpfs"});
    }
    auto queue = UblkQueue::make(data_, device_, std::move(*channel),
                                 {.depth = info_.queue_depth,
                                  .io_bytes_max = info_.io_bytes_max,
                                  .fetch_opcode = control_.opcode(ublk::command::fetch),
                                  .commit_opcode = control_.opcode(ublk::command::commit_and_fetch),
                                  .get_data_opcode = control_.opcode(ublk::command::get_data)});
    if (!queue) {
        return std::unexpected(std::move(queue.error()));
    }
    queue_ = std::move(*queue);
    data_.post([started = queue_] { started->start(); });
    return {};
}

Error UblkDevice::explain_start(Error error) const {
    if (const int refusal = queue_->refusal(); refusal != 0) {
        error.why = std::string("the kernel refused its queue: ") + std::strerror(-refusal);
    }
    return error;
}

std::expected<void, Error> UblkDevice::wait_usable() const {
    if (!wait_for_disk(control_.driver(), id())) {
        return std::unexpected(Error{.what = "cannot use " + name(),
                                     .why = "its node has not appeared within 5 s",
                                     .what_to_do = "check that /dev is a devtmpfs"});
    }
    return {};
}

// Of create(). Nobody has seen the disk, or nobody was told of it. Its device goes right after.
void UblkDevice::undo() {
    if (queue_) {
        fail_queue();
        [[maybe_unused]] const auto stopped = control_.begin_stop(id())->wait(control_.time_max());
        if (!drop_queue()) {
            keep_queue();
        }
    }
    [[maybe_unused]] const auto deleted = control_.delete_device(id());
}

std::string UblkDevice::name() const {
    return "/dev/ublkb" + std::to_string(id());
}

bool UblkDevice::is_recoverable() const {
    constexpr std::uint64_t recovery = ublk::feature_recovery | ublk::feature_recovery_reissue;
    return (info_.flags & recovery) == recovery;
}

// The order matters: STOP waits for every request to be answered, and a request that is held makes
// it hang; the channel is closed before the kernel is asked to delete the device.
std::expected<void, Error> UblkDevice::close(std::chrono::milliseconds grace,
                                             const std::function<void()>& cancel) {
    if (over_) {
        return {};
    }
    // Somebody else may have the number by the time of a second try.
    const bool again = std::exchange(closing_, true);
    const bool gone = again && is_gone();
    auto done = stopped_ || gone ? std::expected<void, Error>{} : stop(grace, cancel);
    if (done) {
        done = end_queue(cancel);
    }
    if (done && !gone && !is_gone()) {
        done = control_.delete_device(id());
    }
    over_ = done.has_value();
    return done;
}

// STOP, for which nothing must be held any more. The driver drops what is still dirty of a device
// that is recoverable (6.12), hence the flush.
std::expected<void, Error> UblkDevice::stop(std::chrono::milliseconds grace,
                                            const std::function<void()>& cancel) {
    const auto end = std::chrono::steady_clock::now() + grace;
    const auto left = [end] {
        return std::max(
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()),
            0ms);
    };
    const auto is_stopped = [](std::optional<int> outcome) {
        return outcome && (*outcome >= 0 || *outcome == -ENODEV);
    };
    if (!failing_ && !stopping_) {
        control_.driver().flush_disk(id(), left());
        if (wait_idle(end)) {
            stopping_ = control_.begin_stop(id());
            stopped_ = is_stopped(stopping_->wait(left()));
        }
    }
    if (stopped_) {
        return {};
    }
    if (auto failed = fail_and_cancel(cancel); !failed) {
        return failed;
    }
    // One that is still under way is waited for: another would only queue up behind it.
    if (!stopping_ || stopping_->wait(0ms)) {
        stopping_ = control_.begin_stop(id());
    }
    const auto outcome = stopping_->wait(control_.time_max());
    stopped_ = is_stopped(outcome);
    stopping_.reset(); // a second try asks anew
    if (stopped_) {
        return {};
    }
    Error error = control_.explain("stop", id(), outcome);
    if (const int refusal = queue_ ? queue_->refusal() : 0; refusal != 0) {
        error.why += std::string("; before, it refused an answer: ") + std::strerror(-refusal);
    }
    return std::unexpected(std::move(error));
}

std::expected<void, Error> UblkDevice::fail_and_cancel(const std::function<void()>& cancel) {
    if (queue_ && !fail_queue()) {
        return std::unexpected(Error{.what = "cannot close " + name(),
                                     .why = "its thread does not answer",
                                     .what_to_do = "end this process"});
    }
    if (!std::exchange(cancelled_, true)) {
        cancel();
    }
    return {};
}

// The last of the queue, and of the device with it.
std::expected<void, Error> UblkDevice::end_queue(const std::function<void()>& cancel) {
    if (!queue_ || drop_queue()) {
        if (!std::exchange(cancelled_, true)) {
            cancel();
        }
        return {};
    }
    if (auto failed = fail_and_cancel(cancel); !failed) {
        return failed;
    }
    Error error{.what = "cannot close " + name(),
                .why = "the kernel has not given back its commands",
                .what_to_do = "end this process, which frees them"};
    if (const int refusal = queue_->refusal(); refusal != 0) {
        error.why += std::string("; it refused one: ") + std::strerror(-refusal);
    }
    return std::unexpected(std::move(error));
}

// Whether the kernel's device is not there any more, or is another one of the same number.
bool UblkDevice::is_gone() {
    const auto known = control_.info(id());
    return known ? known->server_flags != info_.server_flags
                 : known.error().exit_code == ExitCode::no_such_target;
}

bool UblkDevice::wait_idle(std::chrono::steady_clock::time_point end) {
    while (true) {
        const auto idle = std::make_shared<std::atomic<bool>>(false);
        if (!run_on_ring([idle, queue = queue_] { *idle = queue->is_idle(); })) {
            return false;
        }
        if (*idle) {
            return true;
        }
        if (std::chrono::steady_clock::now() >= end) {
            return false;
        }
        std::this_thread::sleep_for(idle_interval);
    }
}

bool UblkDevice::fail_queue() {
    failing_ = run_on_ring([queue = queue_] { queue->fail(); });
    return failing_;
}

void UblkDevice::leave(std::chrono::milliseconds grace) {
    if (!queue_ || closing_) {
        return;
    }
    over_ = true;
    if (is_recoverable()) {
        const auto queue = queue_;
        if (run_on_ring([queue] { queue->leave(); })) {
            [[maybe_unused]] const bool answered = queue->wait_answered(grace);
        }
        keep_queue();
        return;
    }
    if (control_.begin_stop(id())->wait(grace) && drop_queue()) {
        [[maybe_unused]] const auto deleted = control_.delete_device(id());
    } else {
        fail_queue();
        keep_queue();
    }
}

std::expected<void, Error> UblkDevice::resize(std::uint64_t size_bytes) {
    return control_.update_size(id(), size_bytes >> ublk::sector_shift);
}

bool UblkDevice::run_on_ring(std::function<void()> task) {
    struct Gate {
        std::mutex mutex;
        std::condition_variable opened;
        bool open = false;
    };
    const auto gate = std::make_shared<Gate>();
    data_.post([gate, task = std::move(task)] {
        task();
        const std::lock_guard lock(gate->mutex);
        gate->open = true;
        gate->opened.notify_all();
    });
    std::unique_lock lock(gate->mutex);
    return gate->opened.wait_for(lock, ring_time_max, [&] { return gate->open; });
}

// False: something of it is still under way.
bool UblkDevice::drop_queue() {
    // The thread may still be in the call that told us: the empty task comes after that.
    if (!queue_->wait_finished(finished_time_max) || !run_on_ring([] {})) {
        return false;
    }
    queue_.reset();
    return true;
}

// The ring and the device may still refer to it, and the kernel's commands to the ring: it stays
// until the process ends, which is what gives the kernel's device to a successor.
void UblkDevice::keep_queue() {
    static std::mutex mutex;
    static auto* const kept = new std::vector<std::shared_ptr<UblkQueue>>;
    const std::lock_guard lock(mutex);
    kept->push_back(std::move(queue_));
    queue_.reset();
}

} // namespace uaoe::blockdev
