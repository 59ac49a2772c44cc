// The end of a connection whose client will ask a successor: what leave() answers and what it does
// not; and who is told that a client has gone.
#include "nbd_connection_bench.hpp"

using namespace uaoe;
using namespace uaoe::test;

TEST_CASE("leave: an idle connection ends without a word") {
    Bench bench;
    auto client = bench.connect();
    bench.settle();
    bench.service->leave();
    bench.expect_end(client);
    CHECK(bench.service->wait_closed(std::chrono::milliseconds{0}));
}

TEST_CASE("leave: what is under way is answered, what is in the socket is not read") {
    Bench bench;
    auto client = bench.connect();
    bench.device.held = true;
    bench.send(client,
               RequestBytes{.type = write_type, .cookie = 1, .length = 512}.bytes(pattern(512)));
    bench.until([&] { return bench.device.waiting_count() == 1; });
    bench.service->leave();
    bench.settle();
    const auto late = RequestBytes{.type = flush_type, .cookie = 2}.bytes();
    std::span<const std::byte> rest = late;
    client.send_some(rest);
    CHECK(rest.empty());
    bench.settle();
    CHECK(bench.device.submitted_count == 1);
    CHECK(bench.service->connections_count() == 1);
    bench.device.complete_all();
    CHECK(bench.receive(client, 16) == simple_reply(0, 1));
    bench.expect_end(client);
    CHECK(bench.device.submitted_count == 1);
    CHECK(bench.service->wait_closed(std::chrono::milliseconds{0}));
}

TEST_CASE("leave: the payload of a write that has begun is read to its end, and no further") {
    Bench bench({.bytes = 4U << 20U});
    auto client = bench.connect();
    const auto data = pattern(1U << 20U);
    const auto bytes =
        join({RequestBytes{.type = write_type, .cookie = 1, .length = 1U << 20U}.bytes(data),
              RequestBytes{.type = flush_type, .cookie = 2}.bytes()});
    std::span<const std::byte> rest = bytes;
    client.send_some(rest); // as much as the socket takes
    REQUIRE(rest.size() > 1000);
    bench.loop.turn(std::chrono::milliseconds{1});
    bench.loop.turn(std::chrono::milliseconds{1});
    bench.service->leave();
    bench.until([&] {
        client.send_some(rest);
        client.receive_some();
        return client.ended;
    });
    CHECK(client.received == simple_reply(0, 1));
    CHECK(std::equal(data.begin(), data.end(), bench.device.data.begin()));
    CHECK(bench.device.submitted_count == 1);
}

TEST_CASE("leave: cancelled requests are not answered, others are, whatever their status") {
    Bench bench;
    auto client = bench.connect();
    bench.device.held = true;
    bench.send(client, RequestBytes{.type = read_type, .cookie = 1, .length = 512}.bytes());
    bench.until([&] { return bench.device.waiting_count() == 1; });
    bench.service->leave();
    bench.device.forced_status = initiator::Status::cancelled; // as after a detach
    bench.device.complete_all();
    bench.expect_end(client);

    Bench other;
    auto second = other.connect();
    other.device.held = true;
    other.send(second, RequestBytes{.type = read_type, .cookie = 1, .length = 512}.bytes());
    other.until([&] { return other.device.waiting_count() == 1; });
    other.service->leave();
    other.device.forced_status = initiator::Status::timed_out;
    other.device.complete_all();
    CHECK(other.receive(second, 16) == simple_reply(5, 1));
    other.expect_end(second);
}

TEST_CASE("leave: more requests than a connection may have in flight") {
    Bench bench;
    auto client = bench.connect();
    bench.device.held = true;
    ByteVector flushes;
    constexpr std::uint64_t count = blockdev::NbdConnection::requests_count_max + 4;
    for (std::uint64_t i = 0; i < count; ++i) {
        flushes = join({flushes, RequestBytes{.type = flush_type, .cookie = i}.bytes()});
    }
    bench.send(client, flushes);
    bench.until([&] {
        return bench.device.waiting_count() == blockdev::NbdConnection::requests_count_max;
    });
    bench.service->leave();
    bench.device.forced_status = initiator::Status::cancelled;
    bench.until([&] {
        bench.device.complete_all();
        client.receive_some();
        return client.ended;
    });
    CHECK(client.received.empty());
    CHECK(bench.device.submitted_count <= count);
}

TEST_CASE("leave: a connection that comes later is closed") {
    Bench bench;
    bench.service->leave();
    auto client = bench.connect();
    bench.expect_end(client);
    CHECK(bench.service->connections_count() == 0);
}

TEST_CASE("gone: told at once, with requests still under way, and once") {
    Bench bench;
    int gone_count = 0;
    bench.service->set_gone_handler([&] { ++gone_count; });
    auto client = bench.connect();
    bench.device.held = true;
    bench.send(client, RequestBytes{.type = flush_type, .cookie = 1}.bytes());
    bench.until([&] { return bench.device.waiting_count() == 1; });
    client.close();
    bench.until([&] { return gone_count == 1; });
    CHECK(bench.service->connections_count() == 1);
    bench.device.complete_all();
    bench.until([&] { return bench.service->connections_count() == 0; });
    CHECK(gone_count == 1);
}

TEST_CASE("gone: not told of an end that was asked for") {
    Bench bench;
    int gone_count = 0;
    bench.service->set_gone_handler([&] { ++gone_count; });
    auto first = bench.connect();
    auto second = bench.connect();
    bench.settle();
    bench.service->leave();
    bench.expect_end(first);
    bench.expect_end(second);
    CHECK(gone_count == 0);
}
