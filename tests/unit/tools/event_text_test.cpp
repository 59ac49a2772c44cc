// Events as JSON lines, and those as words.
#include "tools/event_text.hpp"

#include "sample_target.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace uaoe;
using namespace uaoe::tools;
using namespace std::chrono_literals;
using Json = nlohmann::json;

namespace {

constexpr WallTime moment{1'764'550'061'007ms};
constexpr const char* moment_text = "2025-12-01T00:47:41.007Z";

initiator::Event event_of(initiator::EventKind kind) {
    return {.kind = kind,
            .address = {7, 3},
            .port = {1},
            .target_mac = {{2, 0, 0, 0, 1, 1}},
            .path_state = initiator::PathState::down,
            .target_state = initiator::TargetState::reserved,
            .device_state = initiator::DeviceState::silent,
            .payload_bytes = 8704,
            .size_bytes = 1U << 30U};
}

Json json_of(const initiator::Event& event) {
    const std::string line = event_json(moment, event, sample_interfaces());
    CHECK(line.find('\n') == std::string::npos);
    return Json::parse(line);
}

std::string text_of(const initiator::Event& event) {
    return event_text(event_json(moment, event, sample_interfaces()));
}

} // namespace

TEST_CASE("a path that changed says which, and how") {
    auto event = event_of(initiator::EventKind::path_changed);
    CHECK(json_of(event) == Json{{"time", moment_text},
                                 {"event", "path_down"},
                                 {"address", "7.3"},
                                 {"interface", "eth2"},
                                 {"target_mac", "02:00:00:00:01:01"}});
    CHECK(text_of(event) ==
          std::string(moment_text) + " 7.3: path eth2 to 02:00:00:00:01:01 is down");
    event.path_state = initiator::PathState::up;
    CHECK(json_of(event)["event"] == "path_up");
    event.path_state = initiator::PathState::suspect;
    CHECK(json_of(event)["event"] == "path_suspect");
    event.path_state = initiator::PathState::conflict; // the conflict has an event of its own
    CHECK(event_json(moment, event, sample_interfaces()).empty());
    event.path_state = initiator::PathState::up;
    event.port = {7};
    CHECK(json_of(event)["interface"] == "");
}

TEST_CASE("what became of a target") {
    auto event = event_of(initiator::EventKind::device_changed);
    CHECK(json_of(event)["event"] == "target_lost");
    CHECK(text_of(event).ends_with(" 7.3: no path answers; requests wait"));
    event.device_state = initiator::DeviceState::down;
    CHECK(json_of(event)["event"] == "target_failed");
    event.device_state = initiator::DeviceState::up;
    CHECK(json_of(event) ==
          Json{{"time", moment_text}, {"event", "target_back"}, {"address", "7.3"}});
    CHECK(json_of(event_of(initiator::EventKind::target_changed))["state"] == "reserved");
    CHECK(json_of(event_of(initiator::EventKind::identity_conflict))["event"] == "conflict");
    const auto payload = event_of(initiator::EventKind::payload_changed);
    CHECK(json_of(payload)["payload_bytes"] == 8704);
    CHECK(text_of(payload).ends_with("carries frames with 8704 bytes of payload"));
    const auto capacity = event_of(initiator::EventKind::capacity_changed);
    CHECK(json_of(capacity)["size_bytes"] == 1U << 30U);
    CHECK(text_of(capacity).ends_with("7.3: the disk has grown to 1073741824 bytes"));
}

TEST_CASE("nobody follows what is not about an attached LUN") {
    for (const auto kind :
         {initiator::EventKind::target_found, initiator::EventKind::probe_answered}) {
        CHECK(event_json(moment, event_of(kind), sample_interfaces()).empty());
    }
}

TEST_CASE("attached, detached, and lines that were lost") {
    const Json attached = Json::parse(attached_json(moment, {1, 0}, "/dev/ublkb0", "ublk"));
    CHECK(attached["event"] == "attached");
    CHECK(attached["device"] == "/dev/ublkb0");
    CHECK(attached["frontend"] == "ublk");
    CHECK(event_text(detached_json(moment, {1, 0}, "/dev/ublkb0")) ==
          std::string(moment_text) + " 1.0: detached from /dev/ublkb0");
    CHECK(Json::parse(events_lost_json(moment, 12))["lost_count"] == 12);
    CHECK(event_text(events_lost_json(moment, 12)).find("12 events were lost") !=
          std::string::npos);
}

TEST_CASE("lines that make no sense do no harm") {
    for (const char* line : {"", "7", "[]", "{}", R"({"event":7})", "{", "\x1b[2J",
                             R"({"event":"\u001b[2J","address":"\u001b[2J"})"}) {
        CHECK(event_text(line).find('\x1b') == std::string::npos);
    }
}
