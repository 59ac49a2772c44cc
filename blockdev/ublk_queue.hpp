// The one queue of a ublk device, on the shard's ring: the kernel wants all commands from one
// thread (6.12), and the ring has one. Nothing is allocated or logged after make().
//
// A tag's command is in the kernel until there is a request; then the request is ours until it is
// answered, which puts the command back. So every tag is in one place: in the kernel, waiting for
// a buffer, with the device, kept for a successor, or back for good.
//
// Copies of payload: one, by the kernel (design 3). With user copy it goes between the request's
// pages and a buffer of the shard's pool, which the request has only while it is under way.
// Without, each tag has a buffer of its own, whose pages the kernel looks up each time.
#pragma once

#include "blockdev/buffer_pool.hpp"
#include "blockdev/front_end.hpp"
#include "blockdev/ublk_driver.hpp"
#include "initiator/device.hpp"

#include <boost/intrusive/slist.hpp>

#include <atomic>

namespace uaoe::blockdev {

struct UblkQueueConfig {
    std::uint16_t depth = 0;
    std::uint32_t io_bytes_max = 0;
    bool user_copy = true;
    std::uint32_t fetch_opcode = 0;
    std::uint32_t commit_opcode = 0;
};

class UblkQueue final : public initiator::RequestOwner, private BufferClient {
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
    [[nodiscard]] bool is_idle() const { return commands_count_ == config_.depth; }

    // ---- any thread ----

    // Every command is back for good, and no request is held. False when that takes longer.
    [[nodiscard]] bool wait_finished(std::chrono::milliseconds time_max);
    // After leave(): the device has no request of ours.
    [[nodiscard]] bool wait_answered(std::chrono::milliseconds time_max);
    // Why the kernel refused a command, as -errno; 0: it has not.
    [[nodiscard]] int refusal() const { return refusal_.load(); }

  private:
    enum class State : std::uint8_t { serving, failing, leaving };

    struct Tag : initiator::Request, initiator::RingOperation, boost::intrusive::slist_base_hook<> {
        UblkQueue* queue = nullptr;
        std::uint16_t index = 0;
        std::uint32_t buffer_bytes = 0;  // of the present request
        std::span<std::byte> own_buffer; // without user copy
    };

    UblkQueue(const DataThread& data, initiator::Device& device,
              std::unique_ptr<UblkChannel> channel, const UblkQueueConfig& config,
              std::unique_ptr<BufferArena> reserve, std::unique_ptr<BufferArena> tag_buffers);

    void handle_command(Tag& tag, int result);
    void begin(Tag& tag);
    void serve_waiting();
    void handle_buffer(std::span<std::byte> buffer) override;
    void take_buffer(Tag& tag, std::span<std::byte> buffer);
    void submit(Tag& tag);
    void release_buffer(Tag& tag);
    void answer(Tag& tag, std::int32_t result);
    void send(Tag& tag, std::uint32_t opcode, std::int32_t result);
    void tell();
    [[nodiscard]] bool is_finished() const {
        return commands_count_ == 0 && device_count_ == 0 && waiting_.empty() && kept_count_ == 0;
    }

    initiator::Ring& ring_;
    std::shared_ptr<BufferPool> buffers_;
    initiator::Device& device_;
    std::unique_ptr<UblkChannel> channel_;
    UblkQueueConfig config_;
    std::uint32_t sector_bytes_;
    std::unique_ptr<BufferArena> tag_buffers_; // without user copy
    State state_ = State::serving;
    std::size_t commands_count_ = 0; // in the kernel
    std::size_t device_count_ = 0;   // requests the device has
    std::size_t kept_count_ = 0;     // requests left for a successor
    std::unique_ptr<Tag[]> tags_;
    boost::intrusive::slist<Tag, boost::intrusive::cache_last<true>> waiting_; // for a buffer

    std::atomic<int> refusal_ = 0;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool finished_ = false; // under the mutex, as the next
    bool answered_ = false;
};

} // namespace uaoe::blockdev
