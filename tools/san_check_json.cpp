// `uaoe check --json`.
#include "tools/san_check.hpp"

#include "tools/text.hpp"

#include <nlohmann/json.hpp>

namespace uaoe::tools {

namespace {

using Json = nlohmann::ordered_json;

Json json_of(const SanReport& report, const CheckedTarget& target) {
    Json json;
    json["address"] = proto::to_string(target.address);
    json["state"] = target_state_text(target.state);
    json["model"] = target.model;
    json["serial"] = target.serial;
    json["paths"] = Json::array();
    for (const CheckedPath& path : target.paths) {
        Json one;
        one["interface"] = report.interfaces[path.interface_index].name;
        one["target_mac"] = proto::to_string(path.target_mac);
        one["state"] = path_state_text(path.state);
        one["payload_bytes"] = path.is_proven ? Json(path.payload_bytes) : Json();
        one["mtu_payload_bytes"] = path.mtu_payload_bytes;
        one["advertised_payload_bytes"] = path.advertised_bytes;
        one["buffer_count"] = path.buffer_count;
        if (!path.other_serial.empty()) {
            one["serial"] = path.other_serial;
        }
        json["paths"].push_back(std::move(one));
    }
    return json;
}

} // namespace

std::string check_json(const SanReport& report, const std::vector<Finding>& findings) {
    Json json;
    json["interfaces"] = Json::array();
    for (const CheckedInterface& interface : report.interfaces) {
        json["interfaces"].push_back({{"name", interface.name},
                                      {"is_up", interface.is_up},
                                      {"mtu_bytes", interface.mtu_bytes}});
    }
    json["targets"] = Json::array();
    for (const CheckedTarget& target : report.targets) {
        json["targets"].push_back(json_of(report, target));
    }
    json["findings"] = Json::array();
    for (const Finding& finding : findings) {
        Json one;
        one["kind"] = finding.kind;
        one["addresses"] = Json::array();
        for (const proto::Address address : finding.addresses) {
            one["addresses"].push_back(proto::to_string(address));
        }
        one["interface"] = finding.interface.empty() ? Json() : Json(finding.interface);
        one["what"] = finding.what;
        one["advice"] = finding.advice;
        json["findings"].push_back(std::move(one));
    }
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace uaoe::tools
