// JSON by nlohmann-json, ordered: people read it, too.
#include "tools/json_text.hpp"

#include "tools/text.hpp"

#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace uaoe::tools {

namespace {

using Json = nlohmann::ordered_json;

std::string line_of(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::int64_t microseconds(initiator::Duration duration) {
    return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

double rounded(double value) {
    return std::round(value * 1000) / 1000;
}

std::string interface_name(std::span<const Interface> interfaces, initiator::PortIndex port) {
    return port.value < interfaces.size() ? interfaces[port.value].name : std::string();
}

Json short_path(const initiator::PathStatus& path, std::span<const Interface> interfaces) {
    Json json;
    json["interface"] = interface_name(interfaces, path.port);
    json["local_mac"] = path.port.value < interfaces.size()
                            ? proto::to_string(interfaces[path.port.value].mac)
                            : std::string();
    json["target_mac"] = proto::to_string(path.target_mac);
    json["state"] = path_state_text(path.state);
    json["sectors_per_frame"] = path.sectors_per_frame;
    return json;
}

void add_config_string(Json& json, const std::string& config_string) {
    json["config_string"] = config_string;
    if (!is_utf8(config_string)) {
        json["config_string_hex"] = hex_text(config_string);
    }
}

Json target_json(const initiator::TargetStatus& target, std::span<const Interface> interfaces) {
    const proto::Identify& identify = target.identify;
    Json json;
    json["address"] = proto::to_string(target.address);
    json["size_bytes"] = size_bytes_of(identify);
    json["model"] = identify.model.view();
    json["serial"] = identify.serial.view();
    json["firmware"] = identify.firmware.view();
    json["logical_sector_bytes"] = identify.logical_sector_bytes;
    json["buffer_count"] = target.buffer_count;
    json["sectors_per_frame"] = target.sectors_per_frame;
    add_config_string(json, target.config_string);
    json["state"] = state_text(target);
    json["paths"] = Json::array();
    for (const auto& path : target.paths) {
        json["paths"].push_back(short_path(path, interfaces));
    }
    return json;
}

// `name`_sum_us, its percentiles, and its buckets that are not empty: each says how many took at
// most `up_to_us` (null: any time) and more than the one before it can hold.
void add_histogram(Json& json, const std::string& name,
                   const initiator::LatencyHistogram& histogram) {
    constexpr std::uint64_t ns_per_us = 1000;
    json[name + "_sum_us"] = histogram.sum_ns() / ns_per_us;
    Json buckets = Json::array();
    for (std::size_t i = 0; i < histogram.counts().size(); ++i) {
        if (histogram.counts()[i] > 0) {
            const auto bound = initiator::LatencyHistogram::upper_bound_us(i);
            buckets.push_back(
                {{"up_to_us", bound ? Json(*bound) : Json()}, {"count", histogram.counts()[i]}});
        }
    }
    if (!buckets.empty()) {
        json[name + "_p50_us"] = rounded(histogram.quantile_us(0.5));
        json[name + "_p99_us"] = rounded(histogram.quantile_us(0.99));
    }
    json[name + "_buckets"] = std::move(buckets);
}

Json full_path(const initiator::PathStatus& path, std::span<const Interface> interfaces) {
    Json json = short_path(path, interfaces);
    json.erase("sectors_per_frame");
    json["srtt_us"] = microseconds(path.srtt);
    json["rttvar_us"] = microseconds(path.rttvar);
    json["rto_us"] = microseconds(path.rto);
    json["cwnd"] = path.cwnd;
    json["ssthresh"] = path.ssthresh;
    json["in_flight"] = path.in_flight;
    json["buffer_count"] = path.buffer_count;
    json["sectors_per_frame"] = path.sectors_per_frame;
    json["sent"] = path.sent;
    json["received"] = path.received;
    json["retransmitted"] = path.retransmitted;
    json["spurious"] = path.spurious;
    add_histogram(json, "rtt", path.round_trips);
    return json;
}

Json requests_json(const initiator::DeviceStatus& device) {
    constexpr std::array<const char*, 5> names{"read", "write", "flush", "discard", "write_zeroes"};
    Json json;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const auto& counters = device.operations[i];
        json[names[i]] = {{"requests_count", counters.requests},
                          {"size_bytes", counters.bytes},
                          {"errors_count", counters.errors}};
        add_histogram(json[names[i]], "latency", counters.latency);
    }
    json["pending_count"] = device.requests_pending;
    return json;
}

Json counters_json(const initiator::EngineCounters& counters) {
    return {{"received", counters.received},
            {"malformed", counters.malformed},
            {"not_for_us", counters.not_for_us},
            {"unknown_tag", counters.unknown_tag},
            {"mismatched", counters.mismatched},
            {"late", counters.late},
            {"events_dropped", counters.events_dropped},
            {"targets_dropped", counters.targets_dropped}};
}

// What can be promised about writes that were answered and not flushed.
std::string_view write_cache_text(const proto::Identify& identify) {
    if (!identify.write_cache_supported) {
        return "not_reported";
    }
    return identify.write_cache_enabled ? "enabled" : "disabled";
}

} // namespace

std::string discover_json(std::span<const initiator::TargetStatus> targets,
                          std::span<const Interface> interfaces) {
    std::string text = "[";
    for (std::size_t i = 0; i < targets.size(); ++i) {
        std::string line = line_of(target_json(targets[i], interfaces));
        line.pop_back();
        text += (i == 0 ? "\n" : ",\n") + line;
    }
    return text + (targets.empty() ? "]\n" : "\n]\n");
}

std::string watch_json(std::string_view change, const initiator::TargetStatus& target,
                       std::optional<std::size_t> path_index,
                       std::span<const Interface> interfaces) {
    Json json;
    json["change"] = change;
    if (path_index) {
        json["address"] = proto::to_string(target.address);
        initiator::PathStatus path = target.paths.at(*path_index);
        if (change == "path_lost") { // the engine does not look after targets that nobody uses
            path.state = initiator::PathState::down;
        }
        json["path"] = short_path(path, interfaces);
    } else {
        json.update(target_json(target, interfaces));
    }
    return line_of(json);
}

std::string identify_json(const initiator::TargetStatus& target, bool with_words) {
    const proto::Identify& identify = target.identify;
    Json json;
    json["address"] = proto::to_string(target.address);
    json["model"] = identify.model.view();
    json["serial"] = identify.serial.view();
    json["firmware"] = identify.firmware.view();
    json["size_bytes"] = size_bytes_of(identify);
    json["sectors_count"] = identify.sectors.value;
    json["logical_sector_bytes"] = identify.logical_sector_bytes;
    json["physical_sector_bytes"] = identify.physical_sector_bytes;
    json["alignment_sectors"] = identify.alignment_sectors;
    json["lba48"] = identify.lba48;
    json["write_cache_supported"] = identify.write_cache_supported;
    json["write_cache_enabled"] = identify.write_cache_enabled;
    json["flush_cache"] = identify.flush_cache;
    json["flush_cache_ext"] = identify.flush_cache_ext;
    json["trim"] = identify.trim;
    json["trim_blocks_max"] = identify.trim_blocks_max;
    json["trim_reads_zeroes"] = identify.trim_reads_zeroes;
    json["smart_supported"] = identify.smart_supported;
    json["smart_enabled"] = identify.smart_enabled;
    json["rotation_rate"] = identify.rotation_rate;
    json["aoe_firmware_version"] = target.firmware_version;
    if (with_words) {
        std::string hex;
        for (const std::byte byte : target.identify_data) {
            hex += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
        }
        json["identify_data_hex"] = hex;
    }
    return line_of(json);
}

namespace {

Json show_object(const ShowStatus& status, std::span<const Interface> interfaces) {
    const initiator::DeviceInfo& info = status.device.info;
    Json json;
    json["address"] = proto::to_string(info.address);
    json["device"] = status.device_name;
    json["frontend"] = status.front_end;
    json["size_bytes"] = info.sectors.value * info.sector_bytes;
    json["state"] = device_state_text(status.device.state);
    json["model"] = info.identify.model.view();
    json["serial"] = info.identify.serial.view();
    json["read_only"] = info.read_only;
    json["write_cache"] = write_cache_text(info.identify);
    json["flush_supported"] = info.can_flush;
    json["discard_supported"] = info.can_discard;
    json["fenced_writes"] = status.device.fenced_writes;
    json["requests"] = requests_json(status.device);
    json["paths"] = Json::array();
    for (const auto& path : status.target.paths) {
        json["paths"].push_back(full_path(path, interfaces));
    }
    json["frames"] = counters_json(status.counters);
    return json;
}

Json ports_json(std::span<const initiator::PortStatus> ports) {
    Json json = Json::array();
    for (const auto& port : ports) {
        json.push_back({{"interface", port.interface},
                        {"up", port.up},
                        {"mtu_bytes", port.mtu_bytes},
                        {"frames_received", port.frames.frames_received},
                        {"frames_sent", port.frames.frames_sent},
                        {"frames_dropped", port.frames.frames_dropped},
                        {"frames_too_long", port.frames.frames_cut},
                        {"frames_foreign", port.frames.frames_foreign},
                        {"frames_unsendable", port.frames.frames_unsendable}});
    }
    return json;
}

Json entry_object(const ListEntry& entry) {
    Json json;
    json["address"] = proto::to_string(entry.address);
    json["device"] = entry.device.empty() ? Json() : Json(entry.device);
    json["frontend"] = entry.front_end;
    json["size_bytes"] = entry.info.sectors.value * entry.info.sector_bytes;
    json["state"] = entry.state;
    json["model"] = entry.info.identify.model.view();
    json["serial"] = entry.info.identify.serial.view();
    json["read_only"] = entry.options.read_only;
    json["in_order"] = entry.options.in_order;
    json["fail_after_s"] = entry.options.fail_after.count();
    json["interfaces"] = entry.interfaces;
    json["payload_bytes"] = entry.payload_bytes;
    if (!entry.missing.empty()) {
        json["missing"] = entry.missing;
    }
    return json;
}

} // namespace

std::string show_json(const ShowStatus& status, std::span<const Interface> interfaces) {
    Json json = show_object(status, interfaces);
    if (!status.ports.empty()) {
        json["interfaces"] = ports_json(status.ports);
    }
    return line_of(json);
}

std::string status_json(const DaemonStatus& status) {
    Json json;
    json["uptime_us"] =
        std::chrono::duration_cast<std::chrono::microseconds>(status.uptime).count();
    json["luns"] = Json::array();
    for (const LunStatus& lun : status.luns) {
        json["luns"].push_back(lun.show ? show_object(*lun.show, status.interfaces)
                                        : entry_object(lun.entry));
    }
    json["shards"] = Json::array();
    for (const ShardStatus& shard : status.shards) {
        json["shards"].push_back({{"interfaces", ports_json(shard.ports)},
                                  {"frames", counters_json(shard.counters)},
                                  {"targets_count", shard.targets_count}});
    }
    std::string line = line_of(json);
    line.pop_back();
    return line;
}

std::string list_json(std::span<const ListEntry> entries) {
    std::string text = "[";
    for (const ListEntry& entry : entries) {
        std::string line = line_of(entry_object(entry));
        line.pop_back();
        text += (text.size() == 1 ? "\n" : ",\n") + line;
    }
    return text + (entries.empty() ? "]\n" : "\n]\n");
}

std::string ping_json(proto::Address address, std::span<const PingStatistics> paths) {
    Json json;
    json["address"] = proto::to_string(address);
    json["paths"] = Json::array();
    for (const PingStatistics& path : paths) {
        Json entry;
        entry["interface"] = path.interface;
        entry["target_mac"] = path.target_mac;
        entry["sent"] = path.sent;
        entry["answered"] = path.answered;
        if (path.answered > 0) {
            entry["rtt_min_us"] = rounded(path.rtt_min_us);
            entry["rtt_avg_us"] = rounded(path.rtt_avg_us);
            entry["rtt_max_us"] = rounded(path.rtt_max_us);
            entry["rtt_mdev_us"] = rounded(path.rtt_mdev_us);
        }
        json["paths"].push_back(std::move(entry));
    }
    return line_of(json);
}

} // namespace uaoe::tools
