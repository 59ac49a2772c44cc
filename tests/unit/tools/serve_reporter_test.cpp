// What `uaoe serve` says about its target, and how much of it.
#include "tools/serve_reporter.hpp"

#include "sample_target.hpp"

#include <doctest/doctest.h>

using namespace uaoe;
using namespace uaoe::tools;
using namespace std::chrono_literals;
using initiator::DeviceState;
using initiator::Event;
using initiator::EventKind;
using initiator::Time;

namespace {

struct Bench {
    std::vector<std::string> lines;
    ServeReporter reporter;

    explicit Bench(initiator::Duration fail_after)
        : reporter({7, 3}, fail_after, sample_interfaces(),
                   [this](const std::string& line) { lines.push_back(line); }) {}

    void device(Time now, DeviceState state) {
        reporter.handle(
            now, {.kind = EventKind::device_changed, .address = {7, 3}, .device_state = state});
    }
    void path(Time now) {
        reporter.handle(now, {.kind = EventKind::path_changed,
                              .address = {7, 3},
                              .port = {1},
                              .target_mac = {{2, 0, 0, 0, 1, 1}},
                              .path_state = initiator::PathState::suspect});
    }
};

} // namespace

TEST_CASE("silence and return") {
    Bench bench(180s);
    bench.device(Time{10s}, DeviceState::silent);
    bench.device(Time{13200ms}, DeviceState::up);
    CHECK(bench.lines ==
          std::vector<std::string>{"7.3: no path answers; requests wait (fail-after 180 s)",
                                   "7.3: answers again after 3.2 s"});
}

TEST_CASE("the time of silence counts from its beginning, also past fail-after") {
    Bench bench(5s);
    bench.device(Time{10s}, DeviceState::silent);
    bench.device(Time{15s}, DeviceState::down);
    bench.device(Time{40s}, DeviceState::up);
    REQUIRE(bench.lines.size() == 3);
    CHECK(bench.lines[1] == "7.3: silent for longer than fail-after (5 s); requests fail until it "
                            "answers again");
    CHECK(bench.lines[2] == "7.3: answers again after 30.0 s");
}

TEST_CASE("without fail-after nothing is said about it") {
    Bench bench(0s);
    bench.device(Time{10s}, DeviceState::silent);
    CHECK(bench.lines ==
          std::vector<std::string>{"7.3: no path answers; requests wait until it is back"});
}

TEST_CASE("a flapping path does not flood, and the LUN's own news still come") {
    Bench bench(180s);
    for (int i = 0; i < 1000; ++i) {
        bench.path(Time{5s});
    }
    CHECK(bench.lines.size() == 10);
    CHECK(bench.lines[0] == "7.3: path eth2 to 02:00:00:00:01:01 is suspect");
    bench.device(Time{5s}, DeviceState::silent);
    CHECK(bench.lines.size() == 11);
    bench.path(Time{7s});
    REQUIRE(bench.lines.size() == 13);
    CHECK(bench.lines[11] == "7.3: 990 more changes were not shown");
}

TEST_CASE("another target's events are not ours") {
    Bench bench(180s);
    bench.reporter.handle(Time{1s}, Event{.kind = EventKind::device_changed, .address = {7, 4}});
    CHECK(bench.lines.empty());
}
