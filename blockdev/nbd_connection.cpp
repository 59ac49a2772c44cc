// The receiving half of a connection: from the socket to the device.
#include "blockdev/nbd_connection.hpp"

#include "proto/assert.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace uaoe::blockdev {

namespace nbd = proto::nbd;

namespace {

// Where the payload of refused writes goes: of all connections at once, because nobody reads it.
std::array<std::byte, 65536> wasted_bytes;

} // namespace

void enlarge_send_buffer(int fd) {
    // More than net.core.wmem_max takes CAP_NET_ADMIN.
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &send_buffer_bytes, sizeof(send_buffer_bytes)) !=
        0) {
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer_bytes, sizeof(send_buffer_bytes));
    }
}

template <void (NbdConnection::*Handle)(int)>
void NbdConnection::prepare_operation(Operation& operation) {
    operation.connection = this;
    operation.complete = [](initiator::RingOperation& self, int result, std::uint32_t) {
        auto& completed = static_cast<Operation&>(self);
        completed.pending = false;
        (completed.connection->*Handle)(result);
    };
}

NbdConnection::NbdConnection(initiator::Ring& ring, BufferPool& buffers,
                             std::unique_ptr<BufferArena> reserve, const NbdExport& nbd_export,
                             NbdConnectionOwner& owner, int fd, bool structured_replies)
    : BufferClient(std::move(reserve)), ring_(ring), buffers_(buffers), export_(nbd_export),
      owner_(owner), fd_(fd), structured_replies_(structured_replies) {
    enlarge_send_buffer(fd);
    prepare_operation<&NbdConnection::handle_received>(receiving_);
    prepare_operation<&NbdConnection::handle_sent>(sending_);
    prepare_operation<&NbdConnection::handle_shut>(cancelling_receive_);
    prepare_operation<&NbdConnection::handle_shut>(shutting_read_);
    prepare_operation<&NbdConnection::handle_shut>(shutting_);
    prepare_operation<&NbdConnection::handle_closed_socket>(closing_socket_);
    late_send_.connection = this;
    late_send_.prepare = [](initiator::RingLateWork& self) {
        NbdConnection& connection = *static_cast<LateSend&>(self).connection;
        connection.send();
        connection.close_when_done();
    };
    for (NbdRequest& request : requests_) {
        request.owner = this;
        free_.push_back(request);
    }
}

io_uring_sqe& NbdConnection::submit(Operation& operation) {
    UAOE_ASSERT(!operation.pending);
    operation.pending = true;
    return ring_.prepare(operation);
}

void NbdConnection::start() {
    advance();
}

void NbdConnection::advance() {
    while (!input_ended_ && !receiving_.pending && !waits_for_buffer_) {
        take_payload_from_stream();
        // NOLINTNEXTLINE(bugprone-branch-clone): in the order of the stream
        if (!payload_rest_.empty() || skipped_bytes_left_ > 0) {
            receive();
        } else if (current_ != nullptr) {
            dispatch_current();
        } else if (stream_bytes() < sizeof(nbd::Request) && leaving_) {
            end_input();
        } else if (stream_bytes() < sizeof(nbd::Request)) {
            receive();
        } else if (free_.empty()) {
            return; // handle_sent() goes on
        } else {
            handle_header();
        }
    }
    close_when_done();
}

void NbdConnection::handle_header() {
    nbd::Request header;
    const bool is_whole = proto::load_into(header, stream_, stream_begin_);
    UAOE_ASSERT(is_whole);
    stream_begin_ += sizeof(nbd::Request);
    const NbdCommand command = parse_command(header, export_, structured_replies_);
    if (command.kind == NbdCommand::Kind::garbage || command.kind == NbdCommand::Kind::disconnect) {
        end_input();
        return;
    }
    NbdRequest& request = free_.front();
    free_.pop_front();
    fill(request, command);
    current_ = &request;
    current_error_ = closing_ ? nbd::Error::shutdown : command.error;
    if (current_error_ != nbd::Error::none) {
        skipped_bytes_left_ = command.payload_bytes;
    } else if (command.buffer_bytes > 0) {
        const auto buffer = buffers_.allocate(*this, command.buffer_bytes);
        waits_for_buffer_ = buffer.empty();
        if (!buffer.empty()) {
            handle_buffer(buffer);
        }
    }
}

void NbdConnection::fill(NbdRequest& request, const NbdCommand& command) {
    request.cookie = command.cookie;
    request.offset = command.offset;
    request.is_read = command.is_read;
    request.operation = command.operation;
    request.fua = command.fua;
    request.lba = command.lba;
    request.sectors = command.sectors;
}

void NbdConnection::handle_buffer(std::span<std::byte> buffer) {
    current_->buffer = buffer;
    if (current_->operation == initiator::Operation::write) {
        payload_rest_ = buffer;
        // The next ones will be like it.
        stream_room_bytes_ =
            buffer.size() <= small_write_bytes_max ? stream_room_bytes_max : stream_room_bytes_min;
    }
    if (waits_for_buffer_) { // called by the pool
        waits_for_buffer_ = false;
        advance();
    }
}

void NbdConnection::take_payload_from_stream() {
    if (!payload_rest_.empty()) {
        const std::size_t bytes = std::min(payload_rest_.size(), stream_bytes());
        std::memcpy(payload_rest_.data(), stream_.data() + stream_begin_, bytes);
        payload_rest_ = payload_rest_.subspan(bytes);
        stream_begin_ += bytes;
    } else if (skipped_bytes_left_ > 0) {
        const std::size_t bytes = std::min<std::size_t>(skipped_bytes_left_, stream_bytes());
        skipped_bytes_left_ -= static_cast<std::uint32_t>(bytes);
        stream_begin_ += bytes;
    }
}

void NbdConnection::dispatch_current() {
    NbdRequest& request = *std::exchange(current_, nullptr);
    if (current_error_ == nbd::Error::none && closing_) {
        current_error_ = nbd::Error::shutdown; // since its header was read
    }
    if (current_error_ != nbd::Error::none) {
        answer(request, current_error_);
        return;
    }
    ++engine_count_;
    export_.device().submit(request);
}

// One receive fills the rest of the present payload and, behind it, the stream buffer.
void NbdConnection::receive() {
    UAOE_ASSERT(stream_bytes() < sizeof(nbd::Request)); // part of a header, or nothing
    std::memmove(stream_.data(), stream_.data() + stream_begin_, stream_bytes());
    stream_end_ = stream_bytes();
    stream_begin_ = 0;
    std::size_t vectors_count = 0;
    bool reaches_stream = !leaving_;
    if (!payload_rest_.empty()) {
        receive_vectors_[vectors_count++] = {payload_rest_.data(), payload_rest_.size()};
    } else if (skipped_bytes_left_ > 0) {
        const std::size_t bytes = std::min<std::size_t>(skipped_bytes_left_, wasted_bytes.size());
        receive_vectors_[vectors_count++] = {wasted_bytes.data(), bytes};
        reaches_stream = reaches_stream && bytes == skipped_bytes_left_;
    }
    if (reaches_stream) {
        receive_vectors_[vectors_count++] = {stream_.data() + stream_end_,
                                             stream_room_bytes_ - stream_end_};
    }
    io_uring_sqe& sqe = submit(receiving_);
    if (vectors_count == 1) {
        io_uring_prep_recv(&sqe, fd_, receive_vectors_[0].iov_base, receive_vectors_[0].iov_len, 0);
    } else {
        receive_message_ = {};
        receive_message_.msg_iov = receive_vectors_.data();
        receive_message_.msg_iovlen = vectors_count;
        io_uring_prep_recvmsg(&sqe, fd_, &receive_message_, 0);
    }
}

void NbdConnection::handle_received(int result) {
    if (result == -EINTR || result == -EAGAIN) {
        advance();
        return;
    }
    if (result <= 0 || input_ended_) {
        end_input();
        advance();
        return;
    }
    auto bytes = static_cast<std::size_t>(result);
    if (!payload_rest_.empty()) {
        const std::size_t taken = std::min(bytes, payload_rest_.size());
        payload_rest_ = payload_rest_.subspan(taken);
        bytes -= taken;
    } else if (skipped_bytes_left_ > 0) {
        const std::size_t room = std::min<std::size_t>(skipped_bytes_left_, wasted_bytes.size());
        const std::size_t taken = std::min(bytes, room);
        skipped_bytes_left_ -= static_cast<std::uint32_t>(taken);
        bytes -= taken;
    }
    stream_end_ += bytes;
    advance();
}

// Also ends a request that was not read whole: a write whose payload stops is not submitted.
void NbdConnection::end_input() {
    const bool is_news = !std::exchange(input_ended_, true);
    buffers_.forget(*this);
    waits_for_buffer_ = false;
    payload_rest_ = {};
    skipped_bytes_left_ = 0;
    if (current_ != nullptr) {
        release(*std::exchange(current_, nullptr));
    }
    tell_input_ended(is_news);
}

void NbdConnection::tell_input_ended(bool is_news) {
    if (is_news && !closing_ && !leaving_) {
        owner_.handle_input_ended(*this);
    }
}

void NbdConnection::close() {
    if (closing_ || input_ended_) {
        return; // on its way already
    }
    closing_ = true;
    if (waits_for_buffer_) {
        buffers_.forget(*this);
        waits_for_buffer_ = false;
        current_error_ = nbd::Error::shutdown;
        if (current_->operation == initiator::Operation::write) {
            skipped_bytes_left_ =
                static_cast<std::uint32_t>(current_->sectors.value * export_.sector_bytes());
        }
    }
    // What the client has sent already is read and answered; then comes the end of file.
    shut(shutting_read_, SHUT_RD);
    advance();
}

void NbdConnection::leave() {
    if (leaving_ || closing_ || input_ended_) {
        return;
    }
    leaving_ = true;
    // What has been read already is served, and the payload that belongs to it is read to its end.
    // A receive that waits for the next request is called off.
    if (receiving_.pending && payload_rest_.empty() && skipped_bytes_left_ == 0) {
        initiator::RingOperation* const receiving = &receiving_;
        io_uring_sqe& sqe = submit(cancelling_receive_);
        io_uring_prep_cancel(&sqe, receiving, 0);
        io_uring_sqe_set_data(&sqe, static_cast<initiator::RingOperation*>(&cancelling_receive_));
    }
    advance();
}

void NbdConnection::handle_completion(initiator::Request& completed) {
    auto& request = static_cast<NbdRequest&>(completed);
    UAOE_ASSERT(engine_count_ > 0);
    if (!request.is_read && !request.buffer.empty()) {
        buffers_.release(*this, std::exchange(request.buffer, {}));
    }
    if (leaving_ && request.status == initiator::Status::cancelled) {
        release(request); // the successor answers it
    } else {
        answer(request, nbd_error(request.status, request.operation));
    }
    --engine_count_; // last: until here it keeps the connection open
    if (leaving_) {
        advance(); // a request was released, and nothing is sent that would go on with the stream
    } else {
        close_when_done();
    }
}

} // namespace uaoe::blockdev
