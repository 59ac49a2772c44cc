// The screen of `uaoe top`, to the letter.
#include "tools/top_view.hpp"

#include "tools/json_text.hpp"

#include "sample_target.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

using namespace uaoe;
using namespace uaoe::tools;
using namespace std::chrono_literals;

namespace {

TopLun lun_of(std::uint16_t shelf, std::uint8_t slot, std::uint64_t times) {
    TopLun lun{.address = {shelf, slot},
               .state = "up",
               .read_bytes = times * 100 * 1048576,
               .write_bytes = times * 512,
               .requests = times * 25'600,
               .errors = times,
               .pending = 16,
               .latency = {},
               .paths = {{.interface = "eth1",
                          .target_mac = "02:00:00:00:01:00",
                          .state = "up",
                          .sent = times * 20'000,
                          .retransmitted = times * 10,
                          .srtt_us = 154,
                          .in_flight = 7,
                          .cwnd = 16},
                         {.interface = "enp129s0f0np0.7",
                          .target_mac = "02:00:00:00:01:01",
                          .state = "unverified"}}};
    for (std::uint64_t i = 0; i < times * 99; ++i) {
        lun.latency.add(100us);
    }
    for (std::uint64_t i = 0; i < times; ++i) {
        lun.latency.add(20ms);
    }
    return lun;
}

TopSample sample(std::uint64_t times) {
    TopLun waiting{.address = {65534, 254}, .state = "attaching", .latency = {}, .paths = {}};
    return {.uptime_us = times * 2'000'000,
            .frames_dropped = times * 3,
            .luns = {lun_of(1, 0, times), waiting}};
}

} // namespace

TEST_CASE("one LUN at work and one that waits, with their paths, in 80 columns") {
    CHECK(top_text(sample(1), sample(2), {.with_paths = true, .note = "12:34:56"}) ==
          "2 LUNs, 1 not up; 2 paths, 1 not up                                     12:34:56\n"
          "read 50.0M/s, write 256/s, 12.8k IOPS; 1 failed, 0.05% resent, 3 dropped\n"
          "\n"
          "LUN       STATE       READ/s  WRITE/s    IOPS     P50     P99 QUEUE RESENT PATHS\n"
          "  INTERFACE       TARGET MAC        STATE      SENT/s RESENT    SRTT IN FLIGHT\n"
          "1.0       up           50.0M      256   12.8k   104us   112us    16  0.05%   1/2\n"
          "  eth1            02:00:00:00:01:00 up          10.0k  0.05%   154us      7/16\n"
          "  enp129s0f0np0.7 02:00:00:00:01:01 unverified      0      0       -       0/0\n"
          "65534.254 attaching        0        0       0       -       -     0      0     -\n");
}

TEST_CASE("200 LUNs: what fits, a page at a time, each once, the busiest first") {
    TopSample before{.uptime_us = 0, .luns = {}};
    TopSample now{.uptime_us = 1'000'000, .luns = {}};
    for (std::uint8_t i = 0; i < 200; ++i) {
        before.luns.push_back({.address = {1, i}, .state = "up", .latency = {}, .paths = {}});
        now.luns.push_back({.address = {1, i},
                            .state = "up",
                            .read_bytes = i * 1000ULL,
                            .latency = {},
                            .paths = {}});
    }
    TopLayout layout{.columns = 80, .rows = 24, .by_address = false};
    std::vector<std::string> seen;
    for (std::size_t page = 0; page < 11; ++page) {
        layout.page = page;
        const auto lines = lines_of(top_text(before, now, layout));
        REQUIRE(lines.size() <= 24);
        for (const std::string& line : lines) {
            REQUIRE(line.size() <= 80);
        }
        CHECK(lines.back() == "page " + std::to_string(page + 1) + " of 11; space: the next");
        for (std::size_t i = 4; i + 1 < lines.size(); ++i) {
            seen.push_back(lines[i].substr(0, lines[i].find(' ')));
        }
    }
    REQUIRE(seen.size() == 200);
    CHECK(seen.front() == "1.199");
    CHECK(seen.back() == "1.0");
    std::ranges::sort(seen);
    CHECK(std::ranges::unique(seen).empty());
    layout.page = 11; // begins anew
    CHECK(lines_of(top_text(before, now, layout))[4].starts_with("1.199 "));
    CHECK(lines_of(top_text(before, now, {.rows = 0})).size() == 204);
    CHECK(lines_of(top_text(before, now, {.rows = 0}))[4].starts_with("1.0 "));
    const TopLayout one{.address = proto::Address{1, 7}};
    CHECK(lines_of(top_text(before, now, one)).size() == 5);
}

TEST_CASE("a screen that is too small shows what it can") {
    for (std::size_t rows = 1; rows < 8; ++rows) {
        for (const std::size_t columns : {1U, 20U, 79U}) {
            const TopLayout layout{.columns = columns, .rows = rows, .with_paths = true};
            const auto lines = lines_of(top_text(sample(1), sample(2), layout));
            CHECK(lines.size() <= rows);
            CHECK(std::ranges::all_of(
                lines, [&](const std::string& line) { return line.size() <= columns; }));
        }
    }
}

TEST_CASE("a daemon that was started anew counts from zero") {
    TopSample before = sample(5);
    const auto lines = lines_of(top_text(before, sample(1), {}));
    CHECK(lines[1].starts_with("read 50.0M/s, write 256/s, 12.8k IOPS; 1 failed"));
    CHECK(lines[4].find("104us") != std::string::npos);
}

TEST_CASE("samples are what the daemon's status says") {
    ShowStatus show = sample_status();
    show.device.operations[0] = {.requests = 5, .bytes = 4096, .errors = 1};
    show.device.operations[0].latency.add(5us);
    show.device.operations[1] = {.requests = 2, .bytes = 512, .errors = 0};
    show.device.operations[1].latency.add(1000s);
    show.device.requests_pending = 9;
    show.target.paths[0].sent = 11;
    show.target.paths[0].retransmitted = 3;
    DaemonStatus status{
        .luns = {{.entry = {}, .show = show}, {.entry = {}, .show = {}}},
        .shards = {{.counters = {},
                    .targets_count = 1,
                    .ports = {{.interface = "a", .frames = {.frames_dropped = 4}},
                              {.interface = "b", .frames = {.frames_dropped = 2}}}}},
        .interfaces = sample_interfaces(),
        .uptime = 5ms};
    status.luns[1].entry.address = {8, 0};
    status.luns[1].entry.state = "waiting";
    const auto parsed = parse_top_sample(status_json(status));
    REQUIRE(parsed.has_value());
    CHECK(parsed->uptime_us == 5000);
    CHECK(parsed->frames_dropped == 6);
    REQUIRE(parsed->luns.size() == 2);
    const TopLun& lun = parsed->luns[0];
    CHECK(lun.address == proto::Address{7, 3});
    CHECK(lun.requests == 7);
    CHECK(lun.errors == 1);
    CHECK(lun.read_bytes == 4096);
    CHECK(lun.write_bytes == 512);
    CHECK(lun.pending == 9);
    CHECK(lun.latency.counts()[4] == 1);
    CHECK(lun.latency.counts().back() == 1);
    REQUIRE(lun.paths.size() == 2);
    CHECK(lun.paths[0].interface == "eth1");
    CHECK(lun.paths[0].retransmitted == 3);
    CHECK(lun.paths[0].srtt_us == 150);
    CHECK(parsed->luns[1].state == "waiting");
}

TEST_CASE("a status that makes no sense is none, or does no harm") {
    for (const char* json : {"", "7", "[]", "{}", R"({"luns":7})", "{"}) {
        CHECK_FALSE(parse_top_sample(json).has_value());
    }
    for (const char* json :
         {R"({"luns":[7,{},{"address":7},{"address":"1.0","requests":7,"paths":7}]})",
          R"({"luns":[{"address":"1.0","requests":{"read":7},"paths":[7]}],"shards":[7]})",
          R"({"luns":[{"address":"1.0","requests":{"read":{"latency_buckets":[7,{}]}}}]})"}) {
        const auto sample = parse_top_sample(json);
        REQUIRE(sample.has_value());
        static_cast<void>(top_text({}, *sample, {.with_paths = true}));
    }
}
