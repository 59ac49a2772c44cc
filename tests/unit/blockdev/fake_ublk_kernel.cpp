// The driver's rules, one function a rule where that goes.
#include "fake_ublk_kernel.hpp"

#include "proto/assert.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace uaoe::test {

using blockdev::UblkCall;
using ublk::DeviceState;

class FakeUblkKernel::Process final : public blockdev::UblkDriver {
  public:
    Process(FakeUblkKernel& own_kernel, std::function<void(std::function<void()>)> post_task)
        : kernel(own_kernel), post(std::move(post_task)) {}
    ~Process() override {
        const std::lock_guard lock(kernel.mutex_);
        std::erase(kernel.processes_, this);
    }

    void start(std::shared_ptr<UblkCall> call) override {
        const std::lock_guard lock(kernel.mutex_);
        if (kernel.hangs) {
            return;
        }
        if (const auto result = kernel.control(call)) {
            call->finish(*result);
        }
        kernel.settle();
    }
    std::expected<std::unique_ptr<blockdev::UblkChannel>, int>
    open_channel(std::uint32_t device_id, std::uint16_t queue_depth) override;
    std::vector<std::uint32_t> device_ids() override {
        const std::lock_guard lock(kernel.mutex_);
        std::vector<std::uint32_t> ids;
        for (const auto& [id, disk] : kernel.disks_) {
            ids.push_back(id);
        }
        return ids;
    }
    bool has_disk(std::uint32_t device_id) override {
        const std::lock_guard lock(kernel.mutex_);
        const auto found = kernel.disks_.find(device_id);
        return found != kernel.disks_.end() && !found->second.is(DeviceState::dead);
    }
    void tune_disk(std::uint32_t /*device_id*/, std::uint32_t /*io_bytes_max*/) override {}
    void flush_disk(std::uint32_t /*device_id*/, std::chrono::milliseconds /*time_max*/) override {
        const std::lock_guard lock(kernel.mutex_);
        ++kernel.flushes_count;
    }

    FakeUblkKernel& kernel;
    std::function<void(std::function<void()>)> post;
    bool dead = false;
};

// Commands take effect when the ring is handed over: the last of its late work.
class FakeUblkKernel::Channel final : public blockdev::UblkChannel,
                                      private initiator::RingLateWork {
  public:
    Channel(Process& process, std::uint32_t id, std::uint64_t generation)
        : process_(process), id_(id), generation_(generation) {
        prepare = [](RingLateWork& self) { static_cast<Channel&>(self).hand_over(); };
    }
    ~Channel() override {
        FakeUblkKernel& kernel = process_.kernel;
        const std::lock_guard lock(kernel.mutex_);
        if (Disk* const disk = find()) {
            UAOE_ASSERT(std::ranges::none_of(
                disk->tags, [](const Tag& tag) { return tag.operation != nullptr || tag.io; }));
            disk->channel_generation = 0;
            kernel.settle();
        }
    }
    [[nodiscard]] ublk::IoDescriptor descriptor(std::uint16_t tag) const override {
        const std::lock_guard lock(process_.kernel.mutex_);
        return find()->tags[tag].descriptor;
    }
    void submit(initiator::Ring& ring, initiator::RingOperation& operation, std::uint32_t opcode,
                const ublk::IoCommand& command) override {
        prepared_.push_back({&operation, opcode, command});
        if (!is_linked()) {
            ring.do_late(*this);
        }
    }

  private:
    [[nodiscard]] Disk* find() const {
        const auto found = process_.kernel.disks_.find(id_);
        const bool ours = found != process_.kernel.disks_.end() &&
                          found->second.channel_generation == generation_;
        return ours ? &found->second : nullptr;
    }
    void hand_over() {
        const std::lock_guard lock(process_.kernel.mutex_);
        for (const auto& [operation, opcode, command] : std::exchange(prepared_, {})) {
            Disk* const disk = find();
            if (disk == nullptr) {
                return; // killed
            }
            const int result =
                process_.kernel.handle_command(*disk, process_, *operation, opcode, command);
            if (result < 0) {
                process_.post([told = operation, result] { told->complete(*told, result, 0); });
            }
            process_.kernel.settle();
        }
    }

    struct Prepared {
        initiator::RingOperation* operation;
        std::uint32_t opcode;
        ublk::IoCommand command;
    };

    Process& process_;
    std::uint32_t id_;
    std::uint64_t generation_;
    std::vector<Prepared> prepared_;
};

std::expected<std::unique_ptr<blockdev::UblkChannel>, int>
FakeUblkKernel::Process::open_channel(std::uint32_t device_id, std::uint16_t queue_depth) {
    const std::lock_guard lock(kernel.mutex_);
    const auto found = kernel.disks_.find(device_id);
    if (found == kernel.disks_.end()) {
        return std::unexpected(-ENOENT);
    }
    Disk& disk = found->second;
    if (disk.channel_generation != 0) {
        return std::unexpected(-EBUSY);
    }
    if (queue_depth != disk.info.queue_depth) {
        return std::unexpected(-EINVAL); // of mmap
    }
    disk.channel_generation = ++kernel.generation_last_;
    disk.server = this;
    disk.server_thread = {};
    return std::make_unique<Channel>(*this, device_id, disk.channel_generation);
}

std::unique_ptr<blockdev::UblkDriver>
FakeUblkKernel::make_process(std::function<void(std::function<void()>)> post) {
    auto process = std::make_unique<Process>(*this, std::move(post));
    processes_.push_back(process.get());
    return process;
}

// ---- control commands ----

int FakeUblkKernel::add(UblkCall& call) {
    ublk::DeviceInfo info;
    if (call.payload.size() != sizeof(info)) {
        return -EINVAL;
    }
    std::memcpy(&info, call.payload.data(), sizeof(info));
    if (info.queue_depth == 0 || info.queue_depth > ublk::queue_depth_max ||
        info.queues_count == 0 || info.io_bytes_max < 4096 || info.device_id != ~0U ||
        call.command.queue_id != 0xffff) {
        return -EINVAL;
    }
    info.flags &= features;
    info.flags |= 2; // forced: completions in task work
    info.io_bytes_max -= info.io_bytes_max % 4096;
    info.state = 0;
    info.server_pid = -1;
    info.device_id = 0;
    while (disks_.contains(info.device_id)) {
        ++info.device_id;
    }
    Disk& disk = disks_[info.device_id];
    disk.info = info;
    disk.tags.resize(info.queue_depth);
    std::memcpy(call.payload.data(), &info, sizeof(info));
    return 0;
}

int FakeUblkKernel::set_params(Disk& disk, const UblkCall& call) {
    ublk::Params params;
    if (call.payload.size() != sizeof(params)) {
        return -EINVAL;
    }
    std::memcpy(&params, call.payload.data(), sizeof(params));
    if (!disk.is(DeviceState::dead) || disk.starting) {
        return -EACCES;
    }
    const ublk::BasicParams& basic = params.basic;
    const ublk::DiscardParams& discard = params.discard;
    const bool basic_good = (params.types & ublk::params_basic) != 0 && params.bytes <= 64 &&
                            basic.logical_block_shift >= 9 && basic.logical_block_shift <= 12 &&
                            basic.logical_block_shift <= basic.physical_block_shift &&
                            basic.sectors_max <= disk.info.io_bytes_max >> 9U &&
                            basic.sectors_max >= 8 && basic.device_sectors > 0;
    const bool discard_good = (params.types & ublk::params_discard) == 0 ||
                              (discard.granularity != 0 && (discard.discard_sectors_max == 0 ||
                                                            discard.discard_segments_max == 1));
    if (!basic_good || !discard_good) {
        return -EINVAL;
    }
    disk.params = params;
    return 0;
}

int FakeUblkKernel::update_size(Disk& disk, std::uint64_t sectors_count) {
    if (disk.is(DeviceState::dead) || (features & ublk::feature_update_size) == 0) {
        return -EOPNOTSUPP;
    }
    disk.params->basic.device_sectors = sectors_count;
    return 0;
}

std::optional<int> FakeUblkKernel::control(const std::shared_ptr<UblkCall>& call) {
    if (call->opcode == ublk::command::features.code) {
        if (features == 0) {
            return -EOPNOTSUPP;
        }
        if (call->payload.size() != sizeof(features)) {
            return -EINVAL;
        }
        std::memcpy(call->payload.data(), &features, sizeof(features));
        return 0;
    }
    // Kernels that know the codes take the numbers, too (Debian's do).
    const bool encoded = call->opcode > 0xff;
    if (encoded && (features & ublk::feature_ioctl_encode) == 0) {
        return -EOPNOTSUPP;
    }
    if ((call->opcode & 0xffU) == ublk::command::add.number) {
        return add(*call);
    }
    const auto found = disks_.find(call->command.device_id);
    if (found == disks_.end() || found->second.deleted) {
        return -ENODEV;
    }
    return control_disk(found->second, call);
}

std::optional<int> FakeUblkKernel::control_disk(Disk& disk, const std::shared_ptr<UblkCall>& call) {
    switch (call->opcode & 0xffU) {
    case ublk::command::read_info.number:
        std::memcpy(call->payload.data(), &disk.info, sizeof(disk.info));
        return 0;
    case ublk::command::set_params.number:
        return set_params(disk, *call);
    case ublk::command::read_params.number:
        std::memcpy(call->payload.data(), &*disk.params, sizeof(*disk.params));
        return 0;
    case ublk::command::start.number:
        if (call->command.data == 0 || !disk.params || !disk.is(DeviceState::dead)) {
            return -EINVAL;
        }
        disk.starting = call;
        return std::nullopt;
    case ublk::command::start_recovery.number:
        if ((disk.info.flags & ublk::feature_recovery) == 0) {
            return -EINVAL;
        }
        return disk.is(DeviceState::quiesced) && disk.channel_generation == 0 ? 0 : -EBUSY;
    case ublk::command::end_recovery.number:
        if (!disk.is(DeviceState::quiesced) || call->command.data == 0) {
            return -EINVAL;
        }
        disk.starting = call;
        return std::nullopt;
    case ublk::command::stop.number:
        if (stop_error != 0) {
            return std::exchange(stop_error, 0);
        }
        disk.stopping.push_back(call);
        return std::nullopt;
    case ublk::command::remove.number:
    case ublk::command::remove_async.number:
        if (delete_error != 0) {
            return std::exchange(delete_error, 0);
        }
        UAOE_ASSERT(!disk.is(DeviceState::live)); // else as STOP, which nothing here needs
        disk.become(DeviceState::dead);
        disk.deleted = true;
        if ((call->opcode & 0xffU) == ublk::command::remove_async.number) {
            return 0;
        }
        disk.deleting.push_back(call);
        return std::nullopt;
    case ublk::command::update_size.number:
        return update_size(disk, call->command.data);
    default:
        return -EOPNOTSUPP;
    }
}

// ---- commands of the queue ----

int FakeUblkKernel::handle_command(Disk& disk, Process& process,
                                   initiator::RingOperation& operation, std::uint32_t opcode,
                                   const ublk::IoCommand& command) {
    if (disk.server_thread == std::thread::id{}) {
        disk.server_thread = std::this_thread::get_id();
    }
    const bool encode = (disk.info.flags & ublk::feature_ioctl_encode) != 0;
    const auto is = [&](const ublk::CommandCode& code) {
        return opcode == (encode ? code.code : code.number);
    };
    if (process.dead || refuses_fetch || std::this_thread::get_id() != disk.server_thread ||
        command.queue_id != 0 || command.tag >= disk.tags.size()) {
        return -EINVAL;
    }
    Tag& tag = disk.tags[command.tag];
    if (tag.operation != nullptr) {
        return -EBUSY;
    }
    if (is(ublk::command::fetch)) {
        return tag.io ? -EINVAL : keep(disk, tag, operation, command);
    }
    if (!tag.io || is(ublk::command::get_data) != tag.wants_data) {
        return -EINVAL;
    }
    if (is(ublk::command::get_data)) {
        return copy_write(disk, tag, operation, command);
    }
    if (!is(ublk::command::commit_and_fetch) ||
        ((tag.io->operation_flags & ublk::io_operation_mask) == ublk::io_read &&
         command.address == 0)) {
        return -EINVAL;
    }
    tag.address = command.address;
    answer(disk, tag, command.result);
    return keep(disk, tag, operation, command);
}

int FakeUblkKernel::keep(const Disk& disk, Tag& tag, initiator::RingOperation& operation,
                         const ublk::IoCommand& command) {
    if (disk.aborted) {
        return -ENODEV;
    }
    tag.operation = &operation;
    tag.address = command.address;
    return 0;
}

int FakeUblkKernel::copy_write(Disk& disk, Tag& tag, initiator::RingOperation& operation,
                               const ublk::IoCommand& command) {
    tag.wants_data = false;
    tag.operation = &operation;
    DiskIo& io = *tag.io;
    std::size_t bytes = io.data.size() - io.done_bytes;
    if (bytes > 4096 && std::exchange(copies_less, false)) {
        bytes = 4096;
        tag.descriptor.sectors_count = static_cast<std::uint32_t>(bytes >> 9U);
    }
    std::memcpy(reinterpret_cast<std::byte*>(command.address), io.data.data() + io.done_bytes,
                bytes);
    complete(disk, tag, ublk::result_ok);
    return 0;
}

void FakeUblkKernel::answer(Disk& disk, Tag& tag, std::int32_t result) {
    const std::shared_ptr<DiskIo> io = std::exchange(tag.io, nullptr);
    if (result == -EAGAIN || result == -ENOMEM) {
        ++forbidden_count_;
    }
    const std::uint32_t operation = io->operation_flags & ublk::io_operation_mask;
    const bool has_data = operation == ublk::io_read || operation == ublk::io_write;
    if (result < 0 || !has_data) {
        end(*io, std::min(result, 0));
        return;
    }
    const std::size_t bytes =
        std::min<std::size_t>(static_cast<std::size_t>(result), io->data.size() - io->done_bytes);
    if (operation == ublk::io_read) {
        std::memcpy(io->data.data() + io->done_bytes,
                    reinterpret_cast<const std::byte*>(tag.address), bytes);
    }
    io->done_bytes += bytes;
    if (bytes == 0) {
        end(*io, -EIO);
    } else if (io->done_bytes < io->data.size()) {
        disk.queue.push_front(io); // for the rest
    } else {
        end(*io, 0);
    }
}

void FakeUblkKernel::end(DiskIo& io, int result) {
    io.result = result;
    changed_.notify_all();
}

void FakeUblkKernel::complete(Disk& disk, Tag& tag, int result) {
    initiator::RingOperation* const operation = std::exchange(tag.operation, nullptr);
    disk.server->post([operation, result] { operation->complete(*operation, result, 0); });
}

void FakeUblkKernel::give(Disk& disk, Tag& tag) {
    tag.io = disk.queue.front();
    disk.queue.pop_front();
    DiskIo& io = *tag.io;
    const std::size_t rest_bytes = io.data.size() - io.done_bytes;
    const auto sectors_count =
        io.data.empty() ? io.sectors_count : static_cast<std::uint32_t>(rest_bytes >> 9U);
    tag.descriptor = {.operation_flags = io.operation_flags,
                      .sectors_count = sectors_count,
                      .sector_first = io.sector_first + (io.done_bytes >> 9U),
                      .address = tag.address};
    tag.wants_data = (io.operation_flags & ublk::io_operation_mask) == ublk::io_write;
    complete(disk, tag, tag.wants_data ? ublk::result_get_data : ublk::result_ok);
}

void FakeUblkKernel::abort_commands(Disk& disk) {
    disk.aborted = true;
    for (Tag& tag : disk.tags) {
        if (tag.operation != nullptr) {
            complete(disk, tag, -ENODEV);
        }
    }
}

void FakeUblkKernel::settle_disk(Disk& disk) {
    const auto is_fetched = [](const Tag& tag) { return tag.operation != nullptr; };
    if (disk.starting && std::ranges::all_of(disk.tags, is_fetched)) {
        disk.info.server_pid = static_cast<std::int32_t>(disk.starting->command.data);
        disk.become(DeviceState::live);
        std::exchange(disk.starting, nullptr)->finish(0);
    }
    for (Tag& tag : disk.tags) {
        if (disk.is(DeviceState::live) && !disk.queue.empty() && is_fetched(tag)) {
            give(disk, tag);
        }
    }
    const bool held =
        std::ranges::any_of(disk.tags, [](const Tag& tag) { return tag.io != nullptr; });
    if (!disk.stopping.empty() && !held && (disk.queue.empty() || !disk.is(DeviceState::live))) {
        disk.become(DeviceState::dead);
        disk.info.server_pid = -1;
        abort_commands(disk);
        for (const auto& call : std::exchange(disk.stopping, {})) {
            call->finish(0);
        }
    }
    if (disk.is(DeviceState::dead)) {
        for (const auto& io : std::exchange(disk.queue, {})) {
            end(*io, -EIO);
        }
    }
}

void FakeUblkKernel::settle() {
    for (auto& [id, disk] : disks_) {
        settle_disk(disk);
    }
    std::erase_if(disks_, [](const auto& entry) {
        const Disk& disk = entry.second;
        const bool free = disk.deleted && disk.channel_generation == 0 && disk.openers_count == 0;
        for (const auto& call : disk.deleting) {
            if (free) {
                call->finish(0);
            }
        }
        return free;
    });
}

// ---- the world around ----

void FakeUblkKernel::submit(std::uint32_t id, const std::shared_ptr<DiskIo>& io) {
    const std::lock_guard lock(mutex_);
    const auto found = disks_.find(id);
    if (found == disks_.end()) {
        end(*io, -EIO);
        return;
    }
    found->second.queue.push_back(io);
    settle();
}

bool FakeUblkKernel::wait(const DiskIo& io, std::chrono::milliseconds time_max) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time_max, [&] { return io.result.has_value(); });
}

void FakeUblkKernel::set_openers(std::uint32_t id, int count) {
    const std::lock_guard lock(mutex_);
    disks_.at(id).openers_count = count;
    settle();
}

void FakeUblkKernel::kill_servers(std::int32_t pid_left_behind) {
    const std::lock_guard lock(mutex_);
    for (Process* const process : processes_) {
        process->dead = true;
    }
    for (auto& [id, disk] : disks_) {
        disk.channel_generation = 0;
        disk.info.server_pid = pid_left_behind;
        const bool recoverable = (disk.info.flags & ublk::feature_recovery) != 0;
        const bool reissue = (disk.info.flags & ublk::feature_recovery_reissue) != 0;
        for (Tag& tag : disk.tags) {
            tag.operation = nullptr;
            tag.wants_data = false;
            if (tag.io && reissue) {
                disk.queue.push_front(tag.io);
            } else if (tag.io) {
                end(*tag.io, -EIO);
            }
            tag.io = nullptr;
        }
        if (disk.is(DeviceState::live)) {
            disk.become(recoverable ? DeviceState::quiesced : DeviceState::dead);
        }
    }
    settle();
}

std::size_t FakeUblkKernel::disks_count() {
    const std::lock_guard lock(mutex_);
    return disks_.size();
}

ublk::DeviceInfo FakeUblkKernel::info(std::uint32_t id) {
    const std::lock_guard lock(mutex_);
    return disks_.at(id).info;
}

ublk::Params FakeUblkKernel::params(std::uint32_t id) {
    const std::lock_guard lock(mutex_);
    return *disks_.at(id).params;
}

std::size_t FakeUblkKernel::forbidden_count() {
    const std::lock_guard lock(mutex_);
    return forbidden_count_;
}

} // namespace uaoe::test
