// The queue in front of the arena.
#include "blockdev/buffer_pool.hpp"

#include "proto/assert.hpp"

namespace uaoe::blockdev {

std::span<std::byte> BufferPool::allocate(BufferWaiter& waiter, std::size_t bytes) {
    UAOE_ASSERT(!waiter.is_linked());
    if (waiters_.empty()) {
        if (const auto buffer = arena_->allocate(bytes); !buffer.empty()) {
            return buffer;
        }
    }
    waiter.wanted_bytes = bytes;
    waiters_.push_back(waiter);
    return {};
}

void BufferPool::release(std::span<std::byte> buffer) {
    arena_->release(buffer);
    serve_waiters();
}

void BufferPool::forget(BufferWaiter& waiter) {
    if (waiter.is_linked()) {
        waiters_.erase(waiters_.iterator_to(waiter));
        serve_waiters(); // it may have been the one in the way
    }
}

void BufferPool::serve_waiters() {
    if (serving_) { // a waiter released something: the loop below goes on anyway
        return;
    }
    serving_ = true;
    while (!waiters_.empty()) {
        BufferWaiter& waiter = waiters_.front();
        const auto buffer = arena_->allocate(waiter.wanted_bytes);
        if (buffer.empty()) {
            break;
        }
        waiters_.pop_front();
        waiter.handle_buffer(buffer);
    }
    serving_ = false;
}

} // namespace uaoe::blockdev
