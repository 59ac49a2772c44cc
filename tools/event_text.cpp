// Events to JSON, and JSON to words.
#include "tools/event_text.hpp"

#include "tools/json_fields.hpp"
#include "tools/text.hpp"

#include <ctime>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace uaoe::tools {

namespace {

using Json = nlohmann::ordered_json;

std::string text_of_time(WallTime time) {
    const auto ms = std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch());
    const auto seconds = std::chrono::floor<std::chrono::seconds>(ms);
    const std::time_t whole = seconds.count();
    std::tm utc{};
    gmtime_r(&whole, &utc);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                       utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                       (ms - seconds).count());
}

std::string line_of(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json begin(WallTime time, std::string_view event, proto::Address address) {
    return {{"time", text_of_time(time)}, {"event", event}, {"address", proto::to_string(address)}};
}

std::string_view device_event(initiator::DeviceState state) {
    switch (state) {
    case initiator::DeviceState::up:
        return "target_back";
    case initiator::DeviceState::silent:
        return "target_lost";
    case initiator::DeviceState::down:
        break;
    }
    return "target_failed";
}

Json json_of(WallTime time, const initiator::Event& event, std::span<const Interface> interfaces) {
    const std::string name = event_name(event);
    if (name.empty()) {
        return {};
    }
    Json json = begin(time, name, event.address);
    if (is_about_path(event)) {
        json["interface"] = event.port.value < interfaces.size() ? interfaces[event.port.value].name
                                                                 : std::string();
        json["target_mac"] = proto::to_string(event.target_mac);
    }
    if (event.kind == initiator::EventKind::payload_changed) {
        json["payload_bytes"] = event.payload_bytes;
    } else if (event.kind == initiator::EventKind::capacity_changed) {
        json["size_bytes"] = event.size_bytes;
    } else if (event.kind == initiator::EventKind::target_changed) {
        json["state"] = target_state_text(event.target_state);
    }
    return json;
}

std::string words_of(const Json& json, const std::string& event) {
    const std::string path =
        "path " + text_field(json, "interface", "?") + " to " + text_field(json, "target_mac", "?");
    if (event == "target_lost") {
        return "no path answers; requests wait";
    }
    if (event == "target_failed") {
        return "silent for longer than fail-after; requests fail until it answers again";
    }
    if (event == "target_back") {
        return "answers again";
    }
    if (event == "target_changed") {
        return "the target is " + text_field(json, "state", "?");
    }
    if (event == "conflict") {
        return "CONFLICT: a different disk answers on " + path + "; that path is not used";
    }
    if (event == "payload_changed") {
        return fmt::format("{} carries frames with {} bytes of payload", path,
                           number_field(json, "payload_bytes"));
    }
    if (event == "capacity_changed") {
        return fmt::format("the disk has grown to {} bytes", number_field(json, "size_bytes"));
    }
    if (event == "attached") {
        return "attached as " + text_field(json, "device", "?");
    }
    if (event == "detached") {
        return "detached from " + text_field(json, "device", "?");
    }
    constexpr std::string_view path_prefix = "path_";
    return event.starts_with(path_prefix) ? path + " is " + event.substr(path_prefix.size())
                                          : event;
}

} // namespace

std::string event_name(const initiator::Event& event) {
    switch (event.kind) {
    case initiator::EventKind::path_changed:
        return event.path_state == initiator::PathState::conflict
                   ? std::string() // identity_conflict says it
                   : fmt::format("path_{}", path_state_text(event.path_state));
    case initiator::EventKind::identity_conflict:
        return "conflict";
    case initiator::EventKind::payload_changed:
        return "payload_changed";
    case initiator::EventKind::capacity_changed:
        return "capacity_changed";
    case initiator::EventKind::device_changed:
        return std::string(device_event(event.device_state));
    case initiator::EventKind::target_changed:
        return "target_changed";
    case initiator::EventKind::target_found:
    case initiator::EventKind::probe_answered:
        break;
    }
    return {};
}

bool is_about_path(const initiator::Event& event) {
    return event.kind == initiator::EventKind::path_changed ||
           event.kind == initiator::EventKind::identity_conflict ||
           event.kind == initiator::EventKind::payload_changed;
}

std::string event_json(WallTime time, const initiator::Event& event,
                       std::span<const Interface> interfaces) {
    const Json json = json_of(time, event, interfaces);
    return json.is_null() ? std::string() : line_of(json);
}

std::string attached_json(WallTime time, proto::Address address, std::string_view device,
                          std::string_view front_end) {
    Json json = begin(time, "attached", address);
    json["device"] = device;
    json["frontend"] = front_end;
    return line_of(json);
}

std::string detached_json(WallTime time, proto::Address address, std::string_view device) {
    Json json = begin(time, "detached", address);
    json["device"] = device;
    return line_of(json);
}

std::string events_lost_json(WallTime time, std::uint64_t count) {
    return line_of({{"time", text_of_time(time)}, {"event", "events_lost"}, {"lost_count", count}});
}

std::string event_text(std::string_view json) {
    const Json event = Json::parse(json, nullptr, false);
    if (!event.is_object()) {
        return visible_text(json);
    }
    const std::string name = text_field(event, "event", "?");
    if (name == "events_lost") {
        return fmt::format("{} {} events were lost: what follows them is too slow",
                           text_field(event, "time", "?"), number_field(event, "lost_count"));
    }
    return fmt::format("{} {}: {}", text_field(event, "time", "?"),
                       text_field(event, "address", "?"), words_of(event, name));
}

} // namespace uaoe::tools
