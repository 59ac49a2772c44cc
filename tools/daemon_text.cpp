// Tables from JSON.
#include "tools/daemon_text.hpp"

#include "tools/json_fields.hpp"
#include "tools/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace uaoe::tools {

namespace {

using Json = nlohmann::ordered_json;

bool flag_of(const Json& json, const char* key) {
    return json.is_object() && json.contains(key) && json[key].is_boolean() &&
           json[key].get<bool>();
}

bool is_list(const Json& json) {
    return json.is_array() &&
           std::ranges::all_of(json, [](const Json& entry) { return entry.is_object(); });
}

std::string size_of(const Json& json) {
    const std::uint64_t bytes = number_field(json, "size_bytes");
    return bytes == 0 ? "?" : size_text(bytes);
}

// "-": not measured yet.
std::string time_of(const Json& json, const char* key) {
    const double us = json.is_object() && json.contains(key) && json[key].is_number()
                          ? json[key].get<double>()
                          : 0;
    return us > 0 ? time_text(us) : "-";
}

std::string counter_of(const Json& json, const char* key) {
    return json.is_object() && json.contains(key) && json[key].is_number_unsigned()
               ? counter_text(json[key].get<std::uint64_t>())
               : "?";
}

std::string requests_text(const Json& json, std::size_t columns_max) {
    Table table({{.title = "REQUESTS"},
                 {.title = "COUNT", .align = Table::Align::right},
                 {.title = "BYTES", .align = Table::Align::right},
                 {.title = "ERRORS", .align = Table::Align::right},
                 {.title = "P50", .align = Table::Align::right},
                 {.title = "P99", .align = Table::Align::right}});
    if (!json.contains("requests") || !json["requests"].is_object()) {
        return {};
    }
    for (const auto& [name, counters] : json["requests"].items()) {
        if (counters.is_object()) {
            table.add_row(
                {visible_text(name), counter_text(number_field(counters, "requests_count")),
                 size_text(number_field(counters, "size_bytes")),
                 counter_text(number_field(counters, "errors_count")),
                 time_of(counters, "latency_p50_us"), time_of(counters, "latency_p99_us")});
        }
    }
    return "\n" + table.to_text(columns_max);
}

// One table would be wider than a terminal: the second one goes on, by the paths' numbers.
std::string paths_text(const Json& json, std::size_t columns_max) {
    using enum Table::Align;
    Table table({{.title = "PATH", .align = right},
                 {.title = "INTERFACE"},
                 {.title = "TARGET MAC"},
                 {.title = "STATE"},
                 {.title = "SECTORS", .align = right},
                 {.title = "SRTT", .align = right},
                 {.title = "RTO", .align = right}});
    Table traffic({{.title = "PATH", .align = right},
                   {.title = "IN FLIGHT", .align = right},
                   {.title = "CWND", .align = right},
                   {.title = "SSTHRESH", .align = right},
                   {.title = "SENT", .align = right},
                   {.title = "RECEIVED", .align = right},
                   {.title = "RESENT", .align = right},
                   {.title = "SPURIOUS", .align = right}});
    if (!json.contains("paths") || !json["paths"].is_array() || json["paths"].empty()) {
        return {};
    }
    std::size_t number = 0;
    for (const Json& path : json["paths"]) {
        const std::string name = std::to_string(++number);
        table.add_row({name, text_field(path, "interface"), text_field(path, "target_mac"),
                       text_field(path, "state"), counter_of(path, "sectors_per_frame"),
                       time_of(path, "srtt_us"), time_of(path, "rto_us")});
        traffic.add_row({name, counter_of(path, "in_flight"), counter_of(path, "cwnd"),
                         counter_of(path, "ssthresh"), counter_of(path, "sent"),
                         counter_of(path, "received"), counter_of(path, "retransmitted"),
                         counter_of(path, "spurious")});
    }
    return "\n" + table.to_text(columns_max) + "\n" + traffic.to_text(columns_max);
}

// Of what is lost on this host; nothing when nothing is.
std::string interfaces_text(const Json& json, std::size_t columns_max) {
    if (!json.contains("interfaces") || !json["interfaces"].is_array()) {
        return {};
    }
    std::string text;
    for (const Json& port : json["interfaces"]) {
        const std::uint64_t dropped = number_field(port, "frames_dropped");
        const std::uint64_t too_long = number_field(port, "frames_too_long");
        const std::uint64_t unsendable = number_field(port, "frames_unsendable");
        if (dropped + too_long + unsendable > 0) {
            text += wrapped_text(
                fmt::format("{}: {} frames dropped (no room), {} too long, {} not sendable",
                            text_field(port, "interface"), dropped, too_long, unsendable),
                columns_max, "", "    ");
        }
    }
    return text.empty() ? text : "\n" + text;
}

} // namespace

std::string list_table(std::string_view json, std::size_t columns_max) {
    const Json entries = Json::parse(json, nullptr, false);
    if (!is_list(entries)) {
        return {};
    }
    Table table({{.title = "ADDRESS"},
                 {.title = "DEVICE", .cut = Table::Cut::end, .least = 13},
                 {.title = "FRONTEND", .cut = Table::Cut::go}, // a device's name tells, too
                 {.title = "SIZE", .align = Table::Align::right},
                 {.title = "STATE"},
                 {.title = "MODE"},
                 {.title = "FAIL AFTER", .align = Table::Align::right},
                 {.title = "MODEL", .cut = Table::Cut::end, .least = 5},
                 {.title = "SERIAL", .cut = Table::Cut::begin, .least = 7}});
    for (const Json& entry : entries) {
        const std::string device = text_field(entry, "device");
        const std::uint64_t fail_after_s = number_field(entry, "fail_after_s");
        table.add_row({text_field(entry, "address"), device.empty() ? "-" : device,
                       text_field(entry, "frontend"), size_of(entry), text_field(entry, "state"),
                       flag_of(entry, "read_only") ? "ro" : "rw",
                       fail_after_s == 0 ? "never" : fmt::format("{} s", fail_after_s),
                       text_field(entry, "model"), text_field(entry, "serial")});
    }
    return table.to_text(columns_max);
}

std::string show_text(std::string_view json, std::size_t columns_max) {
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
    line("model", text_field(lun, "model"));
    line("serial", text_field(lun, "serial"));
    line("read-only", flag_of(lun, "read_only") ? "yes" : "no");
    line("write cache", text_field(lun, "write_cache"));
    line("flush", flag_of(lun, "flush_supported") ? "yes" : "no");
    line("discard", flag_of(lun, "discard_supported") ? "yes" : "no");
    line("fenced writes", std::to_string(number_field(lun, "fenced_writes")));
    return text + requests_text(lun, columns_max) + paths_text(lun, columns_max) +
           interfaces_text(lun, columns_max);
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
    if (!is_list(entries)) {
        return {};
    }
    std::string text = "[";
    for (const Json& entry : entries) {
        text += (text.size() == 1 ? "\n" : ",\n") +
                entry.dump(-1, ' ', false, Json::error_handler_t::replace);
    }
    return text + (text.size() == 1 ? "]\n" : "\n]\n");
}

} // namespace uaoe::tools
