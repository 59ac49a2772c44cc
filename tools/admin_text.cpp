// Tables and JSON of the administrative commands.
#include "tools/admin_text.hpp"

#include "tools/json_text.hpp"
#include "tools/text.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace uaoe::tools {

namespace {

using Json = nlohmann::ordered_json;

std::string interface_of(const proto::MacAddress& mac, std::span<const Interface> interfaces) {
    const auto found = std::ranges::find(interfaces, mac, &Interface::mac);
    return found != interfaces.end() ? found->name : std::string();
}

std::string line_of(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json config_object(proto::Address address, const std::string& string) {
    Json json;
    json["address"] = proto::to_string(address);
    json["config_string"] = string;
    if (!is_utf8(string)) {
        json["config_string_hex"] = hex_text(string);
    }
    return json;
}

} // namespace

std::string config_json(proto::Address address, const std::string& string) {
    return line_of(config_object(address, string));
}

std::string config_test_json(proto::Address address, const ConfigTest& test) {
    Json json = config_object(address, test.present);
    json["matches"] = test.matches;
    return line_of(json);
}

std::string macs_table(const MacList& macs, std::span<const Interface> interfaces) {
    Table table({{.title = "MAC"}, {.title = "INTERFACE"}});
    for (const auto& mac : macs) {
        table.add_row({proto::to_string(mac), interface_of(mac, interfaces)});
    }
    return table.to_text();
}

std::string macs_json(proto::Address address, std::string_view key, const MacList& macs,
                      std::span<const Interface> interfaces) {
    Json list = Json::array();
    for (const auto& mac : macs) {
        Json entry;
        entry["mac"] = proto::to_string(mac);
        const std::string interface = interface_of(mac, interfaces);
        entry["interface"] = interface.empty() ? Json(nullptr) : Json(interface);
        list.push_back(std::move(entry));
    }
    Json json;
    json["address"] = proto::to_string(address);
    json[std::string(key)] = std::move(list);
    return line_of(json);
}

} // namespace uaoe::tools
