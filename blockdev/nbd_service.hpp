// The shard's half of an NBD front end: its connections in transmission. Where they come from is
// nbd_server.cpp (a listening socket) or nbd_kernel_device.cpp (the kernel's driver).
#pragma once

#include "blockdev/buffer_pool.hpp"
#include "blockdev/nbd_connection.hpp"
#include "blockdev/nbd_export.hpp"
#include "initiator/linux/ring.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace uaoe::blockdev {

// Keeps itself alive while it has connections, because the kernel writes to their memory.
class NbdService final : public std::enable_shared_from_this<NbdService>,
                         private NbdConnectionOwner {
  public:
    // `buffers`: of the shard; many services share them. The ring and the export's device must
    // outlive the last connection.
    static std::shared_ptr<NbdService> make(initiator::Ring& ring, NbdExport nbd_export,
                                            std::shared_ptr<BufferPool> buffers);
    ~NbdService();
    NbdService(const NbdService&) = delete;
    NbdService& operator=(const NbdService&) = delete;

    // ---- any thread ----
    [[nodiscard]] const NbdExport& nbd_export() const { return export_; }
    void resize(std::uint64_t size_bytes) { export_.set_size_bytes(size_bytes); }
    [[nodiscard]] std::size_t connections_count() const { return connections_count_; }
    // Before add() is posted, so that the count is never short.
    void announce_connection() { ++connections_count_; }
    // True once close() or leave() has run and the last connection is closed.
    [[nodiscard]] bool wait_closed(std::chrono::milliseconds time_max);

    // Before the first add(). Called on the ring's thread when a connection's client has gone, or
    // has said that it goes, while neither close() nor leave() was called; its requests may still
    // be under way.
    void set_gone_handler(std::function<void()> handler) { handle_gone_ = std::move(handler); }

    // ---- the ring's thread ----
    // Announced; see NbdConnection for `fd`, which is closed at once after close() and leave().
    void add(int fd, bool structured_replies);
    void close(); // see NbdConnection for these three
    void leave();
    void cut();
    [[nodiscard]] const BufferPool& buffers() const { return *buffers_; }

  private:
    NbdService(initiator::Ring& ring, NbdExport nbd_export, std::shared_ptr<BufferPool> buffers);
    void handle_input_ended(NbdConnection& connection) override;
    void handle_closed(NbdConnection& connection) override;
    void tell_when_closed();

    initiator::Ring& ring_;
    NbdExport export_;
    std::shared_ptr<BufferPool> buffers_;
    std::function<void()> handle_gone_;
    std::vector<std::unique_ptr<NbdConnection>> connections_;
    std::shared_ptr<NbdService> self_; // while there are connections
    bool closing_ = false;

    std::atomic<std::size_t> connections_count_{0};
    std::mutex mutex_;
    std::condition_variable closed_condition_;
    bool closed_ = false; // under mutex_
};

} // namespace uaoe::blockdev
