// What the model target's program does to frames on their way: the dice, and the frames that wait.
#pragma once

#include "proto/wire.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace uaoe::target {

struct Faults {
    std::uint32_t delay_us = 0; // every command is held so long
    double loss_percent = 0;    // each direction on its own
    double duplicate_percent = 0;
    double reorder_percent = 0; // held for reorder_delay_us more
    std::uint32_t reorder_delay_us = 300;
    std::uint32_t payload_limit_bytes = 0; // larger Ethernet payloads vanish; 0: none
    std::uint64_t seed = 1;

    [[nodiscard]] bool any() const {
        return delay_us > 0 || loss_percent > 0 || duplicate_percent > 0 || reorder_percent > 0 ||
               payload_limit_bytes > 0;
    }
};

// xorshift64*: one seed, one sequence.
class Dice {
  public:
    explicit Dice(std::uint64_t seed) : state_(seed * 0x9e37'79b9'7f4a'7c15ULL | 1U) {}

    bool falls(double percent) {
        if (percent <= 0) {
            return false;
        }
        state_ ^= state_ >> 12U;
        state_ ^= state_ << 25U;
        state_ ^= state_ >> 27U;
        const std::uint64_t drawn = (state_ * 0x2545'f491'4f6c'dd1dULL) >> 11U; // 53 bits
        return static_cast<double>(drawn) * 0x1p-53 * 100.0 < percent;
    }

  private:
    std::uint64_t state_;
};

// Frames that wait for their time, in copies of their own; never more than a fixed number.
class HeldFrames {
  public:
    static constexpr std::uint32_t no_lun = 0xffff'ffff;

    struct Entry {
        std::uint64_t due_ns = 0;
        std::uint64_t sequence = 0; // equal times keep their order
        std::uint32_t slot_index = 0;
        std::uint32_t bytes = 0;
        std::uint32_t lun_index = no_lun; // whose buffer a request fills; no_lun: nobody's
        std::uint16_t port_index = 0;
        bool is_request = false;
        std::uint8_t copies_count = 1;
    };

    // Slots get their memory when they are first used.
    HeldFrames(std::size_t memory_bytes, std::size_t frame_bytes_max)
        : frame_bytes_max_(frame_bytes_max),
          slots_(std::max<std::size_t>(memory_bytes / frame_bytes_max, 1)) {
        heap_.reserve(slots_.size());
        free_.reserve(slots_.size());
        for (std::size_t i = slots_.size(); i > 0; --i) {
            free_.push_back(static_cast<std::uint32_t>(i - 1));
        }
    }

    // False: no room, the frame is lost. The frame is `head` and `tail` together.
    bool hold(Entry entry, proto::ConstBytes head, proto::ConstBytes tail = {}) {
        if (free_.empty() || head.size() + tail.size() > frame_bytes_max_) {
            return false;
        }
        entry.slot_index = free_.back();
        free_.pop_back();
        auto& slot = slots_[entry.slot_index];
        if (!slot) {
            slot = std::make_unique_for_overwrite<std::byte[]>(frame_bytes_max_);
        }
        std::ranges::copy(head, slot.get());
        std::ranges::copy(tail, slot.get() + head.size());
        entry.bytes = static_cast<std::uint32_t>(head.size() + tail.size());
        entry.sequence = next_sequence_++;
        heap_.push_back(entry);
        std::ranges::push_heap(heap_, is_later);
        return true;
    }

    [[nodiscard]] std::optional<std::uint64_t> next_due_ns() const {
        return heap_.empty() ? std::nullopt : std::optional(heap_.front().due_ns);
    }

    // The first entry leaves the queue; its bytes stay until done().
    Entry take() {
        const Entry entry = heap_.front();
        std::ranges::pop_heap(heap_, is_later);
        heap_.pop_back();
        return entry;
    }
    [[nodiscard]] proto::ConstBytes bytes(const Entry& entry) const {
        return {slots_[entry.slot_index].get(), entry.bytes};
    }
    void done(const Entry& entry) { free_.push_back(entry.slot_index); }

  private:
    static bool is_later(const Entry& a, const Entry& b) {
        return a.due_ns != b.due_ns ? a.due_ns > b.due_ns : a.sequence > b.sequence;
    }

    std::size_t frame_bytes_max_;
    std::vector<std::unique_ptr<std::byte[]>> slots_;
    std::vector<std::uint32_t> free_;
    std::vector<Entry> heap_;
    std::uint64_t next_sequence_ = 0;
};

} // namespace uaoe::target
