// Differences, sorted and cut to a screen.
#include "tools/top_view.hpp"

#include "tools/json_fields.hpp"
#include "tools/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <tuple>

namespace uaoe::tools {

namespace {

using Json = nlohmann::ordered_json;

const Json& array_of(const Json& json, const char* key) {
    static const Json none = Json::array();
    return json.is_object() && json.contains(key) && json[key].is_array() ? json[key] : none;
}

void add_latencies(const Json& operation, initiator::LatencyHistogram& histogram) {
    for (const Json& bucket : array_of(operation, "latency_buckets")) {
        const std::uint64_t bound = number_field(bucket, "up_to_us");
        const std::size_t index = bound == 0 ? initiator::LatencyHistogram::buckets_count - 1
                                             : initiator::LatencyHistogram::index_of(bound - 1);
        histogram.add_counted(index, number_field(bucket, "count"));
    }
}

TopLun lun_of(const Json& json, proto::Address address) {
    TopLun lun{
        .address = address, .state = text_field(json, "state", "?"), .latency = {}, .paths = {}};
    if (json.contains("requests") && json["requests"].is_object()) {
        const Json& requests = json["requests"];
        lun.pending = number_field(requests, "pending_count");
        for (const auto& [name, operation] : requests.items()) {
            lun.requests += number_field(operation, "requests_count");
            lun.errors += number_field(operation, "errors_count");
            lun.read_bytes += name == "read" ? number_field(operation, "size_bytes") : 0;
            lun.write_bytes += name == "write" ? number_field(operation, "size_bytes") : 0;
            add_latencies(operation, lun.latency);
        }
    }
    for (const Json& path : array_of(json, "paths")) {
        lun.paths.push_back({.interface = text_field(path, "interface", "?"),
                             .target_mac = text_field(path, "target_mac", "?"),
                             .state = text_field(path, "state", "?"),
                             .sent = number_field(path, "sent"),
                             .retransmitted = number_field(path, "retransmitted"),
                             .srtt_us = number_field(path, "srtt_us"),
                             .in_flight = number_field(path, "in_flight"),
                             .cwnd = number_field(path, "cwnd")});
    }
    return lun;
}

std::string share_text(double part, double whole) {
    const double percent = whole > 0 ? 100 * part / whole : 0;
    return percent == 0 ? "0" : fmt::format("{:.{}f}%", percent, percent < 9.95 ? 2 : 0);
}

std::uint64_t grown(std::uint64_t before, std::uint64_t now) {
    return now >= before ? now - before : now;
}

// A LUN between two samples.
struct LunRates {
    const TopLun* now = nullptr;
    double read_bytes = 0; // a second, as the next ones
    double write_bytes = 0;
    double requests = 0;
    double sent = 0;
    double resent = 0;
    std::uint64_t errors = 0; // between the two
    initiator::LatencyHistogram latency;
    struct PathRates {
        double sent = 0;
        double resent = 0;
    };
    std::vector<PathRates> paths;
};

LunRates rates_of(const TopLun* before, const TopLun& now, double seconds) {
    static const TopLun none{.address = {}, .state = {}, .latency = {}, .paths = {}};
    const TopLun& old = before != nullptr && before->requests <= now.requests ? *before : none;
    LunRates rates{
        .now = &now,
        .read_bytes = static_cast<double>(grown(old.read_bytes, now.read_bytes)) / seconds,
        .write_bytes = static_cast<double>(grown(old.write_bytes, now.write_bytes)) / seconds,
        .requests = static_cast<double>(grown(old.requests, now.requests)) / seconds,
        .errors = grown(old.errors, now.errors),
        .latency = {},
        .paths = {}};
    for (std::size_t i = 0; i < initiator::LatencyHistogram::buckets_count; ++i) {
        rates.latency.add_counted(i, grown(old.latency.counts()[i], now.latency.counts()[i]));
    }
    for (const TopPath& path : now.paths) {
        const auto was = std::ranges::find_if(old.paths, [&](const TopPath& other) {
            return other.interface == path.interface && other.target_mac == path.target_mac;
        });
        const bool is_known = was != old.paths.end();
        const double sent =
            static_cast<double>(grown(is_known ? was->sent : 0, path.sent)) / seconds;
        const double resent =
            static_cast<double>(grown(is_known ? was->retransmitted : 0, path.retransmitted)) /
            seconds;
        rates.paths.push_back({.sent = sent, .resent = resent});
        rates.sent += sent;
        rates.resent += resent;
    }
    return rates;
}

std::size_t up_count(const TopLun& lun) {
    return static_cast<std::size_t>(std::ranges::count(lun.paths, "up", &TopPath::state));
}

constexpr std::string_view lun_form = "{:<9} {:<9} {:>8} {:>8} {:>7} {:>7} {:>7} {:>5} {:>6} {:>5}";
constexpr std::string_view path_form = "  {:<15} {:<17} {:<10} {:>6} {:>6} {:>7} {:>9}";

std::vector<std::string> lun_lines(const LunRates& rates, bool with_paths) {
    const TopLun& lun = *rates.now;
    const bool any = rates.latency.count() > 0;
    std::vector<std::string> lines{fmt::format(
        lun_form, proto::to_string(lun.address), lun.state, scaled_bytes_text(rates.read_bytes),
        scaled_bytes_text(rates.write_bytes), count_text(rates.requests),
        any ? time_text(rates.latency.quantile_us(0.5)) : "-",
        any ? time_text(rates.latency.quantile_us(0.99)) : "-",
        count_text(static_cast<double>(lun.pending)), share_text(rates.resent, rates.sent),
        lun.paths.empty() ? "-" : fmt::format("{}/{}", up_count(lun), lun.paths.size()))};
    for (std::size_t i = 0; with_paths && i < lun.paths.size(); ++i) {
        const TopPath& path = lun.paths[i];
        lines.push_back(fmt::format(
            path_form, path.interface, path.target_mac, path.state, count_text(rates.paths[i].sent),
            share_text(rates.paths[i].resent, rates.paths[i].sent),
            path.srtt_us == 0 ? "-" : time_text(static_cast<double>(path.srtt_us)),
            fmt::format("{}/{}", path.in_flight, path.cwnd)));
    }
    return lines;
}

std::string counted(std::size_t count, std::string_view one) {
    return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

std::vector<std::string> head_lines(const std::vector<LunRates>& luns, std::uint64_t dropped_count,
                                    const TopLayout& layout) {
    LunRates sum;
    std::size_t paths_count = 0;
    std::size_t paths_up_count = 0;
    std::size_t luns_up_count = 0;
    for (const LunRates& lun : luns) {
        sum.read_bytes += lun.read_bytes;
        sum.write_bytes += lun.write_bytes;
        sum.requests += lun.requests;
        sum.errors += lun.errors;
        sum.sent += lun.sent;
        sum.resent += lun.resent;
        paths_count += lun.now->paths.size();
        paths_up_count += up_count(*lun.now);
        luns_up_count += lun.now->state == "up" ? 1U : 0U;
    }
    std::string first = fmt::format("{}, {} not up; {}, {} not up", counted(luns.size(), "LUN"),
                                    luns.size() - luns_up_count, counted(paths_count, "path"),
                                    paths_count - paths_up_count);
    const std::size_t room = layout.columns > first.size() ? layout.columns - first.size() : 0;
    first += layout.note.size() < room ? std::string(room - layout.note.size(), ' ') + layout.note
                                       : "  " + layout.note;
    return {first,
            fmt::format("read {}/s, write {}/s, {} IOPS; {} failed, {} resent, {} dropped",
                        scaled_bytes_text(sum.read_bytes), scaled_bytes_text(sum.write_bytes),
                        count_text(sum.requests), count_text(static_cast<double>(sum.errors)),
                        share_text(sum.resent, sum.sent),
                        count_text(static_cast<double>(dropped_count))),
            ""};
}

std::vector<std::string> title_lines(bool with_paths) {
    std::vector<std::string> lines{fmt::format(lun_form, "LUN", "STATE", "READ/s", "WRITE/s",
                                               "IOPS", "P50", "P99", "QUEUE", "RESENT", "PATHS")};
    if (with_paths) {
        lines.push_back(fmt::format(path_form, "INTERFACE", "TARGET MAC", "STATE", "SENT/s",
                                    "RESENT", "SRTT", "IN FLIGHT"));
    }
    return lines;
}

// Those that fit into so many rows, of the page that is asked for, and how many do not.
std::vector<std::string> paged(const std::vector<std::vector<std::string>>& luns, std::size_t rows,
                               std::size_t page) {
    std::vector<std::vector<std::string>> pages(1);
    for (std::size_t i = 0; i < luns.size(); ++i) {
        const bool is_last = i + 1 == luns.size();
        const std::size_t more = pages.size() == 1 && is_last ? 0 : 1; // the line that says so
        if (rows > 0 && !pages.back().empty() &&
            pages.back().size() + luns[i].size() + more > rows) {
            pages.emplace_back();
        }
        pages.back().insert(pages.back().end(), luns[i].begin(), luns[i].end());
    }
    std::vector<std::string> lines = pages[page % pages.size()];
    if (pages.size() > 1) {
        lines.push_back(
            fmt::format("page {} of {}; space: the next", page % pages.size() + 1, pages.size()));
    }
    return lines;
}

} // namespace

std::optional<TopSample> parse_top_sample(std::string_view json) {
    const Json status = Json::parse(json, nullptr, false);
    if (!status.is_object() || !status.contains("luns") || !status["luns"].is_array()) {
        return std::nullopt;
    }
    TopSample sample{.uptime_us = number_field(status, "uptime_us"), .luns = {}};
    for (const Json& shard : array_of(status, "shards")) {
        for (const Json& port : array_of(shard, "interfaces")) {
            sample.frames_dropped += number_field(port, "frames_dropped");
        }
    }
    for (const Json& lun : status["luns"]) {
        if (const auto address = proto::parse_address(text_field(lun, "address", "?"))) {
            sample.luns.push_back(lun_of(lun, *address));
        }
    }
    return sample;
}

std::string top_text(const TopSample& before, const TopSample& now, const TopLayout& layout) {
    constexpr double us_per_s = 1e6;
    const std::uint64_t passed_us =
        std::max<std::uint64_t>(grown(before.uptime_us, now.uptime_us), 1);
    const double seconds = static_cast<double>(passed_us) / us_per_s;
    std::vector<LunRates> luns;
    for (const TopLun& lun : now.luns) {
        const auto was = std::ranges::find(before.luns, lun.address, &TopLun::address);
        if (!layout.address || *layout.address == lun.address) {
            luns.push_back(rates_of(was == before.luns.end() ? nullptr : &*was, lun, seconds));
        }
    }
    if (!layout.by_address) {
        std::ranges::sort(luns, {}, [](const LunRates& lun) {
            return std::tuple(-(lun.read_bytes + lun.write_bytes), -lun.requests, lun.now->address);
        });
    }
    std::vector<std::string> lines =
        head_lines(luns, grown(before.frames_dropped, now.frames_dropped), layout);
    const auto titles = title_lines(layout.with_paths);
    lines.insert(lines.end(), titles.begin(), titles.end());
    std::vector<std::vector<std::string>> of_luns;
    for (const LunRates& lun : luns) {
        of_luns.push_back(lun_lines(lun, layout.with_paths));
    }
    const std::size_t rows = layout.rows == 0             ? 0
                             : layout.rows > lines.size() ? layout.rows - lines.size()
                                                          : 1;
    const auto table = paged(of_luns, rows, layout.page);
    lines.insert(lines.end(), table.begin(), table.end());
    if (layout.rows > 0 && lines.size() > layout.rows) {
        lines.resize(layout.rows);
    }
    std::string text;
    for (std::string& line : lines) {
        line.resize(std::min(line.size(), layout.columns));
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + "\n";
    }
    return text;
}

} // namespace uaoe::tools
