// What is said of a LUN that is served.
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

const std::string interface = "eth2";

struct Bench {
    std::vector<LogLine> said;
    std::vector<std::string> lines;
    ServeReporter reporter;

    explicit Bench(initiator::Duration fail_after)
        : reporter({7, 3}, fail_after, [this](const LogLine& line) {
              said.push_back(line);
              lines.push_back(log_message(line));
          }) {}

    void device(Time now, DeviceState state) {
        reporter.handle(
            now, {.kind = EventKind::device_changed, .address = {7, 3}, .device_state = state},
            interface);
    }
    void path(initiator::PathState state) {
        reporter.handle(Time{5s}, event_of(EventKind::path_changed, state), interface);
    }
    static Event event_of(EventKind kind, initiator::PathState state = {}) {
        return {.kind = kind,
                .address = {7, 3},
                .port = {1},
                .target_mac = {{2, 0, 0, 0, 1, 1}},
                .path_state = state,
                .target_state = initiator::TargetState::reserved,
                .payload_bytes = 1024,
                .size_bytes = 4096};
    }
};

} // namespace

TEST_CASE("silence and return") {
    Bench bench(180s);
    bench.device(Time{10s}, DeviceState::silent);
    bench.device(Time{13200ms}, DeviceState::up);
    CHECK(bench.lines ==
          std::vector<std::string>{"7.3: no path answers; requests wait (fail-after 180 s)",
                                   "7.3: answers again after 3.2 s; requests go on"});
}

TEST_CASE("the time of silence counts from its beginning, also past fail-after") {
    Bench bench(5s);
    bench.device(Time{10s}, DeviceState::silent);
    bench.device(Time{15s}, DeviceState::down);
    bench.device(Time{40s}, DeviceState::up);
    REQUIRE(bench.lines.size() == 3);
    CHECK(bench.lines[1] == "7.3: silent for longer than fail-after (5 s); requests fail until it "
                            "answers again");
    CHECK(bench.lines[2] == "7.3: answers again after 30.0 s; requests go on");
}

TEST_CASE("without fail-after nothing is said about it") {
    Bench bench(0s);
    bench.device(Time{10s}, DeviceState::silent);
    CHECK(bench.lines ==
          std::vector<std::string>{"7.3: no path answers; requests wait until it is back"});
}

TEST_CASE("a path that changed: which, what is done about it, and the fields of a journal") {
    Bench bench(180s);
    for (const auto state : {initiator::PathState::suspect, initiator::PathState::down,
                             initiator::PathState::unverified, initiator::PathState::up,
                             initiator::PathState::conflict}) {
        bench.path(state);
    }
    CHECK(bench.lines ==
          std::vector<std::string>{
              "7.3: path eth2 to 02:00:00:00:01:01 is suspect: commands were not answered there; "
              "other paths take them, and it is asked until it answers",
              "7.3: path eth2 to 02:00:00:00:01:01 is down: eth2 is down or has no carrier; other "
              "paths take its commands, and it is used again once eth2 is up",
              "7.3: path eth2 to 02:00:00:00:01:01 is unverified; it is asked for its disk before "
              "it carries data",
              "7.3: path eth2 to 02:00:00:00:01:01 is up; it carries data"});
    CHECK(bench.said[1].level == LogLevel::warning);
    CHECK(bench.said[1].kind == LogKind::path);
    CHECK(bench.said[1].event == "path_down");
    CHECK(bench.said[1].interface == "eth2");
    CHECK(bench.said[1].target_mac == "02:00:00:00:01:01");
    CHECK(bench.said[3].level == LogLevel::info);
}

TEST_CASE("every line says which LUN, and what is done") {
    Bench bench(180s);
    for (const auto kind : {EventKind::identity_conflict, EventKind::target_changed,
                            EventKind::payload_changed, EventKind::capacity_changed}) {
        bench.reporter.handle(Time{5s}, Bench::event_of(kind), interface);
    }
    CHECK(bench.lines ==
          std::vector<std::string>{
              "7.3: CONFLICT: a different disk answers as 7.3 on path eth2 to 02:00:00:00:01:01; "
              "that path is not used; give one of the two another address",
              "7.3: the target is reserved; it is asked until it says what disk it has",
              "7.3: path eth2 to 02:00:00:00:01:01 carries frames with 1024 bytes of payload; "
              "commands are cut to that",
              "7.3: the disk has grown to 4096 bytes; its device is to follow"});
    CHECK(bench.said[1].interface.empty()); // is about no path
    bench.reporter.handle(Time{5s}, Bench::event_of(EventKind::target_found), interface);
    bench.reporter.handle(Time{5s}, Bench::event_of(EventKind::probe_answered), interface);
    CHECK(bench.lines.size() == 4);
}

TEST_CASE("another target's events are not ours") {
    Bench bench(180s);
    bench.reporter.handle(Time{1s}, Event{.kind = EventKind::device_changed, .address = {7, 4}},
                          interface);
    CHECK(bench.lines.empty());
}
