// Serves a file that is mapped as a whole (on a tmpfs: RAM that outlives the server) as a ublk disk
// through the real front end, for guests that test it:
//   ublk_memory_server FILE [BYTES] [ro|noflush|notrim|4k|recoverable|grace=MS|depth=N]
//                      [recover=ID]
//   ublk_memory_server list|features, ublk_memory_server remove ID
// Prints the disk's path once it is usable. SIGTERM and SIGINT close it; SIGHUP leaves it to a
// successor; SIGUSR1 holds every request from then on, as a target that is gone does.
#include "blockdev/ublk_device.hpp"
#include "ring_loop.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <string_view>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

namespace {

using namespace uaoe;

class MappedDevice final : public initiator::Device {
  public:
    MappedDevice(initiator::Ring& ring, std::byte* data) : ring_(ring), data_(data) {
        turn_.device = this;
        turn_.complete = [](initiator::RingOperation& self, int, std::uint32_t) {
            auto& turn = static_cast<Turn&>(self);
            turn.pending = false;
            turn.device->complete_all();
        };
    }

    [[nodiscard]] const initiator::DeviceInfo& info() const override { return info_; }
    initiator::DeviceInfo& change_info() { return info_; }

    void submit(initiator::Request& request) override {
        UAOE_ASSERT(!detached_);
        waiting_.push_back(&request);
        if (!held_ && !turn_.pending) {
            turn_.pending = true;
            io_uring_prep_nop(&ring_.prepare(turn_));
        }
    }
    void hold() { held_ = true; }
    void detach() { // as Shard::detach()
        detached_ = true;
        while (!waiting_.empty()) {
            initiator::Request& request = *waiting_.front();
            waiting_.pop_front();
            request.status = initiator::Status::cancelled;
            request.owner->handle_completion(request);
        }
    }

  private:
    struct Turn : initiator::RingOperation {
        MappedDevice* device = nullptr;
        bool pending = false;
    };

    void complete_all() {
        std::size_t count = held_ ? 0 : waiting_.size();
        while (count-- > 0) {
            initiator::Request& request = *waiting_.front();
            waiting_.pop_front();
            perform(request);
            request.status = initiator::Status::ok;
            request.owner->handle_completion(request);
        }
    }
    void perform(initiator::Request& request) {
        std::byte* const at = data_ + (request.lba.value * info_.sector_bytes);
        const std::size_t bytes = request.sectors.value * info_.sector_bytes;
        switch (request.operation) {
        case initiator::Operation::read:
            std::memcpy(request.buffer.data(), at, bytes);
            break;
        case initiator::Operation::write:
            std::memcpy(at, request.buffer.data(), bytes);
            break;
        case initiator::Operation::flush:
            break;
        default:
            std::memset(at, 0, bytes);
            break;
        }
    }

    initiator::Ring& ring_;
    std::byte* data_;
    initiator::DeviceInfo info_;
    std::deque<initiator::Request*> waiting_;
    Turn turn_;
    bool held_ = false;
    bool detached_ = false;
};

int fail(const Error& error) {
    std::fprintf(stderr, "ublk_memory_server: %s\n", error.line().c_str());
    return static_cast<int>(error.exit_code);
}

int manage(blockdev::UblkControl& control, int argc, char** argv) {
    const std::string_view word = argv[1];
    if (word == "list") {
        for (const auto& listed : control.list()) {
            std::printf("%u state %u pid %d recoverable %d address %s\n", listed.id,
                        static_cast<unsigned>(listed.state), listed.server_pid, listed.recoverable,
                        listed.address ? proto::to_string(*listed.address).c_str() : "-");
        }
    } else if (word == "features") {
        for (unsigned bit = 0; bit < 64; ++bit) {
            if (control.has(std::uint64_t{1} << bit)) {
                std::printf("bit %u\n", bit);
            }
        }
    } else if (argc > 2) {
        const auto removed =
            control.remove(static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10)));
        return removed ? 0 : fail(removed.error());
    }
    return 0;
}

struct Arguments {
    std::size_t bytes = 256U << 20U;
    blockdev::UblkOptions options;
    initiator::DeviceInfo info;
    std::chrono::milliseconds grace{2000};
    std::optional<std::uint32_t> recover_id;
};

Arguments parse(int argc, char** argv) {
    Arguments parsed;
    parsed.info.address = {.shelf = 1, .slot = 0};
    parsed.info.can_flush = true;
    parsed.info.can_discard = true;
    for (int i = 2; i < argc; ++i) {
        const std::string_view word = argv[i];
        const char* const value = std::strchr(argv[i], '=');
        const auto number = std::strtoul(value == nullptr ? argv[i] : value + 1, nullptr, 10);
        if (word == "ro") {
            parsed.info.read_only = true;
        } else if (word == "noflush") {
            parsed.info.can_flush = false;
        } else if (word == "notrim") {
            parsed.info.can_discard = false;
        } else if (word == "4k") {
            parsed.info.sector_bytes = 4096;
        } else if (word == "recoverable") {
            parsed.options.recoverable = true;
        } else if (word.starts_with("grace=")) {
            parsed.grace = std::chrono::milliseconds{number};
        } else if (word.starts_with("depth=")) {
            parsed.options.queue_depth = static_cast<std::uint16_t>(number);
        } else if (word.starts_with("recover=")) {
            parsed.recover_id = static_cast<std::uint32_t>(number);
        } else {
            parsed.bytes = number;
        }
    }
    parsed.info.sectors.value = parsed.bytes / parsed.info.sector_bytes;
    return parsed;
}

int serve(blockdev::UblkControl& control, const Arguments& arguments, std::byte* data) {
    test::RingLoop loop;
    MappedDevice device(loop.ring(), data);
    device.change_info() = arguments.info;
    auto arena = blockdev::BufferArena::make(32U << 20U);
    const blockdev::DataThread thread{
        .ring = loop.ring(),
        .post = [&loop](std::function<void()> task) { loop.post(std::move(task)); },
        .buffers = std::make_shared<blockdev::BufferPool>(std::move(*arena))};
    std::thread shard([&loop] { loop.run(); });
    auto disk = arguments.recover_id
                    ? blockdev::UblkDevice::recover(control, thread, device, *arguments.recover_id,
                                                    arguments.options)
                    : blockdev::UblkDevice::create(control, thread, device, arguments.options);
    int code = 0;
    if (!disk) {
        code = fail(disk.error());
    } else {
        std::puts((*disk)->name().c_str());
        std::fflush(stdout);
        sigset_t signals;
        sigemptyset(&signals);
        for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
            sigaddset(&signals, number);
        }
        int number = 0;
        while (sigwait(&signals, &number) == 0 && number == SIGUSR1) {
            loop.post([&device] { device.hold(); });
        }
        if (number == SIGHUP) {
            (*disk)->leave(arguments.grace);
        } else if (const auto closed = (*disk)->close(
                       arguments.grace, [&] { loop.post([&device] { device.detach(); }); });
                   !closed) {
            code = fail(closed.error());
        }
    }
    loop.stop();
    shard.join();
    return code;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fputs("usage: ublk_memory_server FILE [BYTES] [OPTION]...\n", stderr);
        return 2;
    }
    sigset_t signals;
    sigemptyset(&signals);
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
        sigaddset(&signals, number);
    }
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    auto control = blockdev::UblkControl::open();
    if (!control) {
        return fail(control.error());
    }
    const std::string_view word = argv[1];
    if (word == "list" || word == "features" || word == "remove") {
        return manage(**control, argc, argv);
    }
    const Arguments arguments = parse(argc, argv);
    const int fd = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void* data = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, static_cast<off_t>(arguments.bytes)) == 0) {
        data = mmap(nullptr, arguments.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    if (data == MAP_FAILED) {
        std::perror(argv[1]);
        return 1;
    }
    return serve(**control, arguments, static_cast<std::byte*>(data));
}
