// A BufferArena with a queue in front: who finds no room waits, first come first served. Nobody
// overtakes, so a large request gets its turn however many small ones there are. One thread.
#pragma once

#include "blockdev/buffer_arena.hpp"

#include <boost/intrusive/list.hpp>

#include <cstddef>
#include <memory>
#include <span>

namespace uaoe::blockdev {

// Waits for at most one buffer at a time.
class BufferWaiter : public boost::intrusive::list_base_hook<> {
  public:
    virtual void handle_buffer(std::span<std::byte> buffer) = 0;
    std::size_t wanted_bytes = 0; // the pool's note while it waits

  protected:
    ~BufferWaiter() = default;
};

class BufferPool {
  public:
    explicit BufferPool(std::unique_ptr<BufferArena> arena) : arena_(std::move(arena)) {}

    // As BufferArena::allocate(); when the span is empty, the waiter's handle_buffer() is called
    // from a later release().
    [[nodiscard]] std::span<std::byte> allocate(BufferWaiter& waiter, std::size_t bytes);
    void release(std::span<std::byte> buffer);
    // The waiter does not want it any more; a no-op when it does not wait.
    void forget(BufferWaiter& waiter);

    [[nodiscard]] const BufferArena& arena() const { return *arena_; }

  private:
    void serve_waiters();

    std::unique_ptr<BufferArena> arena_;
    boost::intrusive::list<BufferWaiter> waiters_;
    bool serving_ = false;
};

} // namespace uaoe::blockdev
