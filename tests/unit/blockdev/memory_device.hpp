// A device in RAM for tests of front ends: requests complete later, by a turn of the ring, and in
// an order the test chooses. Not a model of a target.
#pragma once

#include "initiator/device.hpp"
#include "initiator/linux/ring.hpp"
#include "proto/assert.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

namespace uaoe::test {

class MemoryDevice final : public initiator::Device {
  public:
    struct Options {
        std::uint64_t bytes = 1U << 20U;
        std::uint32_t sector_bytes = 512;
        bool read_only = false;
        bool can_flush = true;
        bool can_discard = true;
    };

    MemoryDevice(initiator::Ring& ring, const Options& options) : ring_(ring), data(options.bytes) {
        info_.address = {.shelf = 1, .slot = 0};
        info_.sector_bytes = options.sector_bytes;
        info_.sectors.value = options.bytes / options.sector_bytes;
        info_.read_only = options.read_only;
        info_.can_flush = options.can_flush;
        info_.can_discard = options.can_discard;
        turn_.device = this;
        turn_.complete = [](initiator::RingOperation& self, int, std::uint32_t) {
            auto& turn = static_cast<Turn&>(self);
            turn.pending = false;
            turn.device->complete_all();
        };
    }

    [[nodiscard]] const initiator::DeviceInfo& info() const override { return info_; }
    initiator::DeviceInfo& change_info() { return info_; }

    void submit(initiator::Request& request) override {
        waiting_.push_back(&request);
        ++submitted_count;
        if (request.fua) {
            ++fua_count;
        }
        if (!held && !turn_.pending) {
            turn_.pending = true;
            io_uring_prep_nop(&ring_.prepare(turn_));
        }
    }

    void complete_all() {
        std::deque<initiator::Request*> ready;
        ready.swap(waiting_);
        if (newest_first) {
            std::ranges::reverse(ready);
        }
        for (initiator::Request* request : ready) {
            request->status = forced_status ? *forced_status : perform(*request);
            request->owner->handle_completion(*request);
        }
    }
    [[nodiscard]] std::size_t waiting_count() const { return waiting_.size(); }

  private:
    struct Turn : initiator::RingOperation {
        MemoryDevice* device = nullptr;
        bool pending = false;
    };

    initiator::Status perform(initiator::Request& request) {
        using initiator::Operation;
        const std::size_t offset = request.lba.value * info_.sector_bytes;
        const std::size_t bytes = request.sectors.value * info_.sector_bytes;
        if (request.operation == Operation::flush) {
            return initiator::Status::ok;
        }
        UAOE_ASSERT(offset + bytes <= data.size()); // the front end has checked
        switch (request.operation) {
        case Operation::read:
            UAOE_ASSERT(request.buffer.size() == bytes);
            std::memcpy(request.buffer.data(), data.data() + offset, bytes);
            break;
        case Operation::write:
            UAOE_ASSERT(request.buffer.size() == bytes);
            std::memcpy(data.data() + offset, request.buffer.data(), bytes);
            break;
        default:
            std::memset(data.data() + offset, 0, bytes);
            break;
        }
        return initiator::Status::ok;
    }

    initiator::Ring& ring_;
    initiator::DeviceInfo info_;
    std::deque<initiator::Request*> waiting_;
    Turn turn_;

  public:
    std::vector<std::byte> data;
    std::size_t submitted_count = 0;
    std::size_t fua_count = 0;
    bool newest_first = false;
    bool held = false; // until complete_all() is called
    std::optional<initiator::Status> forced_status;
};

} // namespace uaoe::test
