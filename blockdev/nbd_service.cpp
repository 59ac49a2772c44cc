// Life and end of the connections of an export.
#include "blockdev/nbd_service.hpp"

#include "proto/assert.hpp"

#include <algorithm>
#include <unistd.h>
#include <utility>

namespace uaoe::blockdev {

namespace {

std::unique_ptr<BufferArena> make_reserve() {
    auto reserve = BufferArena::make(BufferArena::block_bytes_max);
    return reserve ? std::move(*reserve) : nullptr;
}

} // namespace

std::shared_ptr<NbdService> NbdService::make(initiator::Ring& ring, NbdExport nbd_export,
                                             std::shared_ptr<BufferPool> buffers) {
    return std::shared_ptr<NbdService>(
        new NbdService(ring, std::move(nbd_export), std::move(buffers)));
}

NbdService::NbdService(initiator::Ring& ring, NbdExport nbd_export,
                       std::shared_ptr<BufferPool> buffers)
    : ring_(ring), export_(std::move(nbd_export)), buffers_(std::move(buffers)) {}

NbdService::~NbdService() {
    UAOE_ASSERT(connections_.empty());
}

void NbdService::add(int fd, bool structured_replies) {
    auto reserve = closing_ ? nullptr : make_reserve();
    if (!reserve) { // no address space is left: as if there were too many clients
        ::close(fd);
        --connections_count_;
        tell_when_closed();
        return;
    }
    self_ = shared_from_this();
    connections_.push_back(std::make_unique<NbdConnection>(
        ring_, *buffers_, std::move(reserve), export_, static_cast<NbdConnectionOwner&>(*this), fd,
        structured_replies));
    connections_.back()->start();
}

void NbdService::handle_input_ended(NbdConnection& /*connection*/) {
    if (!closing_ && handle_gone_) {
        handle_gone_();
    }
}

void NbdService::handle_closed(NbdConnection& connection) {
    std::erase_if(connections_,
                  [&](const auto& candidate) { return candidate.get() == &connection; });
    --connections_count_;
    if (connections_.empty()) {
        const std::shared_ptr<NbdService> keep = std::exchange(self_, nullptr);
        tell_when_closed();
    }
}

void NbdService::close() {
    closing_ = true;
    for (const auto& connection : connections_) { // they end later, never in close()
        connection->close();
    }
    tell_when_closed();
}

void NbdService::leave() {
    closing_ = true;
    for (const auto& connection : connections_) {
        connection->leave();
    }
    tell_when_closed();
}

void NbdService::cut() {
    for (const auto& connection : connections_) {
        connection->cut();
    }
}

void NbdService::tell_when_closed() {
    if (!closing_ || !connections_.empty()) {
        return;
    }
    const std::lock_guard lock(mutex_);
    closed_ = true;
    closed_condition_.notify_all();
}

bool NbdService::wait_closed(std::chrono::milliseconds time_max) {
    std::unique_lock lock(mutex_);
    return closed_condition_.wait_for(lock, time_max, [this] { return closed_; });
}

} // namespace uaoe::blockdev
