// Events of a served LUN as lines: what happened, on which path, and what uaoe does about it.
#include "tools/serve_reporter.hpp"

#include "tools/event_text.hpp"
#include "tools/text.hpp"

#include <fmt/format.h>

namespace uaoe::tools {

namespace {

LogLine path_line(const std::string& path, const std::string& interface,
                  initiator::PathState state) {
    LogLine line{.kind = LogKind::path,
                 .text = fmt::format("{} is {}", path, path_state_text(state))};
    switch (state) {
    case initiator::PathState::up:
        line.text += "; it carries data";
        break;
    case initiator::PathState::unverified:
        line.text += "; it is asked for its disk before it carries data";
        break;
    case initiator::PathState::suspect:
        line.level = LogLevel::warning;
        line.text += ": commands were not answered there; other paths take them, and it is asked "
                     "until it answers";
        break;
    case initiator::PathState::down:
        line.level = LogLevel::warning;
        line.text += fmt::format(": {0} is down or has no carrier; other paths take its commands, "
                                 "and it is used again once {0} is up",
                                 interface);
        break;
    case initiator::PathState::conflict:
        break; // identity_conflict says it
    }
    return line;
}

LogLine target_line(initiator::TargetState state) {
    const bool is_ready = state == initiator::TargetState::ready;
    return {.level = is_ready ? LogLevel::info : LogLevel::warning,
            .kind = LogKind::target,
            .text = fmt::format("the target is {}{}", target_state_text(state),
                                is_ready ? "" : "; it is asked until it says what disk it has")};
}

} // namespace

ServeReporter::ServeReporter(proto::Address address, initiator::Duration fail_after, Print print)
    : address_(address), fail_after_(fail_after), print_(std::move(print)) {}

void ServeReporter::handle(initiator::Time now, const initiator::Event& event,
                           const std::string& interface) {
    std::string name = event_name(event);
    if (event.address != address_ || name.empty()) {
        return;
    }
    LogLine line = line_of(now, event, interface);
    line.address = address_;
    line.event = std::move(name);
    if (is_about_path(event)) {
        line.interface = interface;
        line.target_mac = proto::to_string(event.target_mac);
    }
    print_(line);
}

LogLine ServeReporter::line_of(initiator::Time now, const initiator::Event& event,
                               const std::string& interface) {
    const std::string path =
        fmt::format("path {} to {}", interface, proto::to_string(event.target_mac));
    switch (event.kind) {
    case initiator::EventKind::device_changed:
        return device_line(now, event.device_state);
    case initiator::EventKind::path_changed:
        return path_line(path, interface, event.path_state);
    case initiator::EventKind::identity_conflict:
        return {.level = LogLevel::error,
                .kind = LogKind::conflict,
                .text = fmt::format("CONFLICT: a different disk answers as {} on {}; that path is "
                                    "not used; give one of the two another address",
                                    proto::to_string(address_), path)};
    case initiator::EventKind::target_changed:
        return target_line(event.target_state);
    case initiator::EventKind::payload_changed:
        return {.kind = LogKind::payload,
                .text = fmt::format("{} carries frames with {} bytes of payload; commands are cut "
                                    "to that",
                                    path, event.payload_bytes)};
    case initiator::EventKind::capacity_changed:
        return {.level = LogLevel::notice,
                .kind = LogKind::capacity,
                .text = fmt::format("the disk has grown to {} bytes; its device is to follow",
                                    event.size_bytes)};
    case initiator::EventKind::target_found:
    case initiator::EventKind::probe_answered:
        break;
    }
    return {};
}

LogLine ServeReporter::device_line(initiator::Time now, initiator::DeviceState state) {
    const double fail_after_s = std::chrono::duration<double>(fail_after_).count();
    LogLine line{.level = LogLevel::notice, .kind = LogKind::device};
    if (state == initiator::DeviceState::up) {
        line.text = silent_
                        ? fmt::format("answers again after {}", seconds_text(now - silent_since_))
                        : std::string("answers");
        line.text += "; requests go on";
        silent_ = false;
        return line;
    }
    silent_since_ = silent_ ? silent_since_ : now;
    silent_ = true;
    if (state == initiator::DeviceState::down) {
        line.level = LogLevel::error;
        line.text = fmt::format("silent for longer than fail-after ({:.0f} s); requests fail until "
                                "it answers again",
                                fail_after_s);
        return line;
    }
    line.level = LogLevel::warning;
    line.text =
        fail_after_ == initiator::Duration::zero()
            ? "no path answers; requests wait until it is back"
            : fmt::format("no path answers; requests wait (fail-after {:.0f} s)", fail_after_s);
    return line;
}

} // namespace uaoe::tools
