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
    (*reserve)->populate(block_bytes); // a last resort has to be there
    auto sink = BufferArena::make(block_bytes, block_bytes);
    if (!sink) {
        return std::unexpected(std::move(sink.error()));
    }
    return std::shared_ptr<UblkQueue>(new UblkQueue(data, device, std::move(channel), config,
                                                    std::move(*reserve), std::move(*sink)));
}

UblkQueue::UblkQueue(const DataThread& data, initiator::Device& device,
                     std::unique_ptr<UblkChannel> channel, const UblkQueueConfig& config,
                     std::unique_ptr<BufferArena> reserve, std::unique_ptr<BufferArena> sink)
    : BufferClient(std::move(reserve)), ring_(data.ring), buffers_(data.buffers), device_(device),
      channel_(std::move(channel)), config_(config), sector_bytes_(device.info().sector_bytes),
      sink_(std::move(sink)), sink_bytes_(sink_->allocate(config.io_bytes_max)),
      tags_(std::make_unique<Tag[]>(config.depth)) {
    UAOE_ASSERT(!sink_bytes_.empty());
    for (std::uint16_t i = 0; i < config_.depth; ++i) {
        Tag& tag = tags_[i];
        tag.owner = this;
        tag.queue = this;
        tag.index = i;
        tag.complete = [](initiator::RingOperation& self, int result, std::uint32_t) {
            auto& completed = static_cast<Tag&>(self);
            completed.queue->handle_command(completed, result);
        };
    }
    handed_over = [](RingHandover& self) {
        auto& queue = static_cast<UblkQueue&>(self);
        while (!queue.answered_reads_.empty()) {
            queue.release_buffer(queue.answered_reads_.front());
        }
        queue.tell();
    };
    is_urgent = [](const RingHandover& self) {
        return static_cast<const UblkQueue&>(self).buffers_->has_waiters();
    };
}

void UblkQueue::start() {
    for (std::uint16_t i = 0; i < config_.depth; ++i) {
        send(tags_[i], config_.fetch_opcode, -1, nullptr);
    }
}

void UblkQueue::handle_command(Tag& tag, int result) {
    --commands_count_;
    if (tag.is_linked()) { // an answered read that a full ring handed over before its time
        release_buffer(tag);
    }
    const bool had_asked = std::exchange(tag.getting_data, false);
    getting_count_ -= had_asked ? 1 : 0;
    tag.wants_data = result == ublk::result_get_data;
    const std::int32_t error = std::exchange(tag.error, 0);
    if (result < 0) {
        if (result != -ENODEV && refusal_.load() == 0) { // ENODEV: the device has been stopped
            refusal_.store(result);
        }
        release_buffer(tag);
        tell();
    } else if (state_ == State::leaving) {
        release_buffer(tag);
        ++kept_count_;
        tell();
    } else if (error != 0) {
        answer(tag, error);
    } else if (state_ == State::failing) {
        refuse(tag, -EIO);
    } else if (had_asked) {
        submit_write(tag);
    } else {
        begin(tag);
    }
}

// False: it has been refused.
bool UblkQueue::parse(Tag& tag) {
    const UblkIo io =
        parse_descriptor(channel_->descriptor(tag.index), sector_bytes_, config_.io_bytes_max);
    if (io.error != 0) {
        refuse(tag, io.error);
        return false;
    }
    tag.operation = io.operation;
    tag.fua = io.fua;
    tag.lba = io.lba;
    tag.sectors = io.sectors;
    tag.buffer_bytes = io.buffer_bytes;
    return true;
}

void UblkQueue::begin(Tag& tag) {
    if (!parse(tag)) {
        return;
    }
    if (tag.buffer_bytes == 0) {
        submit(tag);
        return;
    }
    const bool first = waiting_.empty();
    waiting_.push_back(tag);
    if (first) { // else the pool has our wish already
        serve_waiting();
    }
}

void UblkQueue::serve_waiting() {
    while (!waiting_.empty()) {
        const auto buffer = buffers_->allocate(*this, waiting_.front().buffer_bytes);
        if (buffer.empty()) {
            return; // handle_buffer() goes on
        }
        take_buffer(buffer);
    }
}

void UblkQueue::handle_buffer(std::span<std::byte> buffer) {
    take_buffer(buffer);
    serve_waiting();
}

// For the first that waits.
void UblkQueue::take_buffer(std::span<std::byte> buffer) {
    Tag& tag = waiting_.front();
    waiting_.pop_front();
    tag.held = buffer;
    tag.buffer = buffer;
    if (tag.wants_data) {
        get_data(tag, buffer);
    } else {
        submit(tag);
    }
}

// Short of memory, the kernel copies less and says so; it comes back with the rest.
void UblkQueue::submit_write(Tag& tag) {
    if (!parse(tag)) {
        return;
    }
    if (tag.operation != Operation::write || tag.buffer_bytes > tag.held.size()) {
        refuse(tag, -EIO); // not what was asked for
        return;
    }
    tag.buffer = tag.held.first(tag.buffer_bytes);
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
        answer(tag, ublk_result(tag.status, tag.operation, tag.buffer_bytes));
    }
    --device_count_;
    tell();
}

void UblkQueue::release_buffer(Tag& tag) {
    if (tag.is_linked()) {
        answered_reads_.erase(answered_reads_.iterator_to(tag));
    }
    tag.buffer = {};
    if (const auto held = std::exchange(tag.held, {}); !held.empty()) {
        buffers_->release(*this, held);
    }
}

void UblkQueue::get_data(Tag& tag, std::span<std::byte> into) {
    tag.getting_data = true;
    ++getting_count_;
    send(tag, config_.get_data_opcode, -1, into.data());
}

// A request that the device does not get.
void UblkQueue::refuse(Tag& tag, std::int32_t error) {
    if (tag.wants_data) {
        tag.error = error;
        get_data(tag, sink_bytes_);
    } else {
        answer(tag, error);
    }
}

void UblkQueue::answer(Tag& tag, std::int32_t result) {
    const bool is_read = !tag.held.empty() && tag.operation == Operation::read;
    // The kernel wants an address for each read, also for one that has failed; of others it takes
    // any.
    send(tag, config_.commit_opcode, result, is_read ? tag.held.data() : sink_bytes_.data());
    if (is_read && result > 0) {
        if (!RingHandover::is_linked()) {
            ring_.tell_handover(*this);
        }
        answered_reads_.push_back(tag);
    } else {
        release_buffer(tag);
    }
}

void UblkQueue::send(Tag& tag, std::uint32_t opcode, std::int32_t result,
                     const std::byte* address) {
    ++commands_count_;
    channel_->submit(ring_, tag, opcode,
                     {.queue_id = 0,
                      .tag = tag.index,
                      .result = result,
                      .address = reinterpret_cast<std::uintptr_t>(address)});
}

void UblkQueue::fail() {
    state_ = State::failing;
    buffers_->forget(*this);
    while (!waiting_.empty()) {
        Tag& tag = waiting_.front();
        waiting_.pop_front();
        refuse(tag, -EIO);
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
