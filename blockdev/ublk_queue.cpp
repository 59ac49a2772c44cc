// From the kernel's requests to the device's, and back.
#include "blockdev/ublk_queue.hpp"

#include "blockdev/ublk_translation.hpp"
#include "proto/assert.hpp"

#include <bit>
#include <cerrno>
#include <utility>

namespace uaoe::blockdev {

using initiator::Operation;
using initiator::Status;

std::expected<std::shared_ptr<UblkQueue>, Error>
UblkQueue::make(const DataThread& data, initiator::Device& device,
                std::unique_ptr<UblkChannel> channel, const UblkQueueConfig& config) {
    const std::size_t block_bytes =
        BufferArena::block_bytes(std::max<std::size_t>(config.io_bytes_max, 1));
    auto reserve = BufferArena::make(block_bytes, block_bytes);
    if (!reserve) {
        return std::unexpected(std::move(reserve.error()));
    }
    std::unique_ptr<BufferArena> tag_buffers;
    if (config.user_copy) {
        (*reserve)->populate(block_bytes); // a last resort has to be there
    } else {
        auto made = BufferArena::make(config.depth * block_bytes, block_bytes);
        if (!made) {
            return std::unexpected(std::move(made.error()));
        }
        tag_buffers = std::move(*made);
    }
    return std::shared_ptr<UblkQueue>(new UblkQueue(data, device, std::move(channel), config,
                                                    std::move(*reserve), std::move(tag_buffers)));
}

UblkQueue::UblkQueue(const DataThread& data, initiator::Device& device,
                     std::unique_ptr<UblkChannel> channel, const UblkQueueConfig& config,
                     std::unique_ptr<BufferArena> reserve, std::unique_ptr<BufferArena> tag_buffers)
    : BufferClient(std::move(reserve)), ring_(data.ring), buffers_(data.buffers), device_(device),
      channel_(std::move(channel)), config_(config), sector_bytes_(device.info().sector_bytes),
      tag_buffers_(std::move(tag_buffers)), tags_(std::make_unique<Tag[]>(config.depth)) {
    for (std::uint16_t i = 0; i < config_.depth; ++i) {
        Tag& tag = tags_[i];
        tag.owner = this;
        tag.queue = this;
        tag.index = i;
        tag.complete = [](initiator::RingOperation& self, int result, std::uint32_t) {
            auto& completed = static_cast<Tag&>(self);
            completed.queue->handle_command(completed, result);
        };
        if (tag_buffers_) {
            tag.own_buffer = tag_buffers_->allocate(config_.io_bytes_max);
            UAOE_ASSERT(!tag.own_buffer.empty());
        }
    }
}

void UblkQueue::start() {
    for (std::uint16_t i = 0; i < config_.depth; ++i) {
        send(tags_[i], config_.fetch_opcode, -1);
    }
}

void UblkQueue::handle_command(Tag& tag, int result) {
    --commands_count_;
    if (result != 0) {
        if (result != -ENODEV && refusal_.load() == 0) { // ENODEV: the device has been stopped
            refusal_.store(result);
        }
        tell();
    } else if (state_ == State::leaving) {
        ++kept_count_;
    } else if (state_ == State::failing) {
        answer(tag, -EIO);
    } else {
        begin(tag);
    }
}

void UblkQueue::begin(Tag& tag) {
    const UblkIo io =
        parse_descriptor(channel_->descriptor(tag.index), sector_bytes_, config_.io_bytes_max);
    if (io.error != 0) {
        answer(tag, io.error);
        return;
    }
    tag.operation = io.operation;
    tag.fua = io.fua;
    tag.lba = io.lba;
    tag.sectors = io.sectors;
    tag.buffer_bytes = io.buffer_bytes;
    if (io.buffer_bytes == 0) {
        submit(tag);
    } else if (!config_.user_copy) {
        tag.buffer = tag.own_buffer.first(io.buffer_bytes);
        submit(tag);
    } else {
        const bool first = waiting_.empty();
        waiting_.push_back(tag);
        if (first) { // else the pool has our wish already
            serve_waiting();
        }
    }
}

void UblkQueue::serve_waiting() {
    while (!waiting_.empty()) {
        const auto buffer = buffers_->allocate(*this, waiting_.front().buffer_bytes);
        if (buffer.empty()) {
            return; // handle_buffer() goes on
        }
        Tag& tag = waiting_.front();
        waiting_.pop_front();
        take_buffer(tag, buffer);
    }
}

void UblkQueue::handle_buffer(std::span<std::byte> buffer) {
    Tag& tag = waiting_.front();
    waiting_.pop_front();
    take_buffer(tag, buffer);
    serve_waiting();
}

void UblkQueue::take_buffer(Tag& tag, std::span<std::byte> buffer) {
    tag.buffer = buffer;
    if (tag.operation == Operation::write && !channel_->copy_from_kernel(tag.index, buffer)) {
        release_buffer(tag);
        answer(tag, -EIO);
        return;
    }
    submit(tag);
}

void UblkQueue::submit(Tag& tag) {
    ++device_count_;
    device_.submit(tag);
}

void UblkQueue::handle_completion(initiator::Request& request) {
    auto& tag = static_cast<Tag&>(request);
    UAOE_ASSERT(device_count_ > 0);
    if (state_ == State::leaving && tag.status == Status::cancelled) {
        release_buffer(tag);
        ++kept_count_;
    } else {
        std::int32_t result = ublk_result(tag.status, tag.operation, tag.buffer_bytes);
        if (config_.user_copy && tag.operation == Operation::read && result > 0 &&
            !channel_->copy_to_kernel(tag.index, tag.buffer)) {
            result = -EIO;
        }
        release_buffer(tag);
        answer(tag, result);
    }
    --device_count_;
    tell();
}

void UblkQueue::release_buffer(Tag& tag) {
    const auto buffer = std::exchange(tag.buffer, {});
    if (config_.user_copy && !buffer.empty()) {
        buffers_->release(*this, buffer);
    }
}

void UblkQueue::answer(Tag& tag, std::int32_t result) {
    send(tag, config_.commit_opcode, result);
}

void UblkQueue::send(Tag& tag, std::uint32_t opcode, std::int32_t result) {
    ++commands_count_;
    channel_->submit(ring_, tag, opcode,
                     {.queue_id = 0,
                      .tag = tag.index,
                      .result = result,
                      .address = reinterpret_cast<std::uintptr_t>(tag.own_buffer.data())});
}

void UblkQueue::fail() {
    state_ = State::failing;
    buffers_->forget(*this);
    while (!waiting_.empty()) {
        Tag& tag = waiting_.front();
        waiting_.pop_front();
        answer(tag, -EIO);
    }
    tell();
}

void UblkQueue::leave() {
    state_ = State::leaving;
    buffers_->forget(*this);
    while (!waiting_.empty()) {
        waiting_.pop_front();
        ++kept_count_;
    }
    tell();
}

// Costs the data path nothing: while a device serves, the first condition does not hold.
void UblkQueue::tell() {
    const bool answered = state_ == State::leaving && device_count_ == 0;
    if (!is_finished() && !answered) {
        return;
    }
    const std::lock_guard lock(mutex_);
    finished_ = is_finished();
    answered_ = answered;
    changed_.notify_all();
}

bool UblkQueue::wait_finished(std::chrono::milliseconds time_max) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time_max, [this] { return finished_; });
}

bool UblkQueue::wait_answered(std::chrono::milliseconds time_max) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, time_max, [this] { return answered_; });
}

} // namespace uaoe::blockdev
