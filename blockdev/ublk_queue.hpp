// The one queue of a ublk device, on the shard's ring: the kernel wants all commands from one
// thread (6.12), and the ring has one. Nothing is allocated or logged after make().
//
// A tag's command is in the kernel until there is a request; then the request is ours until it is
// answered, which puts the command back. So every tag is in one place: in the kernel, waiting for
// a buffer, in the kernel for the data of a write, with the device, kept for a successor, or back
// for good.
//
// Copies of payload: one, by the kernel (design 3), between the request's pages and a buffer of the
// shard's pool, which the request has only while it is under way. The kernel is told of the buffer
// by commands of the ring, many in one system call: a write's with GET_DATA, a read's with its
// answer. So a read gives its buffer back when the ring has been handed over, not before.
#pragma once

#include "blockdev/buffer_pool.hpp"
#include "blockdev/front_end.hpp"
#include "blockdev/ublk_driver.hpp"
#include "initiator/device.hpp"

#include <boost/intrusive/list.hpp>

#include <atomic>

namespace uaoe::blockdev {

struct UblkQueueConfig {
    std::uint16_t depth = 0;
    std::uint32_t io_bytes_max = 0;
    std::uint32_t fetch_opcode = 0;
    std::uint32_t commit_opcode = 0;
    std::uint32_t get_data_opcode = 0;
};

class UblkQueue final : public initiator::RequestOwner,
                        private BufferClient,
                        private initiator::RingHandover {
  public:
    // `channel` is closed with the queue. Any thread, as the destructor, once wait_finished().
    static std::expected<std::shared_ptr<UblkQueue>, Error>
    make(const DataThread& data, initiator::Device& device, std::unique_ptr<UblkChannel> channel,
         const UblkQueueConfig& config);
    ~UblkQueue() override = default;
    UblkQueue(const UblkQueue&) = delete;
    UblkQueue& operator=(const UblkQueue&) = delete;

    // ---- on the ring's thread ----

    void start();
    // From now on every request is answered with EIO, and the device is not touched: what it has
    // must come back by itself (it is being detached).
    void fail();
    // New requests, and those that come back as cancelled, are kept: the kernel asks a successor
    // for them.
    void leave();
    void handle_completion(initiator::Request& request) override;
    // No request is held: every command waits in the kernel.
    [[nodiscard]] bool is_idle() const {
        return commands_count_ == config_.depth && getting_count_ == 0;
    }

    // ---- any thread ----

    // Every command is back for good, and no request is held. False when that takes longer.
    [[nodiscard]] bool wait_finished(std::chrono::milliseconds time_max);
    // After leave(): the device has no request of ours.
    [[nodiscard]] bool wait_answered(std::chrono::milliseconds time_max);
    // Why the kernel refused a command, as -errno; 0: it has not.
    [[nodiscard]] int refusal() const { return refusal_.load(); }

  private:
    enum class State : std::uint8_t { serving, failing, leaving };

    struct Tag : initiator::Request, initiator::RingOperation, boost::intrusive::list_base_hook<> {
        UblkQueue* queue = nullptr;
        std::uint16_t index = 0;
        std::uint32_t buffer_bytes = 0; // of the present request
        std::int32_t error = 0;         // the answer to it, once its data is out of the way
        bool wants_data = false;        // a write that the kernel has not copied yet
        bool getting_data = false;      // and which it was asked to copy
        std::span<std::byte> held;      // as it came from the pool
    };
    using Tags = boost::intrusive::list<Tag>;

    UblkQueue(const DataThread& data, initiator::Device& device,
              std::unique_ptr<UblkChannel> channel, const UblkQueueConfig& config,
              std::unique_ptr<BufferArena> reserve, std::unique_ptr<BufferArena> sink);

    void handle_command(Tag& tag, int result);
    void begin(Tag& tag);
    bool parse(Tag& tag);
    void refuse(Tag& tag, std::int32_t error);
    void serve_waiting();
    void handle_buffer(std::span<std::byte> buffer) override;
    void take_buffer(std::span<std::byte> buffer);
    void submit_write(Tag& tag);
    void submit(Tag& tag);
    void release_buffer(Tag& tag);
    void get_data(Tag& tag, std::span<std::byte> into);
    void answer(Tag& tag, std::int32_t result);
    void send(Tag& tag, std::uint32_t opcode, std::int32_t result, const std::byte* address);
    void tell();
    [[nodiscard]] bool is_finished() const {
        return commands_count_ == 0 && device_count_ == 0 && waiting_.empty() && kept_count_ == 0 &&
               !RingHandover::is_linked();
    }

    initiator::Ring& ring_;
    std::shared_ptr<BufferPool> buffers_;
    initiator::Device& device_;
    std::unique_ptr<UblkChannel> channel_;
    UblkQueueConfig config_;
    std::uint32_t sector_bytes_;
    // Where the data of writes goes that are refused: the kernel takes no answer before it has
    // copied. Nobody reads it. Pages are touched when that happens.
    std::unique_ptr<BufferArena> sink_;
    std::span<std::byte> sink_bytes_;
    State state_ = State::serving;
    std::size_t commands_count_ = 0; // in the kernel
    std::size_t getting_count_ = 0;  // of these, for the data of a write
    std::size_t device_count_ = 0;   // requests the device has
    std::size_t kept_count_ = 0;     // requests left for a successor
    std::unique_ptr<Tag[]> tags_;
    Tags waiting_; // for a buffer
    // Answered reads, whose buffers the kernel may have yet to read.
    Tags answered_reads_;

    std::atomic<int> refusal_ = 0;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool finished_ = false; // under the mutex, as the next
    bool answered_ = false;
};

} // namespace uaoe::blockdev
