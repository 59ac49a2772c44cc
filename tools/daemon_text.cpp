// Tables from JSON.
#include "tools/daemon_text.hpp"

#include "tools/json_fields.hpp"
#include "tools/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace uaoe::tools {

namespace {

using Json = nlohmann::ordered_json;

bool flag_of(const Json& json, const char* key) {
    return json.is_object() && json.contains(key) && json[key].is_boolean() &&
           json[key].get<bool>();
}

std::string size_of(const Json& json) {
    const std::uint64_t bytes = number_field(json, "size_bytes");
    return bytes == 0 ? "?" : size_text(bytes);
}

std::string rounded_of(const Json& json, const char* key) {
    return json.is_object() && json.contains(key) && json[key].is_number()
               ? fmt::format("{:.0f}", json[key].get<double>())
               : "-";
}

std::string requests_text(const Json& json) {
    Table table({{.title = "REQUESTS"},
                 {.title = "COUNT", .align = Table::Align::right},
                 {.title = "BYTES", .align = Table::Align::right},
                 {.title = "ERRORS", .align = Table::Align::right},
                 {.title = "P50 us", .align = Table::Align::right},
                 {.title = "P99 us", .align = Table::Align::right}});
    if (!json.contains("requests") || !json["requests"].is_object()) {
        return {};
    }
    for (const auto& [name, counters] : json["requests"].items()) {
        if (counters.is_object()) {
            table.add_row(
                {visible_text(name), std::to_string(number_field(counters, "requests_count")),
                 size_text(number_field(counters, "size_bytes")),
                 std::to_string(number_field(counters, "errors_count")),
                 rounded_of(counters, "latency_p50_us"), rounded_of(counters, "latency_p99_us")});
        }
    }
    return "\n" + table.to_text();
}

std::string paths_text(const Json& json) {
    Table table({{.title = "INTERFACE"},
                 {.title = "TARGET MAC"},
                 {.title = "STATE"},
                 {.title = "SRTT us", .align = Table::Align::right},
                 {.title = "RTO us", .align = Table::Align::right},
                 {.title = "CWND", .align = Table::Align::right},
                 {.title = "IN FLIGHT", .align = Table::Align::right},
                 {.title = "SECTORS", .align = Table::Align::right},
                 {.title = "SENT", .align = Table::Align::right},
                 {.title = "RESENT", .align = Table::Align::right}});
    if (!json.contains("paths") || !json["paths"].is_array()) {
        return {};
    }
    for (const Json& path : json["paths"]) {
        std::vector<std::string> row = {text_field(path, "interface"),
                                        text_field(path, "target_mac"), text_field(path, "state")};
        for (const char* key : {"srtt_us", "rto_us", "cwnd", "in_flight", "sectors_per_frame",
                                "sent", "retransmitted"}) {
            row.push_back(path.is_object() && path.contains(key) && path[key].is_number()
                              ? fmt::format("{:.0f}", path[key].get<double>())
                              : "?");
        }
        table.add_row(std::move(row));
    }
    return "\n" + table.to_text();
}

// Of what is lost on this host; nothing when nothing is.
std::string interfaces_text(const Json& json) {
    if (!json.contains("interfaces") || !json["interfaces"].is_array()) {
        return {};
    }
    std::string text;
    for (const Json& port : json["interfaces"]) {
        const std::uint64_t dropped = number_field(port, "frames_dropped");
        const std::uint64_t too_long = number_field(port, "frames_too_long");
        const std::uint64_t unsendable = number_field(port, "frames_unsendable");
        if (dropped + too_long + unsendable > 0) {
            text += fmt::format("{}: {} frames dropped (no room), {} too long, {} not sendable\n",
                                text_field(port, "interface"), dropped, too_long, unsendable);
        }
    }
    return text.empty() ? text : "\n" + text;
}

} // namespace

std::string list_table(std::string_view json) {
    const Json entries = Json::parse(json, nullptr, false);
    if (!entries.is_array()) {
        return {};
    }
    Table table({{.title = "ADDRESS"},
                 {.title = "DEVICE"},
                 {.title = "FRONTEND"},
                 {.title = "SIZE", .align = Table::Align::right},
                 {.title = "STATE"},
                 {.title = "FAIL AFTER", .align = Table::Align::right},
                 {.title = "MODEL"},
                 {.title = "SERIAL"}});
    for (const Json& entry : entries) {
        const std::string device = text_field(entry, "device");
        const std::uint64_t fail_after_s = number_field(entry, "fail_after_s");
        table.add_row(
            {text_field(entry, "address"), device.empty() ? "-" : device,
             text_field(entry, "frontend"), size_of(entry),
             text_field(entry, "state") + (flag_of(entry, "read_only") ? " (read-only)" : ""),
             fail_after_s == 0 ? "never" : fmt::format("{} s", fail_after_s),
             text_field(entry, "model"), text_field(entry, "serial")});
    }
    return table.to_text();
}

std::string show_text(std::string_view json) {
    const Json lun = Json::parse(json, nullptr, false);
    if (!lun.is_object()) {
        return {};
    }
    std::string text;
    const auto line = [&](std::string_view title, const std::string& value) {
        text += fmt::format("{:<14} {}\n", title, value);
    };
    line("address", text_field(lun, "address"));
    line("device", text_field(lun, "device") + " (" + text_field(lun, "frontend") + ")");
    line("state", text_field(lun, "state"));
    line("size", fmt::format("{} ({} bytes)", size_of(lun), number_field(lun, "size_bytes")));
    line("disk", text_field(lun, "model") + ", serial " + text_field(lun, "serial"));
    line("read-only", flag_of(lun, "read_only") ? "yes" : "no");
    line("write cache", text_field(lun, "write_cache"));
    line("flush", flag_of(lun, "flush_supported") ? "yes" : "no");
    line("discard", flag_of(lun, "discard_supported") ? "yes" : "no");
    line("fenced writes", std::to_string(number_field(lun, "fenced_writes")));
    return text + requests_text(lun) + paths_text(lun) + interfaces_text(lun);
}

std::string waiting_text(std::string_view list_json, proto::Address address) {
    const Json entries = Json::parse(list_json, nullptr, false);
    if (!entries.is_array()) {
        return {};
    }
    const std::string name = proto::to_string(address);
    for (const Json& entry : entries) {
        if (text_field(entry, "address") == name) {
            const std::string state = text_field(entry, "state");
            return state == "waiting"     ? text_field(entry, "missing", "its target is looked for")
                   : state == "attaching" ? "its target answers; its device is being made"
                                          : "";
        }
    }
    return {};
}

std::string list_lines(std::string_view json) {
    const Json entries = Json::parse(json, nullptr, false);
    std::string text = "[";
    for (const Json& entry : entries) {
        text += (text.size() == 1 ? "\n" : ",\n") +
                entry.dump(-1, ' ', false, Json::error_handler_t::replace);
    }
    return text + (text.size() == 1 ? "]\n" : "\n]\n");
}

} // namespace uaoe::tools
