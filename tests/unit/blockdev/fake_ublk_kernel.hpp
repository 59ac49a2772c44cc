// A stand-in for the kernel's ublk driver as 6.12 behaves (facts/block-front-ends.md, section 1),
// and for the block layer above it. It is strict where the driver is: parameters, one thread for a
// queue, no answer to a write whose data was not copied, one channel at a time. It outlives its
// servers, which can be killed.
#pragma once

#include "blockdev/ublk_driver.hpp"

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <thread>

namespace uaoe::test {

namespace ublk = blockdev::ublk;

// A request of the block layer.
struct DiskIo {
    std::uint32_t operation_flags = 0;
    std::uint64_t sector_first = 0; // of 512 bytes
    std::vector<std::byte> data;    // to write, or read
    std::uint32_t sectors_count = 0;
    std::size_t done_bytes = 0; // of a read or write that was answered in part
    std::optional<int> result;  // 0 or -errno
};

class FakeUblkKernel {
  public:
    // One server process: what it calls, and the way to its ring's thread.
    class Process;

    std::unique_ptr<blockdev::UblkDriver>
    make_process(std::function<void(std::function<void()>)> post);

    // ---- what the kernel can do ----
    std::uint64_t features = 0x1fe; // of 6.12
    bool refuses_fetch = false;     // a command of a queue: -EINVAL
    bool copies_less = false;       // of the next larger write: 4 KiB, as when memory is short
    bool hangs = false;             // control commands are never done
    int stop_error = 0;             // of the next STOP
    int delete_error = 0;           // of the next deletion
    std::size_t flushes_count = 0;

    // ---- a program that uses the disk, or the whole process table ----
    void submit(std::uint32_t id, const std::shared_ptr<DiskIo>& io);
    // False when it takes longer.
    bool wait(const DiskIo& io, std::chrono::milliseconds time_max = std::chrono::seconds{20});
    void set_openers(std::uint32_t id, int count);
    // SIGKILL of every server. Their rings' threads have ended.
    void kill_servers(std::int32_t pid_left_behind = 0);

    [[nodiscard]] std::size_t disks_count();
    [[nodiscard]] ublk::DeviceInfo info(std::uint32_t id);
    [[nodiscard]] ublk::Params params(std::uint32_t id);
    [[nodiscard]] std::size_t forbidden_count(); // answers a server must not give: EAGAIN, ENOMEM

  private:
    class Channel;
    struct Tag {
        initiator::RingOperation* operation = nullptr; // its command is with us
        std::uint64_t address = 0;
        std::shared_ptr<DiskIo> io; // the server has it
        bool wants_data = false;    // it is a write, and GET_DATA has not come
        ublk::IoDescriptor descriptor;
    };
    struct Disk {
        ublk::DeviceInfo info;
        std::optional<ublk::Params> params;
        std::vector<Tag> tags;
        std::deque<std::shared_ptr<DiskIo>> queue;
        Process* server = nullptr;
        std::thread::id server_thread;
        std::uint64_t channel_generation = 0; // of the open channel; 0: none
        int openers_count = 0;
        bool deleted = false;
        bool aborted = false; // stopped: its commands come back
        std::shared_ptr<blockdev::UblkCall> starting;
        std::vector<std::shared_ptr<blockdev::UblkCall>> stopping;
        std::vector<std::shared_ptr<blockdev::UblkCall>> deleting; // wait for the id to be free
        [[nodiscard]] bool is(ublk::DeviceState state) const {
            return info.state == static_cast<std::uint16_t>(state);
        }
        void become(ublk::DeviceState state) { info.state = static_cast<std::uint16_t>(state); }
    };

    // All with the mutex held.
    int add(blockdev::UblkCall& call);
    int set_params(Disk& disk, const blockdev::UblkCall& call);
    int update_size(Disk& disk, std::uint64_t sectors_count);
    std::optional<int> control(const std::shared_ptr<blockdev::UblkCall>& call);
    std::optional<int> control_disk(Disk& disk, const std::shared_ptr<blockdev::UblkCall>& call);
    int handle_command(Disk& disk, Process& process, initiator::RingOperation& operation,
                       std::uint32_t opcode, const ublk::IoCommand& command);
    static int keep(const Disk& disk, Tag& tag, initiator::RingOperation& operation,
                    const ublk::IoCommand& command);
    int copy_write(Disk& disk, Tag& tag, initiator::RingOperation& operation,
                   const ublk::IoCommand& command);
    void answer(Disk& disk, Tag& tag, std::int32_t result);
    void give(Disk& disk, Tag& tag);
    void settle();
    void settle_disk(Disk& disk);
    void abort_commands(Disk& disk);
    static void complete(Disk& disk, Tag& tag, int result);
    void end(DiskIo& io, int result);

    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::uint32_t, Disk> disks_;
    std::vector<Process*> processes_;
    std::uint64_t generation_last_ = 0;
    std::size_t forbidden_count_ = 0;
};

} // namespace uaoe::test
