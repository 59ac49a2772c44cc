// The buffers of an export: an arena that its clients share, each up to its share, and a small
// arena of its own for each client. So a client that never gives its buffers back (it does not read
// its replies, or announces writes and does not send them) holds up itself and nobody else. One
// thread.
//
// The share is a dynamic threshold: a client may take from the shared arena while it holds no more
// than a multiple of what stays free. One busy client gets most of it, many get less each, and some
// is left for the next one however many there are.
#pragma once

#include "blockdev/buffer_arena.hpp"

#include <boost/intrusive/list.hpp>

#include <cstddef>
#include <memory>
#include <span>

namespace uaoe::blockdev {

// Who takes buffers. Waits for at most one at a time.
class BufferClient : public boost::intrusive::list_base_hook<> {
  public:
    // `reserve`: for this client alone. As large as the largest buffer, so that a client that holds
    // nothing never waits.
    explicit BufferClient(std::unique_ptr<BufferArena> reserve) : reserve_(std::move(reserve)) {}
    virtual ~BufferClient(); // holds nothing any more
    BufferClient(const BufferClient&) = delete;
    BufferClient& operator=(const BufferClient&) = delete;
    virtual void handle_buffer(std::span<std::byte> buffer) = 0;

  private:
    friend class BufferPool;
    std::unique_ptr<BufferArena> reserve_;
    std::size_t shared_bytes_ = 0; // of the shared arena, in whole blocks
    std::size_t wanted_bytes_ = 0; // while it waits
};

class BufferPool {
  public:
    explicit BufferPool(std::unique_ptr<BufferArena> arena) : arena_(std::move(arena)) {}

    // As BufferArena::allocate(); when the span is empty, the client's handle_buffer() is called
    // from a later release(). That comes at the latest when the client has given back all it holds.
    [[nodiscard]] std::span<std::byte> allocate(BufferClient& client, std::size_t bytes);
    void release(BufferClient& client, std::span<std::byte> buffer);
    // The client does not want it any more; a no-op when it does not wait.
    void forget(BufferClient& client);

    // Whether anybody waits for a release().
    [[nodiscard]] bool has_waiters() const { return !waiters_.empty(); }

    [[nodiscard]] const BufferArena& arena() const { return *arena_; } // the shared one

  private:
    [[nodiscard]] std::span<std::byte> take(BufferClient& client, std::size_t bytes);
    void serve_waiters();

    std::unique_ptr<BufferArena> arena_;
    boost::intrusive::list<BufferClient> waiters_;
    bool serving_ = false;
    bool released_meanwhile_ = false;
};

} // namespace uaoe::blockdev
