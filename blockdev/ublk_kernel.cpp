// System calls of the ublk front end.
#include "blockdev/ublk_kernel.hpp"

#include "blockdev/child_process.hpp"
#include "blockdev/queue_attributes.hpp"
#include "blockdev/sysfs.hpp"
#include "blockdev/ublk_module.hpp"
#include "proto/assert.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <pthread.h>
#include <string>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

namespace uaoe::blockdev {

namespace {

constexpr unsigned ring_entries = 64;

// The kernel runs control commands on workers, by default four for each CPU; as many as that may
// wait for disks whose target is gone, and the next command must not wait for them.
constexpr unsigned workers_count_max = 1024;

constexpr std::size_t command_offset = 48; // of the command in an SQE: `cmd`

class KernelChannel final : public UblkChannel {
  public:
    KernelChannel(int fd, void* descriptors, std::size_t descriptors_bytes)
        : fd_(fd), descriptors_(static_cast<const ublk::IoDescriptor*>(descriptors)),
          mapping_(descriptors), mapping_bytes_(descriptors_bytes) {}
    ~KernelChannel() override {
        munmap(mapping_, mapping_bytes_);
        close(fd_);
    }

    [[nodiscard]] ublk::IoDescriptor descriptor(std::uint16_t tag) const override {
        return descriptors_[tag];
    }
    void submit(initiator::Ring& ring, initiator::RingOperation& operation, std::uint32_t opcode,
                const ublk::IoCommand& command) override {
        io_uring_sqe& sqe = ring.prepare(operation);
        sqe.opcode = IORING_OP_URING_CMD;
        sqe.fd = fd_;
        sqe.cmd_op = opcode;
        std::memcpy(reinterpret_cast<std::byte*>(&sqe) + command_offset, &command, sizeof(command));
    }

  private:
    int fd_;
    const ublk::IoDescriptor* descriptors_;
    void* mapping_;
    std::size_t mapping_bytes_;
};

std::string disk_name(std::uint32_t device_id) {
    return "ublkb" + std::to_string(device_id);
}

} // namespace

std::expected<std::unique_ptr<UblkKernel>, Error> UblkKernel::open() {
    const auto control_fd = open_ublk_control();
    if (!control_fd) {
        return std::unexpected(control_fd.error());
    }
    std::unique_ptr<UblkKernel> kernel(new UblkKernel(*control_fd));
    const int result = io_uring_queue_init(ring_entries, &kernel->ring_, IORING_SETUP_SQE128);
    if (result < 0) {
        return std::unexpected(Error{.what = "cannot make an io_uring for ublk",
                                     .why = std::strerror(-result),
                                     .what_to_do = "`sysctl kernel.io_uring_disabled=0`, and no "
                                                   "seccomp profile that forbids io_uring"});
    }
    kernel->ring_open_ = true;
    // By number: liburing 2.3 has it as an inline of a newer name only.
    std::array<unsigned, 2> workers{workers_count_max, workers_count_max};
    syscall(__NR_io_uring_register, kernel->ring_.ring_fd, IORING_REGISTER_IOWQ_MAX_WORKERS,
            workers.data(), workers.size()); // only advice
    kernel->wake_fd_ = eventfd(0, EFD_CLOEXEC);
    UAOE_ASSERT(kernel->wake_fd_ >= 0);
    // Signals are for others.
    sigset_t all{};
    sigset_t before{};
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    kernel->thread_ = std::thread([self = kernel.get()] { self->run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_setname_np(kernel->thread_.native_handle(), "uaoe-ublk");
    return kernel;
}

UblkKernel::~UblkKernel() {
    if (thread_.joinable()) {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = write(wake_fd_, &one, sizeof(one));
        thread_.join();
    }
    if (!running_.empty()) {
        // The kernel may still write their payload: it must stay where it is.
        static auto* const abandoned = new std::vector<std::shared_ptr<UblkCall>>;
        for (auto& [address, call] : running_) {
            abandoned->push_back(std::move(call));
        }
    }
    if (ring_open_) {
        io_uring_queue_exit(&ring_);
    }
    if (wake_fd_ >= 0) {
        close(wake_fd_);
    }
    close(control_fd_);
}

void UblkKernel::start(std::shared_ptr<UblkCall> call) {
    {
        const std::lock_guard lock(mutex_);
        started_.push_back(std::move(call));
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = write(wake_fd_, &one, sizeof(one));
}

void UblkKernel::run() {
    bool wake_armed = false;
    std::uint64_t wake_count = 0;
    while (true) {
        if (!wake_armed) { // a read, whose user_data is null
            io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
            UAOE_ASSERT(sqe != nullptr);
            std::memset(sqe, 0, 2 * sizeof(*sqe));
            io_uring_prep_read(sqe, wake_fd_, &wake_count, sizeof(wake_count), 0);
            wake_armed = true;
        }
        const int result = io_uring_submit_and_wait(&ring_, 1);
        UAOE_ASSERT(result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY);
        io_uring_cqe* cqe = nullptr;
        while (io_uring_peek_cqe(&ring_, &cqe) == 0) {
            auto* const call = static_cast<UblkCall*>(io_uring_cqe_get_data(cqe));
            const int outcome = cqe->res;
            io_uring_cqe_seen(&ring_, cqe);
            if (call == nullptr) {
                wake_armed = false;
            } else {
                call->finish(outcome);
                running_.erase(call);
            }
        }
        submit_started();
        const std::lock_guard lock(mutex_);
        if (stopping_) {
            return;
        }
    }
}

void UblkKernel::submit_started() {
    std::vector<std::shared_ptr<UblkCall>> calls;
    {
        const std::lock_guard lock(mutex_);
        calls.swap(started_);
    }
    for (auto& call : calls) {
        io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
        while (sqe == nullptr) {
            io_uring_submit(&ring_);
            sqe = io_uring_get_sqe(&ring_);
        }
        std::memset(sqe, 0, 2 * sizeof(*sqe));
        sqe->opcode = IORING_OP_URING_CMD;
        // 6.12 hands a command over to a worker that reads the SQE again, from the queue, where the
        // next command may be by then: a STOP would go to another device (measured, with a hundred
        // at once). With this flag it makes a copy first. Workers run these commands in any case.
        sqe->flags = IOSQE_ASYNC;
        sqe->fd = control_fd_;
        sqe->cmd_op = call->opcode;
        std::memcpy(reinterpret_cast<std::byte*>(sqe) + command_offset, &call->command,
                    sizeof(call->command));
        io_uring_sqe_set_data(sqe, call.get());
        UblkCall* const address = call.get();
        running_.emplace(address, std::move(call));
    }
}

std::expected<std::unique_ptr<UblkChannel>, int>
UblkKernel::open_channel(std::uint32_t device_id, std::uint16_t queue_depth) {
    const std::string path = "/dev/ublkc" + std::to_string(device_id);
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return std::unexpected(-errno);
    }
    const auto page_bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t bytes =
        (queue_depth * sizeof(ublk::IoDescriptor) + page_bytes - 1) / page_bytes * page_bytes;
    void* const descriptors = mmap(nullptr, bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd,
                                   static_cast<off_t>(ublk::descriptors_offset));
    if (descriptors == MAP_FAILED) {
        const int error = errno;
        close(fd);
        return std::unexpected(-error);
    }
    return std::make_unique<KernelChannel>(fd, descriptors, bytes);
}

std::vector<std::uint32_t> UblkKernel::device_ids() {
    std::vector<std::uint32_t> ids;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/sys/class/ublk-char", error)) {
        const std::string name = entry.path().filename();
        constexpr std::string_view prefix = "ublkc";
        std::uint32_t id = 0;
        if (name.starts_with(prefix) &&
            std::from_chars(name.data() + prefix.size(), name.data() + name.size(), id).ec ==
                std::errc{}) {
            ids.push_back(id);
        }
    }
    std::ranges::sort(ids);
    return ids;
}

bool UblkKernel::has_disk(std::uint32_t device_id) {
    struct stat status{};
    const std::string path = "/dev/ublkb" + std::to_string(device_id);
    return stat(path.c_str(), &status) == 0 && S_ISBLK(status.st_mode);
}

void UblkKernel::tune_disk(std::uint32_t device_id, std::uint32_t io_bytes_max) {
    const std::string disk = disk_name(device_id);
    const std::uint64_t wanted_kib = io_bytes_max >> 10U;
    std::vector<std::pair<std::string, std::string>> values{{"scheduler", "none"}};
    if (read_number(block_attribute_path(disk, "queue/max_sectors_kb")).value_or(0) < wanted_kib) {
        values.emplace_back("max_sectors_kb", std::to_string(wanted_kib));
    }
    set_up_queue(disk, values);
}

void UblkKernel::flush_disk(std::uint32_t device_id, std::chrono::milliseconds time_max) {
    const std::string disk = disk_name(device_id);
    std::vector<std::string> arguments{"/sbin/blockdev", "--flushbufs"};
    for (const std::string& name : names_in("/sys/block/" + disk)) { // each has pages of its own
        if (name.starts_with(disk + "p")) {
            arguments.push_back("/dev/" + name);
        }
    }
    arguments.push_back("/dev/" + disk);
    run_child(std::move(arguments), time_max);
}

} // namespace uaoe::blockdev
