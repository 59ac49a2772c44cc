// A buddy allocator. Blocks are named by the index of their first 4 KiB.
#include "blockdev/buffer_arena.hpp"

#include "proto/assert.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>

namespace uaoe::blockdev {

namespace {

constexpr int madvise_populate_write = 23; // MADV_POPULATE_WRITE, by number for older headers

unsigned order_for(std::size_t bytes) {
    const std::size_t units =
        (bytes + BufferArena::block_bytes_min - 1) / BufferArena::block_bytes_min;
    return static_cast<unsigned>(std::bit_width(units - 1));
}

} // namespace

std::expected<std::unique_ptr<BufferArena>, Error>
BufferArena::make(std::size_t bytes, std::size_t largest_block_bytes) {
    UAOE_ASSERT(std::has_single_bit(largest_block_bytes) &&
                largest_block_bytes >= block_bytes_min && largest_block_bytes <= block_bytes_max);
    const std::size_t roots =
        std::max<std::size_t>(1, (bytes + largest_block_bytes - 1) / largest_block_bytes);
    std::unique_ptr<BufferArena> arena(new BufferArena);
    const std::size_t capacity_bytes = roots * largest_block_bytes;
    arena->orders_used_count_ = order_for(largest_block_bytes) + 1;
    void* base = mmap(nullptr, capacity_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        return std::unexpected(Error{
            .what = "cannot reserve " + std::to_string(capacity_bytes >> 20U) + " MiB of buffers",
            .why = std::strerror(errno),
            .what_to_do = "check `ulimit -v` and the memory limit of the "
                          "service"});
    }
    // Fewer page faults and TLB misses; only advice.
    madvise(base, capacity_bytes, MADV_HUGEPAGE);
    arena->base_ = static_cast<std::byte*>(base);
    arena->capacity_bytes_ = capacity_bytes;
    arena->nodes_.resize(capacity_bytes / block_bytes_min);
    arena->free_first_.fill(none);
    const std::size_t units_per_root = largest_block_bytes / block_bytes_min;
    for (std::size_t root = roots; root-- > 0;) { // so that the lowest is first in the list
        arena->push_free(static_cast<std::uint32_t>(root * units_per_root),
                         arena->orders_used_count_ - 1);
    }
    arena->free_bytes_ = capacity_bytes;
    return arena;
}

BufferArena::~BufferArena() {
    if (base_ != nullptr) {
        munmap(base_, capacity_bytes_);
    }
}

void BufferArena::populate(std::size_t bytes) {
    bytes = std::min(bytes, capacity_bytes_);
    if (madvise(base_, bytes, madvise_populate_write) != 0) { // before Linux 5.14
        for (std::size_t offset = 0; offset < bytes; offset += block_bytes_min) {
            auto* const byte = static_cast<volatile std::byte*>(base_ + offset);
            *byte = *byte; // it may be in use
        }
    }
    mlock(base_, bytes);
}

void BufferArena::push_free(std::uint32_t index, unsigned order) {
    const std::uint32_t next = free_first_[order];
    nodes_[index] = {.next = next,
                     .previous = none,
                     .order = static_cast<std::uint8_t>(order),
                     .starts_block = true,
                     .free = true};
    if (next != none) {
        nodes_[next].previous = index;
    }
    free_first_[order] = index;
}

void BufferArena::unlink_free(std::uint32_t index) {
    Node& node = nodes_[index];
    if (node.next != none) {
        nodes_[node.next].previous = node.previous;
    }
    if (node.previous != none) {
        nodes_[node.previous].next = node.next;
    } else {
        free_first_[node.order] = node.next;
    }
    node.free = false;
}

std::span<std::byte> BufferArena::allocate(std::size_t bytes) {
    UAOE_ASSERT(bytes > 0 && bytes <= largest_block_bytes());
    const unsigned wanted = order_for(bytes);
    unsigned order = wanted;
    while (order < orders_used_count_ && free_first_[order] == none) {
        ++order;
    }
    if (order == orders_used_count_) {
        return {};
    }
    const std::uint32_t index = free_first_[order];
    unlink_free(index);
    while (order > wanted) { // the upper half goes back, the lower is cut on
        --order;
        push_free(index + (1U << order), order);
    }
    nodes_[index].order = static_cast<std::uint8_t>(wanted);
    free_bytes_ -= block_bytes_min << wanted;
    return {base_ + (index * block_bytes_min), bytes};
}

void BufferArena::release(std::span<std::byte> buffer) {
    UAOE_ASSERT(buffer.data() >= base_ && buffer.data() < base_ + capacity_bytes_);
    const auto offset_bytes = static_cast<std::size_t>(buffer.data() - base_);
    UAOE_ASSERT(offset_bytes % block_bytes_min == 0);
    auto index = static_cast<std::uint32_t>(offset_bytes / block_bytes_min);
    UAOE_ASSERT(nodes_[index].starts_block && !nodes_[index].free);
    unsigned order = nodes_[index].order;
    UAOE_ASSERT(order == order_for(buffer.size()));
    free_bytes_ += block_bytes_min << order;
    while (order + 1 < orders_used_count_) {
        const std::uint32_t buddy = index ^ (1U << order);
        if (!nodes_[buddy].starts_block || !nodes_[buddy].free || nodes_[buddy].order != order) {
            break;
        }
        unlink_free(buddy);
        nodes_[std::max(index, buddy)].starts_block = false;
        index = std::min(index, buddy);
        ++order;
    }
    push_free(index, order);
}

} // namespace uaoe::blockdev
