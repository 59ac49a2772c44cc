// The arena against a model, and the pool of clients with shares.
#include "blockdev/buffer_pool.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <sys/mman.h>
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

struct Client final : blockdev::BufferClient {
    Client() : BufferClient(make_arena(1)) {}
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

TEST_CASE("arena: may be small, and its memory there beforehand") {
    auto arena = BufferArena::make(3U << 20U, 1U << 20U);
    REQUIRE(arena.has_value());
    CHECK((*arena)->capacity_bytes() == 3U << 20U);
    CHECK((*arena)->largest_block_bytes() == 1U << 20U);
    const auto first = (*arena)->allocate(1U << 20U);
    REQUIRE(first.size() == 1U << 20U);
    first[5000] = std::byte{9};
    (*arena)->populate(100U << 20U); // all there is; what is in use stays as it is
    CHECK(first[5000] == std::byte{9});
    std::vector<unsigned char> resident(256);
    const auto second = (*arena)->allocate(1U << 20U);
    REQUIRE(mincore(second.data(), second.size(), resident.data()) == 0);
    CHECK(std::ranges::all_of(resident, [](unsigned char page) { return (page & 1U) != 0; }));
    const auto third = (*arena)->allocate(4097);
    CHECK(!third.empty());
    CHECK((*arena)->allocate(1U << 20U).empty());
    (*arena)->release(third);
    (*arena)->release(second);
    (*arena)->release(first);
    CHECK((*arena)->free_bytes() == 3U << 20U);
}

TEST_CASE("pool: what is larger than a block of the shared arena comes from the reserve") {
    auto arena = BufferArena::make(4U << 20U, 1U << 20U);
    REQUIRE(arena.has_value());
    BufferPool pool(std::move(*arena));
    Client client;
    const auto buffer = pool.allocate(client, 2U << 20U);
    CHECK(buffer.size() == 2U << 20U);
    CHECK(pool.arena().free_bytes() == 4U << 20U);
    pool.release(client, buffer);
}

TEST_CASE("pool: a client that holds nothing never waits, whatever the others hold") {
    constexpr std::size_t largest = BufferArena::block_bytes_max;
    BufferPool pool(make_arena(3 * largest));
    std::vector<std::unique_ptr<Client>> greedy;
    std::vector<std::pair<Client*, std::span<std::byte>>> held;
    for (int i = 0; i < 8; ++i) {
        greedy.push_back(std::make_unique<Client>());
        for (std::size_t bytes : {largest, std::size_t{5000}}) {
            while (true) {
                const auto buffer = pool.allocate(*greedy.back(), bytes);
                if (buffer.empty()) {
                    pool.forget(*greedy.back());
                    break;
                }
                held.emplace_back(greedy.back().get(), buffer);
            }
        }
    }
    Client other;
    const auto large = pool.allocate(other, largest);
    CHECK(large.size() == largest);
    const auto small = pool.allocate(other, 4096); // of what no share may take
    CHECK(small.size() == 4096);
    pool.release(other, large);
    pool.release(other, small);
    for (const auto& [client, buffer] : held) {
        pool.release(*client, buffer);
    }
    CHECK(pool.arena().free_bytes() == pool.arena().capacity_bytes());
}

TEST_CASE("pool: who waits is served by its own buffers, and is in nobody's way") {
    BufferPool pool(make_arena(1));
    Client large;
    Client small;
    const auto held = pool.allocate(large, BufferArena::block_bytes_max); // its reserve
    REQUIRE(!held.empty());
    CHECK(pool.allocate(large, BufferArena::block_bytes_max).empty());
    const auto passed = pool.allocate(small, 4096);
    CHECK(passed.size() == 4096);
    pool.release(small, passed);
    CHECK(large.calls_count == 0);
    pool.release(large, held);
    CHECK(large.calls_count == 1);
    CHECK(large.buffer.size() == BufferArena::block_bytes_max);
    pool.release(large, large.buffer);
}

TEST_CASE("pool: who gives up waiting gets nothing") {
    BufferPool pool(make_arena(1));
    Client client;
    const auto held = pool.allocate(client, BufferArena::block_bytes_max);
    CHECK(pool.allocate(client, BufferArena::block_bytes_max).empty());
    pool.forget(client);
    pool.forget(client); // does not wait: nothing happens
    pool.release(client, held);
    CHECK(client.calls_count == 0);
}
