// Events of a served LUN as lines.
#include "tools/serve_reporter.hpp"

#include "tools/text.hpp"

#include <fmt/format.h>

namespace uaoe::tools {

using namespace std::chrono_literals;

namespace {

constexpr unsigned lines_per_second_max = 10;

} // namespace

ServeReporter::ServeReporter(proto::Address address, initiator::Duration fail_after,
                             std::vector<Interface> interfaces, Print print)
    : address_(address), fail_after_(fail_after), interfaces_(std::move(interfaces)),
      print_(std::move(print)) {}

void ServeReporter::handle(initiator::Time now, const initiator::Event& event) {
    if (event.address != address_) {
        return;
    }
    const std::string text = text_of(now, event);
    if (text.empty()) {
        return;
    }
    if (now - second_begin_ >= 1s) {
        second_begin_ = now;
        lines_in_second_count_ = 0;
        if (suppressed_count_ > 0) {
            print_(fmt::format("{}: {} more changes were not shown", proto::to_string(address_),
                               suppressed_count_));
            suppressed_count_ = 0;
        }
    }
    // What became of the LUN as a whole is always said.
    const bool is_about_device = event.kind == initiator::EventKind::device_changed;
    if (!is_about_device && lines_in_second_count_ >= lines_per_second_max) {
        ++suppressed_count_;
        return;
    }
    ++lines_in_second_count_;
    print_(proto::to_string(address_) + ": " + text);
}

std::string ServeReporter::text_of(initiator::Time now, const initiator::Event& event) {
    switch (event.kind) {
    case initiator::EventKind::device_changed:
        return device_text(now, event.device_state);
    case initiator::EventKind::path_changed:
        return event.path_state == initiator::PathState::conflict
                   ? std::string() // identity_conflict says it
                   : fmt::format("path {} is {}", path_name(event),
                                 path_state_text(event.path_state));
    case initiator::EventKind::identity_conflict:
        return fmt::format(
            "CONFLICT: a different disk answers as {} on path {}; that path is not used",
            proto::to_string(address_), path_name(event));
    case initiator::EventKind::target_changed:
        return fmt::format("the target is {}", target_state_text(event.target_state));
    case initiator::EventKind::payload_changed:
        return fmt::format("path {} carries frames with {} bytes of payload", path_name(event),
                           event.payload_bytes);
    case initiator::EventKind::capacity_changed:
        return fmt::format("the disk has grown to {} bytes", event.size_bytes);
    case initiator::EventKind::target_found:
    case initiator::EventKind::probe_answered:
        break;
    }
    return {};
}

std::string ServeReporter::device_text(initiator::Time now, initiator::DeviceState state) {
    switch (state) {
    case initiator::DeviceState::silent:
        silent_since_ = silent_ ? silent_since_ : now;
        silent_ = true;
        return fail_after_ == initiator::Duration::zero()
                   ? "no path answers; requests wait until it is back"
                   : fmt::format("no path answers; requests wait (fail-after {:.0f} s)",
                                 std::chrono::duration<double>(fail_after_).count());
    case initiator::DeviceState::down:
        silent_since_ = silent_ ? silent_since_ : now;
        silent_ = true;
        return fmt::format("silent for longer than fail-after ({:.0f} s); requests fail until it "
                           "answers again",
                           std::chrono::duration<double>(fail_after_).count());
    case initiator::DeviceState::up:
        break;
    }
    const std::string after =
        silent_ ? fmt::format("answers again after {}", seconds_text(now - silent_since_))
                : std::string("answers");
    silent_ = false;
    return after;
}

std::string ServeReporter::path_name(const initiator::Event& event) const {
    const std::string interface = event.port.value < interfaces_.size()
                                      ? interfaces_[event.port.value].name
                                      : std::string("?");
    return interface + " to " + proto::to_string(event.target_mac);
}

} // namespace uaoe::tools
