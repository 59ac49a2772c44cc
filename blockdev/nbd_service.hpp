// The shard's half of an NBD server: its connections in transmission and the buffers they share.
// The listening half is nbd_server.cpp.
#pragma once

#include "blockdev/buffer_pool.hpp"
#include "blockdev/nbd_connection.hpp"
#include "blockdev/nbd_export.hpp"
#include "initiator/linux/error.hpp"
#include "initiator/linux/ring.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <expected>
#include <memory>
#include <mutex>
#include <vector>

namespace uaoe::blockdev {

// Keeps itself alive while it has connections, because the kernel writes to their memory.
class NbdService final : public std::enable_shared_from_this<NbdService>,
                         private NbdConnectionOwner {
  public:
    // `buffer_bytes`: shared by the connections; see BufferArena::make(). The ring and the export's
    // device must outlive the last connection.
    static std::expected<std::shared_ptr<NbdService>, Error>
    make(initiator::Ring& ring, NbdExport nbd_export, std::size_t buffer_bytes);
    ~NbdService();
    NbdService(const NbdService&) = delete;
    NbdService& operator=(const NbdService&) = delete;

    // ---- any thread ----
    [[nodiscard]] const NbdExport& nbd_export() const { return export_; }
    [[nodiscard]] std::size_t connections_count() const { return connections_count_; }
    // Before add() is posted, so that the count is never short.
    void announce_connection() { ++connections_count_; }
    // True once close() has run and the last connection is closed.
    [[nodiscard]] bool wait_closed(std::chrono::milliseconds time_max);

    // ---- the ring's thread ----
    void add(int fd, bool structured_replies); // announced; see NbdConnection for `fd`
    void close();                              // no add() after it
    void cut();                                // throws away what clients do not read
    [[nodiscard]] const BufferPool& buffers() const { return buffers_; }

  private:
    NbdService(initiator::Ring& ring, NbdExport nbd_export, std::unique_ptr<BufferArena> arena);
    void handle_closed(NbdConnection& connection) override;
    void tell_when_closed();

    initiator::Ring& ring_;
    NbdExport export_;
    BufferPool buffers_;
    std::vector<std::unique_ptr<NbdConnection>> connections_;
    std::shared_ptr<NbdService> self_; // while there are connections
    bool closing_ = false;

    std::atomic<std::size_t> connections_count_{0};
    std::mutex mutex_;
    std::condition_variable closed_condition_;
    bool closed_ = false; // under mutex_
};

} // namespace uaoe::blockdev
