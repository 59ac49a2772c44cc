// The payload buffers of an export: one mapping, cut into power-of-two blocks by a buddy
// allocator whose bookkeeping is fixed at start. Nothing here allocates after make(). One thread.
#pragma once

#include "initiator/linux/error.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace uaoe::blockdev {

class BufferArena {
  public:
    static constexpr std::size_t block_bytes_min = 4096;
    static constexpr std::size_t block_bytes_max = std::size_t{32} << 20U;

    // `bytes` is rounded up to whole blocks of `largest_block_bytes`, a power of two of
    // block_bytes_min..block_bytes_max. Address space only: pages are touched when blocks are first
    // used, lowest blocks first.
    static std::expected<std::unique_ptr<BufferArena>, Error>
    make(std::size_t bytes, std::size_t largest_block_bytes = block_bytes_max);
    ~BufferArena();
    BufferArena(const BufferArena&) = delete;
    BufferArena& operator=(const BufferArena&) = delete;

    // Gets the memory of the first `bytes` now, and locks it where that is allowed: who gets a
    // block of it later has no page fault. Best effort.
    void populate(std::size_t bytes);

    // `bytes`: 1..largest_block_bytes(). The span is exactly as long and starts on a page; it is
    // empty when there is no room. The contents are whatever was there.
    [[nodiscard]] std::span<std::byte> allocate(std::size_t bytes);
    // `buffer`: as it came from allocate().
    void release(std::span<std::byte> buffer);

    // What a buffer of `bytes` takes.
    [[nodiscard]] static std::size_t block_bytes(std::size_t bytes) {
        return std::bit_ceil(std::max(bytes, block_bytes_min));
    }
    // Whether `buffer` came from this arena.
    [[nodiscard]] bool owns(std::span<const std::byte> buffer) const {
        const std::less_equal<const std::byte*> at_most;
        return at_most(base_, buffer.data()) && !at_most(base_ + capacity_bytes_, buffer.data());
    }

    [[nodiscard]] std::size_t largest_block_bytes() const {
        return block_bytes_min << (orders_used_count_ - 1);
    }
    [[nodiscard]] std::size_t capacity_bytes() const { return capacity_bytes_; }
    [[nodiscard]] std::size_t free_bytes() const { return free_bytes_; } // in whole blocks

  private:
    static constexpr unsigned orders_count = 14; // 4 KiB << 0 .. 4 KiB << 13
    static_assert(block_bytes_min << (orders_count - 1) == block_bytes_max);
    static constexpr std::uint32_t none = ~0U;

    // Of the smallest block at the same place; meaningful where a block starts.
    struct Node {
        std::uint32_t next = none; // in the free list of its order
        std::uint32_t previous = none;
        std::uint8_t order = 0;
        bool starts_block = false;
        bool free = false;
    };

    BufferArena() = default;
    void push_free(std::uint32_t index, unsigned order);
    void unlink_free(std::uint32_t index);

    std::byte* base_ = nullptr;
    std::size_t capacity_bytes_ = 0;
    std::size_t free_bytes_ = 0;
    unsigned orders_used_count_ = orders_count;
    std::vector<Node> nodes_;
    std::array<std::uint32_t, orders_count> free_first_{};
};

} // namespace uaoe::blockdev
