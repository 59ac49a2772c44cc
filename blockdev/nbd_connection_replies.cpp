// The sending half of a connection: replies gathered into one message at a time; and its end.
#include "blockdev/nbd_connection.hpp"

#include "proto/assert.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace uaoe::blockdev {

namespace nbd = proto::nbd;

namespace {

// Of one message. More would only keep buffers longer.
constexpr std::size_t send_bytes_max = std::size_t{1} << 20U;

} // namespace

void NbdConnection::answer(NbdRequest& request, nbd::Error error) {
    if (broken_ && !sending_.pending) {
        release(request);
        return;
    }
    write_reply(request, error);
    answers_.push_back(request);
    send_late();
}

void NbdConnection::send_late() {
    if (!late_send_.is_linked() && !sending_.pending) {
        ring_.do_late(late_send_);
    }
}

void NbdConnection::write_reply(NbdRequest& request, nbd::Error error) {
    request.has_data = request.is_read && error == nbd::Error::none;
    if (!structured_replies_) {
        nbd::SimpleReply reply;
        reply.magic = nbd::simple_reply_magic;
        reply.error = static_cast<std::uint32_t>(error);
        reply.cookie = request.cookie;
        proto::store(request.reply, reply);
        request.reply_bytes = sizeof(reply);
        return;
    }
    nbd::StructuredReply reply;
    reply.magic = nbd::structured_reply_magic;
    reply.flags = nbd::chunk_flag_done;
    reply.cookie = request.cookie;
    nbd::Chunk type = nbd::Chunk::none;
    std::size_t head_bytes = 0; // of the chunk, behind the reply's header
    if (error != nbd::Error::none) {
        type = nbd::Chunk::error;
        nbd::ChunkError chunk;
        chunk.error = static_cast<std::uint32_t>(error);
        chunk.message_bytes = 0;
        proto::store(request.reply, chunk, sizeof(reply));
        head_bytes = sizeof(chunk);
    } else if (request.is_read) {
        type = nbd::Chunk::offset_data;
        nbd::ChunkOffset chunk;
        chunk.offset = request.offset;
        proto::store(request.reply, chunk, sizeof(reply));
        head_bytes = sizeof(chunk);
    }
    reply.type = static_cast<std::uint16_t>(type);
    reply.bytes =
        static_cast<std::uint32_t>(head_bytes + (request.has_data ? request.buffer.size() : 0));
    proto::store(request.reply, reply);
    request.reply_bytes = static_cast<std::uint8_t>(sizeof(reply) + head_bytes);
}

void NbdConnection::send() {
    if (sending_.pending || answers_.empty()) {
        return;
    }
    std::size_t vectors_count = 0;
    std::size_t bytes = 0;
    std::size_t skipped_bytes = sent_bytes_; // sent already, of the first reply
    const auto add = [&](std::byte* data, std::size_t size) {
        const std::size_t skip = std::min(skipped_bytes, size);
        skipped_bytes -= skip;
        if (size > skip) {
            send_vectors_[vectors_count++] = {data + skip, size - skip};
            bytes += size - skip;
        }
    };
    for (NbdRequest& request : answers_) {
        add(request.reply.data(), request.reply_bytes);
        if (request.has_data) {
            add(request.buffer.data(), request.buffer.size());
        }
        if (bytes >= send_bytes_max) {
            break;
        }
    }
    send_message_ = {};
    send_message_.msg_iov = send_vectors_.data();
    send_message_.msg_iovlen = vectors_count;
    io_uring_prep_sendmsg(&submit(sending_), fd_, &send_message_, MSG_NOSIGNAL);
}

void NbdConnection::handle_sent(int result) {
    if (result <= 0 && result != -EINTR && result != -EAGAIN) {
        cut(); // the client is gone
    }
    if (broken_) {
        drop_answers();
        advance();
        return;
    }
    sent_bytes_ += result > 0 ? static_cast<std::size_t>(result) : 0;
    while (!answers_.empty()) {
        NbdRequest& request = answers_.front();
        const std::size_t reply_bytes =
            request.reply_bytes + (request.has_data ? request.buffer.size() : 0);
        if (sent_bytes_ < reply_bytes) {
            break;
        }
        sent_bytes_ -= reply_bytes;
        answers_.pop_front();
        release(request);
    }
    if (!answers_.empty()) {
        send_late();
    }
    advance();
}

void NbdConnection::drop_answers() {
    while (!answers_.empty()) {
        NbdRequest& request = answers_.front();
        answers_.pop_front();
        release(request);
    }
}

void NbdConnection::release(NbdRequest& request) {
    const auto buffer = std::exchange(request.buffer, {});
    free_.push_front(request);
    if (!buffer.empty()) {
        buffers_.release(*this, buffer); // may set other connections going
    }
}

void NbdConnection::cut() {
    if (closing_socket_.pending || std::exchange(broken_, true)) {
        return;
    }
    if (!receiving_.pending) {
        end_input();
    }
    // A pending receive still owns its buffer; it ends now.
    tell_input_ended(!std::exchange(input_ended_, true));
    shut(shutting_, SHUT_RDWR);
    if (!sending_.pending) {
        drop_answers();
    }
}

void NbdConnection::shut(Operation& operation, int how) {
    io_uring_prep_shutdown(&submit(operation), fd_, how);
}

void NbdConnection::handle_shut(int /*result*/) {
    close_when_done();
}

void NbdConnection::close_when_done() {
    if (!input_ended_ || engine_count_ > 0 || !answers_.empty() || current_ != nullptr ||
        receiving_.pending || sending_.pending || late_send_.is_linked() ||
        cancelling_receive_.pending || shutting_read_.pending || shutting_.pending ||
        closing_socket_.pending) {
        return;
    }
    io_uring_prep_close(&submit(closing_socket_), fd_);
}

void NbdConnection::handle_closed_socket(int /*result*/) {
    owner_.handle_closed(*this);
}

} // namespace uaoe::blockdev
