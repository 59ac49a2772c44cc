// The stream: many requests, clients that die, stall or talk nonsense, and the end.
#include "nbd_connection_bench.hpp"

#include <map>

using namespace uaoe;
using namespace uaoe::test;

TEST_CASE("connection: requests that arrive together are answered in the device's order") {
    Bench bench;
    auto client = bench.connect();
    bench.device.held = true;
    bench.device.newest_first = true;
    ByteVector burst;
    for (std::uint64_t i = 0; i < 16; ++i) {
        bench.device.data[i * 512] = static_cast<std::byte>(i);
        burst = join({burst, RequestBytes{.cookie = i, .offset = i * 512, .length = 512}.bytes()});
    }
    bench.send(client, burst);
    bench.until([&] { return bench.device.waiting_count() == 16; });
    bench.device.complete_all();
    for (std::uint64_t i = 16; i-- > 0;) {
        const auto reply = bench.receive(client, 16 + 512);
        CHECK(ByteVector(reply.begin(), reply.begin() + 16) == simple_reply(0, i));
        CHECK(reply[16] == static_cast<std::byte>(i));
    }
}

TEST_CASE("connection: the stream may be cut anywhere") {
    Bench bench;
    auto client = bench.connect();
    const auto first = pattern(1024, 1);
    const auto second = pattern(512, 2);
    const auto bytes = join(
        {RequestBytes{.type = write_type, .cookie = 1, .length = 1024}.bytes(first),
         RequestBytes{.type = write_type, .cookie = 2, .offset = 1, .length = 512}.bytes(second),
         RequestBytes{.type = write_type, .cookie = 3, .offset = 4096, .length = 512}.bytes(second),
         RequestBytes{.type = flush_type, .cookie = 4}.bytes()});
    for (const std::size_t step : {1UL, 7UL, 27UL, 29UL, 500UL, 1051UL, 1053UL}) {
        std::ranges::fill(bench.device.data, std::byte{0});
        for (std::size_t at = 0; at < bytes.size(); at += step) {
            const auto end = std::min(at + step, bytes.size());
            bench.send(client, ByteVector(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                                          bytes.begin() + static_cast<std::ptrdiff_t>(end)));
            bench.loop.turn(initiator::Duration::zero());
        }
        std::map<unsigned, unsigned> errors; // by cookie; a refusal may overtake
        for (int i = 0; i < 4; ++i) {
            const auto reply = bench.receive(client, 16);
            errors[std::to_integer<unsigned>(reply[15])] = std::to_integer<unsigned>(reply[7]);
        }
        CHECK(errors == std::map<unsigned, unsigned>{{1, 0}, {2, 22}, {3, 0}, {4, 0}});
        CHECK(std::equal(first.begin(), first.end(), bench.device.data.begin()));
        CHECK(std::equal(second.begin(), second.end(), bench.device.data.begin() + 4096));
    }
}

TEST_CASE("connection: 32 MiB at once, both ways") {
    Bench bench({.bytes = 64U << 20U});
    auto client = bench.connect();
    const std::uint64_t length = 32U << 20U;
    const auto data = pattern(length);
    CHECK(bench.ask(client, {.type = write_type, .cookie = 1, .offset = length, .length = length},
                    data) == simple_reply(0, 1));
    const auto reply =
        bench.ask(client, {.type = read_type, .cookie = 2, .offset = length, .length = length}, {},
                  16 + length);
    CHECK(std::equal(data.begin(), data.end(), reply.begin() + 16));
}

TEST_CASE("connection: DISC finishes what is under way and then closes") {
    Bench bench;
    auto client = bench.connect();
    bench.device.held = true;
    bench.send(
        client,
        join({RequestBytes{.type = write_type, .cookie = 1, .length = 512}.bytes(pattern(512)),
              RequestBytes{.type = disconnect_type}.bytes(),
              RequestBytes{.type = flush_type, .cookie = 2}.bytes()}));
    bench.until([&] { return bench.device.waiting_count() == 1; });
    bench.settle();
    client.receive_some();
    CHECK_FALSE(client.ended);
    bench.device.complete_all();
    CHECK(bench.receive(client, 16) == simple_reply(0, 1));
    bench.expect_end(client);
    CHECK(bench.device.submitted_count == 1);
}

TEST_CASE("connection: a client that dies in the middle of a write") {
    Bench bench;
    auto client = bench.connect();
    bench.device.held = true;
    bench.send(client, RequestBytes{.cookie = 1, .length = 512}.bytes());
    bench.send(client,
               RequestBytes{.type = write_type, .cookie = 2, .length = 1024}.bytes(pattern(1000)));
    bench.until([&] { return bench.device.waiting_count() == 1; });
    client.close();
    bench.settle();
    CHECK(bench.service->connections_count() == 1); // the device holds a buffer
    bench.device.complete_all();
    bench.until([&] { return bench.service->connections_count() == 0; });
    CHECK(bench.device.submitted_count == 1);
    CHECK(bench.device.data[0] == std::byte{0});
}

TEST_CASE("connection: garbage closes it, after what was right is answered") {
    Bench bench;
    auto client = bench.connect();
    bench.send(client, join({RequestBytes{.type = flush_type, .cookie = 1}.bytes(),
                             text("GET / HTTP/1.1\r\nHost: example\r\n\r\n")}));
    CHECK(bench.receive(client, 16) == simple_reply(0, 1));
    bench.expect_end(client);
}

TEST_CASE("connection: a client that does not read holds up itself only") {
    Bench bench({.bytes = 4U << 20U}, 64U << 20U);
    auto slow = bench.connect();
    auto other = bench.connect();
    std::span<const std::byte> rest;
    ByteVector reads;
    for (std::uint64_t i = 0; i < 400; ++i) {
        reads = join({reads, RequestBytes{.cookie = i, .length = 65536}.bytes()});
    }
    rest = reads;
    for (int i = 0; i < 50; ++i) {
        slow.send_some(rest);
        bench.loop.turn(std::chrono::milliseconds{1});
    }
    // Bounded: the socket's room and the requests one connection may have.
    constexpr std::size_t room =
        2 * std::size_t{blockdev::send_buffer_bytes} / 65536; // the kernel doubles it
    CHECK(bench.device.submitted_count <= blockdev::NbdConnection::requests_count_max + room);
    CHECK(bench.ask(other, {.cookie = 5, .length = 65536}, {}, 16 + 65536).size() == 65552);
    bench.until([&] {
        slow.send_some(rest);
        slow.receive_some();
        return slow.received.size() == std::size_t{400} * (16 + 65536);
    });
    CHECK(bench.device.submitted_count == 401);
}

TEST_CASE("connection: many small requests do not hold up a large one") {
    Bench bench({.bytes = 64U << 20U}); // one buffer of 32 MiB
    auto many = bench.connect();
    auto large = bench.connect();
    bench.device.held = true;
    bench.send(many, RequestBytes{.cookie = 1, .length = 4096}.bytes());
    bench.until([&] { return bench.device.waiting_count() == 1; });
    bench.send(large, RequestBytes{.cookie = 2, .length = 32U << 20U}.bytes());
    bench.until([&] { return bench.device.waiting_count() == 2; });
    bench.send(many, RequestBytes{.cookie = 3, .length = 4096}.bytes());
    bench.until([&] { return bench.device.waiting_count() == 3; });
    bench.device.held = false;
    bench.device.complete_all();
    CHECK(bench.receive(many, 16 + 4096).size() == 16 + 4096);
    const std::size_t large_bytes = 16 + (32U << 20U);
    CHECK(bench.receive(large, large_bytes).size() == large_bytes);
    CHECK(bench.receive(many, 16 + 4096).size() == 16 + 4096);
}

namespace {

constexpr std::size_t export_buffer_bytes = 96U << 20U; // as NbdServerConfig has it
constexpr std::uint64_t mebibyte = 1U << 20U;

ByteVector reads(unsigned count, std::uint64_t length) {
    ByteVector bytes;
    for (unsigned i = 0; i < count; ++i) {
        bytes = join({bytes, RequestBytes{.cookie = i, .length = length}.bytes()});
    }
    return bytes;
}

// Several requests at once and one of the largest: none of them waits for a stopped client.
void check_served(Bench& bench) {
    auto other = bench.connect();
    CHECK(bench.ask(other, {.cookie = 5, .length = 4096}, {}, 16 + 4096).size() == 16 + 4096);
    bench.send(other, reads(64, 4096));
    CHECK(bench.receive(other, std::size_t{64} * (16 + 4096)).size() > 0);
    CHECK(bench.ask(other, {.cookie = 6, .length = 32 * mebibyte}, {}, 16 + 32 * mebibyte).size() >
          0);
}

} // namespace

TEST_CASE("connection: the largest reads that nobody takes hold up their client only") {
    Bench bench({.bytes = 32 * mebibyte}, export_buffer_bytes);
    auto stopped = bench.connect();
    bench.send(stopped, reads(4, 32 * mebibyte));
    bench.settle();
    check_served(bench);
    // And all of them are answered once they are taken.
    CHECK(bench.receive(stopped, 4 * (16 + 32 * mebibyte)).size() > 0);
}

TEST_CASE("connection: the largest writes that are announced and do not come hold nobody up") {
    Bench bench({.bytes = 32 * mebibyte}, export_buffer_bytes);
    std::vector<Client> stopped;
    for (int i = 0; i < 3; ++i) {
        stopped.push_back(bench.connect());
        bench.send(stopped.back(),
                   RequestBytes{.type = write_type, .length = 32 * mebibyte}.bytes());
    }
    bench.settle();
    check_served(bench);
}

TEST_CASE("connection: eight clients with 64 reads each that do not take them hold nobody up") {
    Bench bench({.bytes = 32 * mebibyte}, export_buffer_bytes);
    std::vector<Client> stopped;
    for (int i = 0; i < 8; ++i) {
        stopped.push_back(bench.connect());
        bench.send(stopped.back(), reads(64, mebibyte / 4));
        bench.settle();
    }
    check_served(bench);
    for (Client& client : stopped) {
        CHECK(bench.receive(client, std::size_t{64} * (16 + mebibyte / 4)).size() > 0);
    }
}

TEST_CASE("connection: one busy client has all its requests in flight") {
    for (const auto& [count, length] :
         {std::pair{64U, mebibyte / 4}, std::pair{64U, mebibyte}, std::pair{3U, 32 * mebibyte}}) {
        Bench bench({.bytes = 32 * mebibyte}, export_buffer_bytes);
        auto client = bench.connect();
        bench.device.held = true;
        bench.send(client, reads(count, length));
        bench.until([&] { return bench.device.waiting_count() == count; });
        bench.device.held = false;
        bench.device.complete_all();
        CHECK(bench.receive(client, count * (16 + length)).size() > 0);
    }
}

TEST_CASE("connection: many clients, each with many writes") {
    Bench bench({.bytes = 8U << 20U});
    bench.device.newest_first = true;
    std::vector<Client> clients;
    for (unsigned c = 0; c < 40; ++c) {
        clients.push_back(bench.connect(c % 2 == 1));
    }
    for (unsigned c = 0; c < clients.size(); ++c) {
        for (std::uint64_t i = 0; i < 20; ++i) {
            const auto offset = (c * 20 + i) * 4096;
            bench.send(
                clients[c],
                RequestBytes{.type = write_type, .cookie = i, .offset = offset, .length = 4096}
                    .bytes(pattern(4096, static_cast<unsigned>(offset))));
        }
    }
    for (unsigned c = 0; c < clients.size(); ++c) {
        CHECK(bench.receive(clients[c], 20 * (c % 2 == 1 ? 20 : 16)).size() > 0);
    }
    for (unsigned block = 0; block < 800; ++block) {
        const auto expected = pattern(4096, block * 4096);
        REQUIRE(
            std::equal(expected.begin(), expected.end(), bench.device.data.begin() + block * 4096));
    }
}

TEST_CASE("connection: closing the service answers what is under way, refuses the rest, and ends") {
    Bench bench;
    auto idle = bench.connect();
    auto busy = bench.connect();
    bench.device.held = true;
    bench.send(busy,
               RequestBytes{.type = write_type, .cookie = 1, .length = 512}.bytes(pattern(512)));
    bench.until([&] { return bench.device.waiting_count() == 1; });
    // In the socket when close() comes:
    const auto late =
        RequestBytes{.type = write_type, .cookie = 2, .length = 512}.bytes(pattern(512));
    std::span<const std::byte> rest = late;
    busy.send_some(rest);
    REQUIRE(rest.empty());
    bench.service->close();
    bench.expect_end(idle);
    CHECK(bench.receive(busy, 16) == simple_reply(108, 2));
    CHECK_FALSE(bench.service->wait_closed(std::chrono::milliseconds{0}));
    bench.device.forced_status = initiator::Status::cancelled; // as after a detach
    bench.device.complete_all();
    CHECK(bench.receive(busy, 16) == simple_reply(108, 1));
    bench.expect_end(busy);
    CHECK(bench.service->wait_closed(std::chrono::milliseconds{0}));
    CHECK(bench.device.submitted_count == 1);
}

TEST_CASE("connection: cutting ends a client that does not read") {
    Bench bench({.bytes = 4U << 20U});
    auto slow = bench.connect();
    for (std::uint64_t i = 0; i < 16; ++i) { // more than fit into the socket
        bench.send(slow, RequestBytes{.cookie = i, .length = 1U << 20U}.bytes());
    }
    bench.settle();
    bench.service->close();
    bench.settle();
    CHECK(bench.service->connections_count() == 1);
    bench.service->cut();
    bench.until([&] { return bench.service->connections_count() == 0; });
}
