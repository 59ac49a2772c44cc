// The arena against a model, and the queue in front of it.
#include "blockdev/buffer_pool.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <random>
#include <vector>

using namespace uaoe;
using blockdev::BufferArena;
using blockdev::BufferPool;

namespace {

std::unique_ptr<BufferArena> make_arena(std::size_t bytes) {
    auto arena = BufferArena::make(bytes);
    REQUIRE(arena.has_value());
    return std::move(*arena);
}

struct Waiter final : blockdev::BufferWaiter {
    std::span<std::byte> buffer;
    int calls_count = 0;
    void handle_buffer(std::span<std::byte> given) override {
        buffer = given;
        ++calls_count;
    }
};

} // namespace

TEST_CASE("arena: buffers never overlap, keep their bytes and coalesce when all are back") {
    const auto arena = make_arena(BufferArena::block_bytes_max * 2);
    std::mt19937 random(7);
    std::map<std::byte*, std::span<std::byte>> live; // by address
    std::vector<std::span<std::byte>> order;
    const auto pick = [&](std::size_t below) {
        return std::uniform_int_distribution<std::size_t>(0, below - 1)(random);
    };
    std::size_t full_count = 0;
    for (int step = 0; step < 40'000; ++step) {
        if (pick(2) == 0 || order.empty()) {
            const std::size_t bytes = (std::size_t{1} << pick(26)) - pick(2);
            if (bytes == 0) {
                continue;
            }
            const auto buffer = arena->allocate(bytes);
            if (buffer.empty()) {
                ++full_count;
                CHECK(arena->free_bytes() < arena->capacity_bytes());
                continue;
            }
            REQUIRE(buffer.size() == bytes);
            const auto next = live.lower_bound(buffer.data());
            REQUIRE((next == live.end() || buffer.data() + bytes <= next->first));
            if (next != live.begin()) {
                const auto before = std::prev(next)->second;
                REQUIRE(before.data() + before.size() <= buffer.data());
            }
            // The ends are marked, so that a buffer handed out twice shows.
            std::memcpy(buffer.data(), &step, std::min(sizeof(step), bytes));
            buffer.back() = static_cast<std::byte>(bytes);
            live[buffer.data()] = buffer;
            order.push_back(buffer);
        } else {
            const std::size_t index = pick(order.size());
            const auto buffer = order[index];
            REQUIRE(buffer.back() == static_cast<std::byte>(buffer.size()));
            order[index] = order.back();
            order.pop_back();
            live.erase(buffer.data());
            arena->release(buffer);
        }
    }
    CHECK(full_count > 0);
    for (const auto buffer : order) {
        arena->release(buffer);
    }
    CHECK(arena->free_bytes() == arena->capacity_bytes());
    const auto first = arena->allocate(BufferArena::block_bytes_max);
    const auto second = arena->allocate(BufferArena::block_bytes_max);
    CHECK(!first.empty());
    CHECK(!second.empty());
    CHECK(arena->allocate(1).empty());
    arena->release(second);
    arena->release(first);
}

TEST_CASE("arena: every block size divides the whole capacity") {
    const auto arena = make_arena(1);
    CHECK(arena->capacity_bytes() == BufferArena::block_bytes_max);
    for (std::size_t bytes = BufferArena::block_bytes_min; bytes <= arena->capacity_bytes();
         bytes *= 2) {
        std::vector<std::span<std::byte>> buffers;
        for (auto buffer = arena->allocate(bytes); !buffer.empty();
             buffer = arena->allocate(bytes)) {
            buffers.push_back(buffer);
        }
        CHECK(buffers.size() == arena->capacity_bytes() / bytes);
        CHECK(arena->free_bytes() == 0);
        for (const auto buffer : buffers) {
            arena->release(buffer);
        }
        CHECK(arena->free_bytes() == arena->capacity_bytes());
    }
}

TEST_CASE("pool: a large request is not overtaken by small ones") {
    BufferPool pool(make_arena(1));
    Waiter unused;
    const auto held = pool.allocate(unused, 4096);
    REQUIRE(!held.empty());
    Waiter large;
    Waiter small;
    CHECK(pool.allocate(large, BufferArena::block_bytes_max).empty());
    CHECK(pool.allocate(small, 4096).empty()); // there would be room
    pool.release(held);
    CHECK(large.buffer.size() == BufferArena::block_bytes_max);
    CHECK(small.calls_count == 0);
    pool.release(large.buffer);
    CHECK(small.calls_count == 1);
    CHECK(large.calls_count == 1);
    pool.release(small.buffer);
    CHECK(pool.arena().free_bytes() == pool.arena().capacity_bytes());
}

TEST_CASE("pool: who gives up waiting lets the next one through") {
    BufferPool pool(make_arena(1));
    Waiter unused;
    const auto held = pool.allocate(unused, 4096);
    Waiter large;
    Waiter small;
    CHECK(pool.allocate(large, BufferArena::block_bytes_max).empty());
    CHECK(pool.allocate(small, 8192).empty());
    pool.forget(large);
    CHECK(large.calls_count == 0);
    CHECK(small.buffer.size() == 8192);
    pool.forget(small); // does not wait: nothing happens
    pool.release(small.buffer);
    pool.release(held);
}
