// Opening and ending a LUN, step by step and back.
#include "tools/lun.hpp"

#include "blockdev/device_use.hpp"
#include "blockdev/nbd_kernel_device.hpp"
#include "blockdev/nbd_server.hpp"
#include "blockdev/sysfs.hpp"
#include "blockdev/ublk_control.hpp"
#include "blockdev/ublk_device.hpp"
#include "tools/leftovers.hpp"
#include "tools/target_wait.hpp"
#include "tools/trial_read.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace uaoe::tools {

using namespace std::chrono_literals;
using blockdev::FrontEnd;

namespace {

constexpr std::chrono::milliseconds close_grace = 5s; // for requests under way at the end
// Twice EngineConfig::target_hold.
constexpr std::chrono::seconds macs_kept_time = 60s;
constexpr std::chrono::milliseconds leave_grace = 2s; // the rest the kernel asks again

using MadeFrontEnd = std::expected<std::unique_ptr<FrontEnd>, Error>;

// From any front end's maker to the common type.
template <class Made>
MadeFrontEnd as_front_end(Made made) {
    if (!made) {
        return std::unexpected(std::move(made.error()));
    }
    return std::unique_ptr<FrontEnd>(std::move(*made));
}

Error attach_error(proto::Address address, initiator::AttachError why) {
    Error error{.what = "cannot open " + proto::to_string(address),
                .why = "it has just gone",
                .what_to_do = "try again"};
    switch (why) {
    case initiator::AttachError::unusable_mtu:
        error.why = "no path carries a whole sector";
        error.what_to_do = "raise the MTU of the interface and of the network";
        break;
    case initiator::AttachError::no_room:
        error.why = "its shard has as many LUNs as it can hold";
        error.what_to_do = "set more shards in the configuration";
        break;
    case initiator::AttachError::no_such_target:
        error.exit_code = ExitCode::no_such_target;
        break;
    case initiator::AttachError::already_attached:
        error.why = "it is attached already";
        error.what_to_do = "`uaoe list` shows where";
        break;
    default:
        break;
    }
    return error;
}

} // namespace

UblkAccess::UblkAccess() = default;
UblkAccess::~UblkAccess() = default;

std::expected<blockdev::UblkControl*, Error> UblkAccess::control() {
    const std::lock_guard lock(mutex_);
    if (!control_) {
        auto opened = blockdev::UblkControl::open();
        if (!opened) {
            return std::unexpected(std::move(opened.error()));
        }
        control_ = std::move(*opened);
    }
    return control_.get();
}

Lun::Lun(const LunEnvironment& environment, ShardHost& host, LunLock lock, LunState state)
    : environment_(environment), host_(host), lock_(std::move(lock)), state_(std::move(state)) {}

Lun::~Lun() = default;

std::expected<std::unique_ptr<Lun>, Error>
Lun::open(const LunEnvironment& environment, ShardHost& host, LunLock lock, LunRequest request) {
    LunState state{.address = request.address,
                   .options = request.options,
                   .device_index = 0,
                   .socket_path = request.socket_path,
                   .persistent = request.persistent,
                   .identify_data = {},
                   .target_macs = {}};
    std::unique_ptr<Lun> lun(new Lun(environment, host, std::move(lock), std::move(state)));
    if (auto attached = lun->attach(request.wait); !attached) {
        return std::unexpected(std::move(attached.error()));
    }
    if (!lun->is_usable()) {
        return nullptr;
    }
    lun->learn_target();
    auto opened = refuse_left_device(environment.ublk, request.address);
    if (opened) {
        opened = lun->open_front_end(request);
    }
    if (!opened) {
        lun->detach();
        lun->forget_state();
        return std::unexpected(std::move(opened.error()));
    }
    lun->give_names();
    lun->update_target(); // of ports that came up meanwhile
    return lun;
}

std::expected<std::unique_ptr<Lun>, Error> Lun::recover(const LunEnvironment& environment,
                                                        ShardHost& host, LunLock lock,
                                                        const LunState& state) {
    std::unique_ptr<Lun> lun(new Lun(environment, host, std::move(lock), state));
    if (auto attached = lun->attach_known(); !attached) {
        return std::unexpected(std::move(attached.error()));
    }
    host.call([&] { host.watch(state.address, state.options.fail_after); });
    auto front_end = lun->recover_front_end();
    if (!front_end) {
        lun->detach();
        return std::unexpected(std::move(front_end.error()));
    }
    lun->front_end_ = std::move(*front_end);
    if (auto kept = lun->keep_state(state.device_index); !kept) {
        lun->report_failure(kept.error(), LogKind::record, "the state of before will do");
    }
    lun->give_names();
    return lun;
}

// Leaves device_ null when interrupted.
std::expected<void, Error> Lun::attach(std::chrono::seconds wait) {
    const proto::Address address = state_.address;
    auto attached = host_.call([&]() -> std::expected<initiator::Device*, Error> {
        const auto target = host_.shard().engine().target(address);
        if (!target) {
            return std::unexpected(attach_error(address, initiator::AttachError::no_such_target));
        }
        if (auto conflict = conflict_error(*target, host_.interfaces())) {
            return std::unexpected(std::move(*conflict));
        }
        const auto device = host_.shard().attach(address, {.fail_after = state_.options.fail_after,
                                                           .read_only = state_.options.read_only,
                                                           .in_order = state_.options.in_order});
        if (!device) {
            return std::unexpected(attach_error(address, device.error()));
        }
        return *device;
    });
    if (!attached) {
        return std::unexpected(std::move(attached.error()));
    }
    const auto read = trial_read(host_, **attached, wait, environment_.interrupted);
    if (!read) {
        return std::unexpected(read.error());
    }
    if (*read) {
        device_ = *attached;
        info_ = (*attached)->info();
        host_.call([this] { host_.watch(state_.address, state_.options.fail_after); });
    }
    return {};
}

std::expected<void, Error> Lun::attach_known() {
    const initiator::KnownDisk disk{.identify_data = state_.identify_data,
                                    .target_macs = state_.target_macs};
    const auto attached = host_.call([&] {
        return host_.shard().attach_known(state_.address, disk,
                                          {.fail_after = state_.options.fail_after,
                                           .read_only = state_.options.read_only,
                                           .in_order = state_.options.in_order});
    });
    if (!attached) {
        return std::unexpected(attach_error(state_.address, attached.error()));
    }
    device_ = *attached;
    info_ = (*attached)->info();
    return {};
}

// What the successor has to know of the target. MACs that are gone are kept until no frame can wait
// behind them any more: a successor waits for each of them.
void Lun::learn_target() {
    const auto target =
        host_.call([this] { return host_.shard().engine().target(state_.address); });
    if (!target || !is_usable()) {
        return;
    }
    const std::lock_guard lock(state_mutex_);
    state_.identify_data = target->identify_data;
    if (std::chrono::steady_clock::now() - attached_at_ > macs_kept_time) {
        state_.target_macs.clear();
    }
    for (const initiator::PathStatus& path : target->paths) {
        if (path.state != initiator::PathState::conflict &&
            std::ranges::find(state_.target_macs, path.target_mac) == state_.target_macs.end()) {
            state_.target_macs.push_back(path.target_mac);
        }
    }
}

std::expected<void, Error> Lun::open_front_end(const LunRequest& request) {
    MadeFrontEnd made;
    switch (state_.options.front_end) {
    case FrontEndKind::automatic: {
        state_.options.front_end = FrontEndKind::ublk;
        const auto ublk = environment_.ublk.control();
        if (ublk) {
            made = make_ublk();
            break;
        }
        state_.options.front_end = FrontEndKind::nbd;
        made = make_nbd(request);
        if (!made && made.error().exit_code != ExitCode::no_permission) {
            made.error().why += "; nor ublk: " + ublk.error().why;
        }
        break;
    }
    case FrontEndKind::ublk:
        made = make_ublk();
        break;
    case FrontEndKind::nbd:
        made = make_nbd(request);
        break;
    case FrontEndKind::socket:
        made = make_socket();
        break;
    }
    if (!made) {
        return std::unexpected(std::move(made.error()));
    }
    front_end_ = std::move(*made);
    return {};
}

MadeFrontEnd Lun::make_ublk() {
    const auto control = environment_.ublk.control();
    if (!control) {
        return std::unexpected(control.error());
    }
    return as_front_end(
        blockdev::UblkDevice::create(**control, host_.data_thread(), *device_, ublk_options(),
                                     [this](std::uint32_t id) { return keep_state(id); }));
}

MadeFrontEnd Lun::make_nbd(const LunRequest& request) {
    return as_front_end(blockdev::NbdKernelDevice::create(
        host_.data_thread(), *device_, nbd_options(request.nbd_index),
        [this](std::uint32_t index) { return keep_state(index); }));
}

blockdev::UblkOptions Lun::ublk_options() const {
    return {.recoverable = environment_.store != nullptr, .report = front_end_report()};
}

blockdev::NbdKernelOptions Lun::nbd_options(std::optional<std::uint32_t> index) const {
    return {.index = index,
            .identifier = fmt::format("aoe-{}{}", proto::to_string(state_.address),
                                      environment_.store != nullptr ? "" : nbd_foreground_suffix),
            .fail_after = state_.options.fail_after,
            .recoverable = environment_.store != nullptr,
            .report = front_end_report()};
}

MadeFrontEnd Lun::make_socket() {
    if (auto kept = keep_state(0); !kept) {
        return std::unexpected(std::move(kept.error()));
    }
    return as_front_end(blockdev::NbdServer::listen(environment_.context, host_.data_thread(),
                                                    blockdev::NbdExport(*device_),
                                                    state_.socket_path));
}

MadeFrontEnd Lun::recover_front_end() {
    switch (state_.options.front_end) {
    case FrontEndKind::ublk: {
        const auto control = environment_.ublk.control();
        if (!control) {
            return std::unexpected(control.error());
        }
        return as_front_end(blockdev::UblkDevice::recover(**control, host_.data_thread(), *device_,
                                                          state_.device_index, ublk_options()));
    }
    case FrontEndKind::nbd:
        return as_front_end(blockdev::NbdKernelDevice::recover(
            host_.data_thread(), *device_, state_.device_index, nbd_options(state_.device_index)));
    case FrontEndKind::socket:
    case FrontEndKind::automatic:
        break;
    }
    return make_socket();
}

// Before the kernel's device can hold data: a crash from here on leaves a file that tells of it.
std::expected<void, Error> Lun::keep_state(std::uint32_t index) {
    const std::lock_guard lock(state_mutex_);
    state_.device_index = index;
    is_kept_ = true;
    if (!kernel_name(state_).empty()) {
        const UdevFacts facts{.address = state_.address,
                              .model = std::string(info_.identify.model.view()),
                              .serial = std::string(info_.identify.serial.view())};
        if (const auto written = environment_.links.write_udev_facts(kernel_name(state_), facts);
            !written) {
            report_failure(written.error(), LogKind::record,
                           "the device works without links of udev's");
        }
    }
    return write_state();
}

std::expected<void, Error> Lun::write_state() {
    return environment_.store != nullptr ? environment_.store->write(state_)
                                         : std::expected<void, Error>{};
}

void Lun::forget_state() {
    const std::lock_guard lock(state_mutex_);
    if (!std::exchange(is_kept_, false)) {
        return; // the index is nobody's, or another LUN's
    }
    if (environment_.store != nullptr) {
        environment_.store->remove(state_.address);
    }
    if (!kernel_name(state_).empty()) {
        environment_.links.remove_udev_facts(kernel_name(state_));
    }
}

void Lun::update_state() {
    const auto known = [this] {
        const std::lock_guard lock(state_mutex_);
        return std::pair(state_.target_macs, state_.identify_data);
    };
    const auto before = known();
    learn_target();
    const std::lock_guard lock(state_mutex_);
    if (is_kept_ && std::pair(state_.target_macs, state_.identify_data) != before) {
        if (const auto written = write_state(); !written) {
            report_failure(written.error(), LogKind::record,
                           "a uaoed that is started now would know it by its former ports");
        }
    }
}

void Lun::update_target() {
    update_state();
    follow_size();
}

void Lun::follow_size() {
    const std::lock_guard front_end_lock(front_end_mutex_);
    const auto sectors = host_.call([this]() -> std::optional<initiator::SectorCount> {
        const initiator::Device* const device = device_;
        if (device == nullptr) {
            return std::nullopt;
        }
        return host_.shard().engine().device_info(host_.shard().index_of(*device)).sectors;
    });
    if (!sectors || front_end_ == nullptr) {
        return;
    }
    const std::uint32_t sector_bytes = info().sector_bytes;
    const std::uint64_t size_bytes = sectors->value * sector_bytes;
    // A predecessor may have heard of the growth and not told the kernel any more.
    const std::string disk = kernel_name(state_);
    const std::uint64_t present_bytes =
        disk.empty() ? info().sectors.value * sector_bytes
                     : 512 * blockdev::read_number(blockdev::block_attribute_path(disk, "size"))
                                 .value_or(size_bytes / 512);
    std::expected<void, Error> resized;
    if (size_bytes > present_bytes) {
        resized = front_end_->resize(size_bytes);
        if (resized) {
            environment_.report({.level = LogLevel::notice,
                                 .kind = LogKind::capacity,
                                 .text = fmt::format("{} has {} bytes now", name(), size_bytes),
                                 .address = state_.address,
                                 .device = name()});
        } else if (std::exchange(growth_refused_bytes_, size_bytes) != size_bytes) {
            report_failure(resized.error(), LogKind::capacity,
                           "the disk has grown, its device keeps its size");
        }
    }
    const std::lock_guard lock(state_mutex_);
    info_.sectors = {(resized ? size_bytes : present_bytes) / sector_bytes};
}

initiator::DeviceInfo Lun::info() const {
    const std::lock_guard lock(state_mutex_);
    return info_;
}

void Lun::report_failure(const Error& error, LogKind kind, std::string_view what_then) const {
    LogLine line = failure_line(error, kind, what_then);
    line.address = state_.address;
    line.device = front_end_ ? name() : std::string();
    environment_.report(line);
}

// For threads of the front end's, which may speak before it is there. It says what it does then.
std::function<void(const Error&)> Lun::front_end_report() const {
    return [report = environment_.report, address = state_.address](const Error& error) {
        LogLine line = failure_line(error, LogKind::front_end, {});
        line.address = address;
        report(line);
    };
}

// Names are a convenience: without them the device works.
void Lun::give_names() {
    if (kernel_name(state_).empty()) {
        return;
    }
    if (const auto made = environment_.links.make(state_.address, kernel_name(state_)); !made) {
        report_failure(made.error(), LogKind::record, "the device works without that name");
    }
    environment_.links.trigger_change(kernel_name(state_)); // where there is no udev nobody minds
}

void Lun::take_names_back() {
    if (!kernel_name(state_).empty()) {
        environment_.links.remove(state_.address, kernel_name(state_));
    }
}

void Lun::detach() {
    if (initiator::Device* const device = device_.exchange(nullptr)) {
        host_.call([&] {
            host_.unwatch(state_.address);
            host_.shard().detach(*device);
        });
    }
}

std::expected<void, Error> Lun::refuse_if_used() const {
    std::optional<std::string> use;
    if (const auto* const server = dynamic_cast<const blockdev::NbdServer*>(front_end_.get())) {
        if (const std::size_t count = server->connections_count(); count > 0) {
            use = fmt::format("{} NBD connections are open", count);
        }
    } else {
        use = blockdev::device_use(name());
    }
    if (!use) {
        return {};
    }
    return std::unexpected(
        Error{.what = fmt::format("{} ({}) is busy", name(), proto::to_string(state_.address)),
              .why = *use,
              .what_to_do = "end that first; --force detaches it all the same, and what was not "
                            "written yet is lost"});
}

std::expected<void, Error> Lun::close(bool force) {
    if (!force && is_usable()) {
        if (auto free = refuse_if_used(); !free) {
            return free;
        }
    }
    std::unique_lock front_end_lock(front_end_mutex_, close_grace);
    // The kernel waits for I/O before it changes a size, and I/O waits for the target: it fails.
    if (!front_end_lock) {
        detach();
        front_end_lock.lock();
    }
    if (auto closed = front_end_->close(close_grace, [this] { detach(); }); !closed) {
        detach();
        return closed;
    }
    detach();
    take_names_back();
    forget_state();
    lock_.reset();
    return {};
}

void Lun::leave() {
    update_state();
    const std::unique_lock front_end_lock(front_end_mutex_, leave_grace);
    if (front_end_lock) { // else the kernel is told of a size, and takes this for a crash
        front_end_->leave(leave_grace);
    }
}

} // namespace uaoe::tools
