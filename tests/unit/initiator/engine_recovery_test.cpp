// Loss that is seen before a timeout: by what overtakes, and by the tail probe.
#include "engine_bench.hpp"

using namespace uaoe;
using namespace uaoe::initiator;
using namespace uaoe::initiator::test;

namespace {

// A device whose path has a round trip of 100 us, and a window that is open.
struct Warm {
    explicit Warm(std::uint16_t buffer_count = 16) : device(bench.attach({}, buffer_count)) {
        for (int i = 0; i < 40; ++i) {
            Io io(bench, Operation::read, 0, 2 * buffer_count);
            bench.engine.submit(bench.now, device, io.request);
            for (auto sent = bench.take_sent(); !sent.empty(); sent = bench.take_sent()) {
                bench.now += 100us;
                for (const SentFrame& frame : sent) {
                    bench.serve(frame);
                }
            }
            REQUIRE(bench.completed_with(io.request, Status::ok));
        }
    }
    // One that ends at once; kept, because the bench forgets a device of which a request is gone.
    Io& submit_read(std::uint64_t lba) {
        Io& io = *reads.emplace_back(std::make_unique<Io>(bench, Operation::read, lba, 1));
        bench.engine.submit(bench.now, device, io.request);
        return io;
    }
    [[nodiscard]] PathStatus path() const { return bench.engine.target(lun)->paths.at(0); }

    Bench bench;
    DeviceIndex device;
    std::vector<std::unique_ptr<Io>> reads;
};

} // namespace

TEST_CASE("a command that others overtake is sent again a quarter of a round trip later") {
    Warm warm;
    Bench& bench = warm.bench;
    const std::uint32_t cwnd = warm.path().cwnd;
    Io io(bench, Operation::write, 0, 16, 3);
    bench.engine.submit(bench.now, warm.device, io.request);
    const auto sent = bench.take_sent();
    REQUIRE(sent.size() == 8);
    bench.now += 100us;
    for (std::size_t i = 1; i < sent.size(); ++i) { // the first is lost
        bench.serve(sent[i]);
    }
    CHECK(bench.take_sent().empty());
    bench.advance(24us);
    CHECK(bench.take_sent().empty());
    bench.advance(2us);
    const auto again = bench.take_sent();
    REQUIRE(again.size() == 1);
    CHECK(again[0].ata.lba.value == 0);
    bench.now += 100us;
    bench.serve(again[0]);
    CHECK(bench.completed_with(io.request, Status::ok));
    CHECK(warm.path().retransmitted == 1);
    CHECK(warm.path().cwnd == cwnd); // one loss, and no queue: no congestion
}

TEST_CASE("the last command of a burst is probed for after two round trips") {
    Warm warm;
    Bench& bench = warm.bench;
    Io io(bench, Operation::read, 8, 8);
    bench.engine.submit(bench.now, warm.device, io.request);
    const auto sent = bench.take_sent();
    REQUIRE(sent.size() == 4);
    bench.now += 100us;
    bench.serve(sent[0]); // the rest is lost
    bench.advance(450us);
    CHECK(bench.take_sent().empty());
    bench.advance(100us); // 500 us is the least
    const auto probe = bench.take_sent();
    REQUIRE(probe.size() == 1);
    CHECK(probe[0].ata.lba.value == 14); // the newest
    bench.now += 100us;
    bench.serve(probe[0]);
    bench.advance(50us);
    const auto again = bench.take_sent(); // those that its answer overtook
    REQUIRE(again.size() == 2);
    CHECK(again[0].ata.lba.value == 10);
    CHECK(again[1].ata.lba.value == 12);
    for (const SentFrame& frame : again) {
        bench.serve(frame);
    }
    CHECK(bench.completed_with(io.request, Status::ok));
}

TEST_CASE("two tail probes, then the timeout") {
    Warm warm;
    Bench& bench = warm.bench;
    Io io(bench, Operation::read, 8, 1);
    bench.engine.submit(bench.now, warm.device, io.request);
    REQUIRE(bench.take_sent().size() == 1);
    std::size_t copies = 0;
    for (int i = 0; i < 200; ++i) {
        bench.advance(100us);
        copies += bench.take_sent().size();
    }
    CHECK(copies == 2);
    for (int i = 0; i < 30; ++i) { // 20 ms after the second
        bench.advance(100us);
        copies += bench.take_sent().size();
    }
    CHECK(copies == 3);
    bench.serve_all();
}

TEST_CASE("a FLUSH is not lost because what came after it is answered") {
    Warm warm;
    Bench& bench = warm.bench;
    Io flush(bench, Operation::flush, 0, 0);
    bench.engine.submit(bench.now, warm.device, flush.request);
    const auto sent = bench.take_sent();
    REQUIRE(sent.size() == 1);
    for (int i = 0; i < 100; ++i) {
        const Io& io = warm.submit_read(0);
        for (const SentFrame& frame : bench.take_sent()) {
            CHECK_FALSE(frame.is(proto::AtaCommand::flush_cache_ext));
            bench.serve(frame);
        }
        CHECK(bench.completed_with(io.request, Status::ok));
        bench.advance(1ms);
    }
    bench.serve(sent[0]);
    CHECK(bench.completed_with(flush.request, Status::ok));
    CHECK(warm.path().retransmitted == 0);
}

TEST_CASE("a target that answers out of order teaches the path to wait, and a wrong decrease is "
          "taken back") {
    Warm warm;
    Bench& bench = warm.bench;
    const std::uint32_t cwnd = warm.path().cwnd;
    std::uint64_t retransmitted = 0;
    for (int round = 0; round < 20; ++round) {
        Io io(bench, Operation::read, 0, 16);
        bench.engine.submit(bench.now, warm.device, io.request);
        const auto sent = bench.take_sent();
        REQUIRE(sent.size() == 8);
        bench.advance(100us);
        for (std::size_t i = 1; i < sent.size(); ++i) {
            bench.serve(sent[i]);
        }
        bench.advance(50us);
        bench.take_sent();    // a second copy, if it is thought lost
        bench.advance(350us); // a seek
        bench.serve(sent[0]);
        bench.serve_all();
        CHECK(bench.completed_with(io.request, Status::ok));
        if (round == 1) {
            retransmitted = warm.path().retransmitted;
        }
    }
    CHECK(retransmitted >= 1);
    CHECK(warm.path().retransmitted == retransmitted); // it had learned by then
    CHECK(warm.path().spurious == retransmitted);
    CHECK(warm.path().cwnd == cwnd);
}

TEST_CASE("a command that is overtaken without end is not sent each round trip") {
    Warm warm;
    Bench& bench = warm.bench;
    Io stuck(bench, Operation::read, 3000, 1);
    bench.engine.submit(bench.now, warm.device, stuck.request);
    std::size_t copies = 0;
    for (int i = 0; i < 10'000; ++i) { // for a second
        const Io& io = warm.submit_read(0);
        const auto sent = bench.take_sent();
        bench.advance(100us);
        for (const SentFrame& frame : sent) {
            if (frame.ata.lba.value == 3000) {
                ++copies;
            } else {
                bench.serve(frame);
            }
        }
        CHECK(bench.completed_with(io.request, Status::ok));
    }
    CHECK(copies >= 6);
    CHECK(copies <= 30);
}

TEST_CASE("a slow path gets what it can carry, and no more of what waits") {
    Bench bench({.discover_interval = 0s}, 1500, 2);
    const DeviceIndex device = bench.attach({}, 16);
    bench.config_answer(target_mac_b, 16, {1});
    bench.serve_all();
    std::array<std::size_t, 2> carried{};
    struct Due {
        Time at;
        SentFrame frame;
    };
    std::array<std::deque<Due>, 2> due;
    std::array<Time, 2> free_at{};
    for (int i = 0; i < 400; ++i) {
        Io io(bench, Operation::read, 0, 16); // eight frames
        bench.engine.submit(bench.now, device, io.request);
        const auto accept = [&] {
            for (const SentFrame& frame : bench.take_sent()) {
                const std::size_t port = frame.port.value;
                const Duration service = port == 0 ? 50us : 200us;
                free_at[port] = std::max(free_at[port], bench.now) + service;
                due[port].push_back({free_at[port], frame});
            }
        };
        accept();
        while (!bench.completed_with(io.request, Status::ok)) {
            auto& queue =
                due[1].empty() || (!due[0].empty() && due[0].front().at <= due[1].front().at)
                    ? due[0]
                    : due[1];
            REQUIRE_FALSE(queue.empty());
            bench.advance(std::max(queue.front().at - bench.now, Duration{}));
            carried[queue.front().frame.port.value] += i >= 100 ? 1 : 0;
            bench.serve(queue.front().frame);
            queue.pop_front();
            accept();
        }
    }
    // Four to one is fair; all on the fast one is not much slower.
    CHECK(carried[0] >= 3 * carried[1]);
    CHECK(carried[1] > 0);
}
