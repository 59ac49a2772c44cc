// A front end: one attached LUN as something programs can open. Its data moves on the ring of a
// shard's thread; what is declared here is called from another thread, blocks, and always ends.
#pragma once

#include "blockdev/buffer_pool.hpp"
#include "initiator/linux/error.hpp"
#include "initiator/linux/ring.hpp"

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>

namespace uaoe::blockdev {

// Where the data of front ends moves.
struct DataThread {
    initiator::Ring& ring;
    // Runs a task on the ring's thread, in order; from any thread.
    std::function<void(std::function<void()>)> post;
    std::shared_ptr<BufferPool> buffers; // used on the ring's thread only
};

class FrontEnd {
  public:
    virtual ~FrontEnd() = default;
    FrontEnd(const FrontEnd&) = delete;
    FrontEnd& operator=(const FrontEnd&) = delete;

    // "/dev/ublkb0", "/dev/nbd0", or the URI of an export.
    [[nodiscard]] virtual std::string name() const = 0;

    // The disk has grown to `size_bytes`. The kernel's device follows where its driver can; an
    // export tells clients that connect from now on. After an error it has the size it had. Not
    // while close() or leave() runs, nor after them.
    virtual std::expected<void, Error> resize(std::uint64_t size_bytes) = 0;

    // Ends it for good: the kernel's device is gone, or the socket. Requests under way get `grace`;
    // then `cancel` is called, once and on this thread. It has to detach the device on its shard,
    // so that every request comes back as cancelled, and returns when that is done; the front end
    // answers what still comes with an error and does not touch the device any more. When close()
    // has returned without an error, nobody uses the device. After an error it may be called again:
    // it does what is still missing, and `cancel` is not called a second time.
    virtual std::expected<void, Error> close(std::chrono::milliseconds grace,
                                             const std::function<void()>& cancel) = 0;

    // For a process that ends and has a successor: takes no new request, gives those under way
    // `grace` to be answered, and leaves the kernel's device as it is. What was not answered is
    // asked again by the kernel once the successor is there. Where no successor is possible (a
    // socket), as close().
    virtual void leave(std::chrono::milliseconds grace) = 0;

  protected:
    FrontEnd() = default;
};

} // namespace uaoe::blockdev
