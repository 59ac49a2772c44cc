// One client in the transmission phase, on the shard's ring: no system call of its own, nothing
// allocated after construction, one thread.
//
// Copies of payload: none on this side of the socket, but for what arrives of a WRITE in the same
// receive as its header. That is a few hundred bytes, or all of several small WRITEs, where a copy
// costs less than a receive. A buffer belongs to its request until the engine is
// done with it (WRITE) or its reply has been sent whole (READ); it is never freed while the kernel
// or the engine may touch it.
#pragma once

#include "blockdev/buffer_pool.hpp"
#include "blockdev/nbd_command.hpp"
#include "blockdev/nbd_export.hpp"
#include "initiator/linux/ring.hpp"

#include <boost/intrusive/slist.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <sys/socket.h>
#include <sys/uio.h>

namespace uaoe::blockdev {

class NbdConnection;

// Of a socket: until several requests of 1 MiB fit, each in one piece, with what the kernel adds to
// each page of it. Best effort; only speed depends on it.
inline constexpr int send_buffer_bytes = 4 << 20;
void enlarge_send_buffer(int fd);

class NbdConnectionOwner {
  public:
    // Nothing more is read: the client said DISC, is gone or talks nonsense, or cut() was called.
    // Not for close() and leave(), which the owner knows of. The connection goes on until its
    // requests are answered.
    virtual void handle_input_ended(NbdConnection& connection) = 0;
    // The socket is closed and nothing refers to the connection any more; it may be deleted.
    virtual void handle_closed(NbdConnection& connection) = 0;

  protected:
    ~NbdConnectionOwner() = default;
};

class NbdConnection final : public initiator::RequestOwner, private BufferClient {
  public:
    // In flight; then the client has to wait.
    static constexpr std::size_t requests_count_max = 128;

    // Takes over `fd`: a connected stream socket in blocking mode (with O_NONBLOCK the ring would
    // report EAGAIN instead of waiting). The references outlive the connection. `reserve`: see
    // BufferClient.
    NbdConnection(initiator::Ring& ring, BufferPool& buffers, std::unique_ptr<BufferArena> reserve,
                  const NbdExport& nbd_export, NbdConnectionOwner& owner, int fd,
                  bool structured_replies);
    ~NbdConnection() override = default;
    NbdConnection(const NbdConnection&) = delete;
    NbdConnection& operator=(const NbdConnection&) = delete;

    void start();
    // No request is submitted any more: new ones get ESHUTDOWN, those under way are answered.
    void close();
    // For a client that will ask a successor what it was not answered: reads no further request
    // from the socket, answers those under way except the cancelled ones, and closes. No ESHUTDOWN:
    // to a kernel it is EIO.
    void leave();
    // Replies are thrown away from here on. Requests are waited for all the same.
    void cut();

    void handle_completion(initiator::Request& request) override;

  private:
    struct NbdRequest : initiator::Request, boost::intrusive::slist_base_hook<> {
        std::uint64_t cookie = 0;
        std::uint64_t offset = 0;
        bool is_read = false;
        bool has_data = false; // the reply is followed by the buffer
        std::uint8_t reply_bytes = 0;
        std::array<std::byte, sizeof(proto::nbd::StructuredReply) + 8> reply{};
    };
    // Room for 16 headers: a burst of reads costs one receive. And for as many small writes.
    static constexpr std::size_t stream_room_bytes_min = 16 * sizeof(proto::nbd::Request);
    static constexpr std::size_t stream_room_bytes_max = std::size_t{64} << 10U;
    static constexpr std::size_t small_write_bytes_max = std::size_t{8} << 10U;

    using Requests = boost::intrusive::slist<NbdRequest, boost::intrusive::cache_last<true>>;

    // The replies of a turn go out in one message.
    struct LateSend : initiator::RingLateWork {
        NbdConnection* connection = nullptr;
    };

    struct Operation : initiator::RingOperation {
        NbdConnection* connection = nullptr;
        bool pending = false;
    };

    // ---- nbd_connection.cpp: the stream of requests ----
    void advance();
    void handle_header();
    void fill(NbdRequest& request, const NbdCommand& command);
    void take_payload_from_stream();
    void dispatch_current();
    void receive();
    void handle_received(int result);
    void end_input();
    void tell_input_ended(bool is_news);
    void handle_buffer(std::span<std::byte> buffer) override;
    [[nodiscard]] std::size_t stream_bytes() const { return stream_end_ - stream_begin_; }

    // ---- nbd_connection_replies.cpp: the stream of replies, and the end ----
    void answer(NbdRequest& request, proto::nbd::Error error);
    void write_reply(NbdRequest& request, proto::nbd::Error error);
    void send_late();
    void send();
    void handle_sent(int result);
    void drop_answers();
    void release(NbdRequest& request);
    void shut(Operation& operation, int how);
    void close_when_done();

    template <void (NbdConnection::*Handle)(int)>
    void prepare_operation(Operation& operation);
    io_uring_sqe& submit(Operation& operation);
    void handle_shut(int result);
    void handle_closed_socket(int result);

    initiator::Ring& ring_;
    BufferPool& buffers_;
    const NbdExport& export_;
    NbdConnectionOwner& owner_;
    int fd_;
    bool structured_replies_;
    bool closing_ = false;          // close() was called
    bool leaving_ = false;          // leave() was called
    bool input_ended_ = false;      // DISC, end of file, garbage or an error: nothing more is read
    bool broken_ = false;           // nothing more is sent
    bool waits_for_buffer_ = false; // current_ does
    NbdRequest* current_ = nullptr; // being read; not the engine's yet
    proto::nbd::Error current_error_ = proto::nbd::Error::none;
    std::span<std::byte> payload_rest_;    // of current_: where the next bytes go
    std::uint32_t skipped_bytes_left_ = 0; // of a refused WRITE
    std::size_t engine_count_ = 0;         // requests the engine holds
    std::size_t sent_bytes_ = 0;           // of the first of answers_

    Operation receiving_;
    Operation sending_;
    LateSend late_send_;
    Operation cancelling_receive_;
    Operation shutting_read_;
    Operation shutting_;
    Operation closing_socket_;
    msghdr receive_message_{};
    msghdr send_message_{};
    std::array<iovec, 2> receive_vectors_{};
    std::array<iovec, 2 * requests_count_max> send_vectors_{};
    std::size_t stream_begin_ = 0;
    std::size_t stream_end_ = 0;
    std::size_t stream_room_bytes_ = stream_room_bytes_min; // of stream_, to be used now
    std::array<std::byte, stream_room_bytes_max> stream_;

    std::array<NbdRequest, requests_count_max> requests_;
    Requests free_;
    Requests answers_; // to be sent, oldest first
};

} // namespace uaoe::blockdev
