// Shares and reserves.
#include "blockdev/buffer_pool.hpp"

#include "proto/assert.hpp"

namespace uaoe::blockdev {

namespace {

// A client may hold this many times what is free: alone, two thirds of the arena; eight clients, an
// eighth of 16/17.
constexpr std::size_t share_factor = 2;

} // namespace

BufferClient::~BufferClient() {
    UAOE_ASSERT(shared_bytes_ == 0 && reserve_->free_bytes() == reserve_->capacity_bytes());
}

std::span<std::byte> BufferPool::allocate(BufferClient& client, std::size_t bytes) {
    UAOE_ASSERT(!client.is_linked());
    const auto buffer = take(client, bytes);
    if (buffer.empty()) {
        client.wanted_bytes_ = bytes;
        waiters_.push_back(client);
    }
    return buffer;
}

// From the shared arena first: its pages have been touched by somebody already.
std::span<std::byte> BufferPool::take(BufferClient& client, std::size_t bytes) {
    const std::size_t block_bytes = BufferArena::block_bytes(bytes);
    const std::size_t free_bytes = arena_->free_bytes();
    if (block_bytes <= free_bytes && block_bytes <= arena_->largest_block_bytes() &&
        client.shared_bytes_ + block_bytes <= share_factor * (free_bytes - block_bytes)) {
        if (const auto buffer = arena_->allocate(bytes); !buffer.empty()) {
            client.shared_bytes_ += block_bytes;
            return buffer;
        }
    }
    return client.reserve_->allocate(bytes);
}

void BufferPool::release(BufferClient& client, std::span<std::byte> buffer) {
    if (client.reserve_->owns(buffer)) {
        client.reserve_->release(buffer);
    } else {
        client.shared_bytes_ -= BufferArena::block_bytes(buffer.size());
        arena_->release(buffer);
    }
    serve_waiters();
}

void BufferPool::forget(BufferClient& client) {
    if (client.is_linked()) {
        waiters_.erase(waiters_.iterator_to(client));
    }
}

// Every waiter has its try, oldest first: one that has to wait on is in nobody's way. It cannot
// starve, because its own reserve serves it once its earlier requests have ended.
void BufferPool::serve_waiters() {
    if (serving_) { // a waiter released something: the loop below sees it
        released_meanwhile_ = true;
        return;
    }
    serving_ = true;
    do {
        released_meanwhile_ = false;
        for (auto next = waiters_.begin(); next != waiters_.end();) {
            BufferClient& client = *next;
            const auto buffer = take(client, client.wanted_bytes_);
            if (buffer.empty()) {
                ++next;
                continue;
            }
            next = waiters_.erase(next);
            client.handle_buffer(buffer); // may wait again, at the end
        }
    } while (released_meanwhile_);
    serving_ = false;
}

} // namespace uaoe::blockdev
