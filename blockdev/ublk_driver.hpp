// What a ublk front end asks of the kernel, narrow enough for a fake kernel to stand in: control
// commands, the channel of one device (/dev/ublkcN), and what sysfs and /dev say of its disk.
// UblkKernel is the real one.
#pragma once

#include "blockdev/ublk_abi.hpp"
#include "initiator/linux/ring.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace uaoe::blockdev {

// One control command, shared by who asks and who runs it: the kernel may write the payload as long
// as the command runs, also when nobody waits for it any more.
class UblkCall {
  public:
    UblkCall(std::uint32_t call_opcode, std::uint32_t device_id, std::uint64_t data,
             std::span<const std::byte> call_payload)
        : opcode(call_opcode), payload(call_payload.begin(), call_payload.end()) {
        command.device_id = device_id;
        command.data = data;
        command.payload_bytes = static_cast<std::uint16_t>(payload.size());
        command.payload_address =
            payload.empty() ? 0 : reinterpret_cast<std::uintptr_t>(payload.data());
    }

    // >= 0, or -errno; nothing while it still runs. Any thread.
    [[nodiscard]] std::optional<int> wait(std::chrono::milliseconds time_max) {
        std::unique_lock lock(mutex_);
        finished_.wait_for(lock, time_max, [this] { return result_.has_value(); });
        return result_;
    }
    void finish(int result) {
        const std::lock_guard lock(mutex_);
        result_ = result;
        finished_.notify_all();
    }

    const std::uint32_t opcode;
    ublk::ControlCommand command;
    std::vector<std::byte> payload; // in and out; read it once the call has finished

  private:
    std::mutex mutex_;
    std::condition_variable finished_;
    std::optional<int> result_;
};

// /dev/ublkcN, open, with the descriptors of its one queue mapped. Closed by its destructor, which
// must wait for the last command to be back: the kernel counts both. Used on the ring's thread.
class UblkChannel {
  public:
    virtual ~UblkChannel() = default;
    UblkChannel(const UblkChannel&) = delete;
    UblkChannel& operator=(const UblkChannel&) = delete;

    // Valid from the completion of the tag's command until the next submit() for it.
    [[nodiscard]] virtual ublk::IoDescriptor descriptor(std::uint16_t tag) const = 0;

    // fetch and commit_and_fetch ask for the tag's next request, the latter after answering the
    // present one, for a read from the bytes at `address` at the moment when the ring is handed
    // over. Completes with result_get_data when there is a write, result_ok when there is another
    // request, -ENODEV when there will be none any more, another -errno when the kernel refused.
    // get_data: the data of a write, to `address`; the same completions, and result_ok for the
    // write.
    virtual void submit(initiator::Ring& ring, initiator::RingOperation& operation,
                        std::uint32_t opcode, const ublk::IoCommand& command) = 0;

  protected:
    UblkChannel() = default;
};

class UblkDriver {
  public:
    virtual ~UblkDriver() = default;
    UblkDriver(const UblkDriver&) = delete;
    UblkDriver& operator=(const UblkDriver&) = delete;

    // Any thread; does not wait for it.
    virtual void start(std::shared_ptr<UblkCall> call) = 0;

    // -errno when it cannot be opened (ENOENT, EBUSY: perhaps soon) or mapped.
    [[nodiscard]] virtual std::expected<std::unique_ptr<UblkChannel>, int>
    open_channel(std::uint32_t device_id, std::uint16_t queue_depth) = 0;

    // Ids of all devices, ours or not.
    [[nodiscard]] virtual std::vector<std::uint32_t> device_ids() = 0;
    // Whether /dev/ublkbN is there.
    [[nodiscard]] virtual bool has_disk(std::uint32_t device_id) = 0;
    // No I/O scheduler, and requests of up to `io_bytes_max`. Only speed depends on it.
    virtual void tune_disk(std::uint32_t device_id, std::uint32_t io_bytes_max) = 0;
    // Has the kernel write back what is dirty, of the disk and of its partitions; waits so long at
    // most. Not on a thread that serves the disk.
    virtual void flush_disk(std::uint32_t device_id, std::chrono::milliseconds time_max) = 0;

  protected:
    UblkDriver() = default;
};

} // namespace uaoe::blockdev
