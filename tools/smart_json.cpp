// SMART for scripts.
#include "tools/smart_text.hpp"

#include "tools/text.hpp"

#include <nlohmann/json.hpp>

namespace uaoe::tools {

namespace {

using Json = nlohmann::ordered_json;

Json health_json(proto::SmartHealth health) {
    switch (health) {
    case proto::SmartHealth::passed:
        return "passed";
    case proto::SmartHealth::failing:
        return "failing";
    case proto::SmartHealth::unknown:
        break;
    }
    return "unknown";
}

Json power_json(std::optional<proto::PowerMode> mode) {
    if (!mode) {
        return nullptr;
    }
    switch (*mode) {
    case proto::PowerMode::standby:
        return "standby";
    case proto::PowerMode::idle:
        return "idle";
    case proto::PowerMode::active_or_idle:
        return "active_or_idle";
    }
    return "other";
}

Json attribute_json(const proto::SmartAttribute& attribute, bool has_thresholds) {
    Json json;
    json["id"] = attribute.id;
    json["name"] = smart_attribute_name(attribute.id);
    json["value"] = attribute.value;
    json["worst"] = attribute.worst;
    json["threshold"] = has_thresholds ? Json(attribute.threshold) : Json(nullptr);
    json["raw"] = attribute.raw;
    json["raw_text"] = smart_raw_text(attribute);
    json["flags"] = attribute.flags;
    json["is_prefailure"] = attribute.is_prefailure();
    json["failed"] = attribute.fails_now() ? "now" : attribute.failed_once() ? "once" : "never";
    return json;
}

Json status_json(std::uint8_t status) {
    Json json;
    json["result"] = proto::self_test_result(status);
    json["text"] = self_test_text(status);
    json["remaining_percent"] = proto::self_test_remaining_percent(status);
    return json;
}

} // namespace

std::string self_test_json(proto::Address address, std::uint8_t status) {
    Json json;
    json["address"] = proto::to_string(address);
    json["self_test"] = status_json(status);
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string smart_json(const initiator::TargetStatus& target, const SmartReport& report) {
    Json json;
    json["address"] = proto::to_string(target.address);
    json["model"] = target.identify.model.view();
    json["serial"] = target.identify.serial.view();
    json["health"] = health_json(report.health);
    json["power_mode"] = power_json(report.power_mode);
    json["attributes"] = Json::array();
    json["self_test"] = nullptr;
    json["checksum_is_right"] = nullptr;
    if (report.data) {
        const proto::SmartData& data = *report.data;
        for (const auto& attribute : std::span(data.attributes).first(data.attributes_count)) {
            json["attributes"].push_back(attribute_json(attribute, report.has_thresholds));
        }
        json["self_test"] = status_json(data.self_test_status);
        json["self_test"]["is_supported"] = data.can_self_test;
        json["self_test"]["short_minutes"] = data.short_test_minutes;
        json["self_test"]["long_minutes"] = data.extended_test_minutes;
        json["checksum_is_right"] = data.checksum_is_right;
    }
    json["self_test_log"] = Json::array();
    if (report.log) {
        for (const auto& entry : std::span(report.log->entries).first(report.log->entries_count)) {
            Json one = status_json(entry.status);
            one["test"] = entry.test;
            one["power_on_hours"] = entry.hours;
            one["failing_lba"] = entry.has_failing_lba() ? Json(entry.failing_lba) : Json(nullptr);
            json["self_test_log"].push_back(std::move(one));
        }
    }
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace uaoe::tools
