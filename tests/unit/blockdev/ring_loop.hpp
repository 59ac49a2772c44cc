// A ring and the loop that drives it, as a shard does, without a shard: for tests of front ends
// and for programs that serve without a NIC.
#pragma once

#include "blockdev/front_end.hpp"
#include "initiator/linux/ring.hpp"
#include "proto/assert.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace uaoe::test {

inline std::shared_ptr<blockdev::BufferPool> make_pool(std::size_t bytes) {
    auto arena = blockdev::BufferArena::make(bytes);
    UAOE_ASSERT(arena.has_value());
    return std::make_shared<blockdev::BufferPool>(std::move(*arena));
}

class RingLoop {
  public:
    RingLoop() : ring_(open_ring()), wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        UAOE_ASSERT(wake_fd_ >= 0);
        wake_.loop = this;
        wake_.complete = [](initiator::RingOperation& self, int, std::uint32_t) {
            auto& wake = static_cast<Wake&>(self);
            wake.armed = false;
        };
    }
    ~RingLoop() { ::close(wake_fd_); }
    RingLoop(const RingLoop&) = delete;
    RingLoop& operator=(const RingLoop&) = delete;

    [[nodiscard]] initiator::Ring& ring() { return ring_; }
    // With buffers of its own.
    [[nodiscard]] blockdev::DataThread data_thread(std::size_t buffer_bytes = 96U << 20U) {
        return {.ring = ring_,
                .post = [this](std::function<void()> task) { post(std::move(task)); },
                .buffers = make_pool(buffer_bytes)};
    }

    // One turn; waits at most `timeout`.
    void turn(std::optional<initiator::Duration> timeout) {
        if (!wake_.armed) {
            wake_.armed = true;
            io_uring_prep_poll_add(&ring_.prepare(wake_), wake_fd_, POLLIN);
        }
        ring_.submit_and_wait(timeout);
        ring_.dispatch();
        if (!wake_.armed) {
            std::uint64_t count = 0;
            [[maybe_unused]] const auto result = read(wake_fd_, &count, sizeof(count));
        }
        std::vector<std::function<void()>> tasks;
        {
            const std::lock_guard lock(mutex_);
            tasks.swap(tasks_);
        }
        for (const auto& task : tasks) {
            task();
        }
    }
    void run() {
        while (!stopping_) {
            turn(std::nullopt);
        }
    }

    void post(std::function<void()> task) {
        {
            const std::lock_guard lock(mutex_);
            tasks_.push_back(std::move(task));
        }
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto result = write(wake_fd_, &one, sizeof(one));
    }
    void stop() {
        post([this] { stopping_ = true; });
    }

  private:
    struct Wake : initiator::RingOperation {
        RingLoop* loop = nullptr;
        bool armed = false;
    };

    static initiator::Ring open_ring() {
        auto ring = initiator::Ring::open(256);
        UAOE_ASSERT(ring.has_value());
        return std::move(*ring);
    }

    initiator::Ring ring_;
    int wake_fd_;
    Wake wake_;
    std::mutex mutex_;
    std::vector<std::function<void()>> tasks_;
    bool stopping_ = false;
};

} // namespace uaoe::test
