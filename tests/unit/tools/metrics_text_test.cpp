// The text for Prometheus. tests/interop/metrics.sh has the whole of it checked for form.
#include "tools/metrics_text.hpp"

#include "sample_target.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <sstream>

using namespace uaoe;
using namespace uaoe::tools;
using namespace std::chrono_literals;

namespace {

DaemonStatus sample_status(std::uint8_t luns_count) {
    DaemonStatus status{.luns = {}, .shards = {}, .interfaces = sample_interfaces()};
    for (std::uint8_t i = 0; i < luns_count; ++i) {
        ShowStatus show{.device = {},
                        .target = sample_target(),
                        .counters = {},
                        .front_end = "ublk",
                        .device_name = "/dev/ublkb0"};
        show.device.info.sector_bytes = 512;
        initiator::OperationCounters& reads = show.device.operations[0];
        reads = {.requests = 3, .bytes = 12288, .errors = 1};
        for (const auto latency : std::initializer_list<initiator::Duration>{16us, 17us, 100s}) {
            reads.latency.add(latency);
        }
        show.target.paths[1].state = initiator::PathState::suspect;
        show.target.paths[1].round_trips.add(1ms);
        ListEntry entry{.address = {7, i},
                        .device = "/dev/ublkb0",
                        .front_end = "ublk",
                        .state = "up",
                        .options = {FrontEndKind::ublk, 5s, false},
                        .info = {}};
        entry.info.sectors = {4096};
        entry.info.identify = show.target.identify;
        status.luns.push_back({.entry = entry, .show = show});
    }
    initiator::PortStatus port{
        .interface = "eth1", .up = true, .mtu_bytes = 9000, .frames = {.frames_dropped = 12}};
    status.shards.push_back({.counters = {.late = 9}, .targets_count = 4, .ports = {port}});
    return status;
}

std::string text_of(const DaemonStatus& status) {
    return metrics_text(status, {.started_at = std::chrono::system_clock::time_point{1500ms},
                                 .cpu_time = 2500ms,
                                 .resident_bytes = 4096,
                                 .descriptors_count = 7});
}

bool has_line(const std::string& text, const std::string& line) {
    return text.starts_with(line + "\n") || text.find("\n" + line + "\n") != std::string::npos;
}

} // namespace

TEST_CASE("samples of LUNs, paths, interfaces, shards and the process") {
    const std::string text = text_of(sample_status(1));
    const std::string path = R"(lun="7.0",interface="eth2",target_mac="02:00:00:00:01:01")";
    for (
        const std::string& line : std::initializer_list<std::string>{
            "# TYPE uaoe_lun_requests_total counter",
            R"(uaoe_lun_info{lun="7.0",device="/dev/ublkb0",frontend="ublk",model="Some Disk",serial="S1"} 1)",
            R"(uaoe_lun_state{lun="7.0",state="up"} 1)",
            R"(uaoe_lun_state{lun="7.0",state="stuck"} 0)",
            R"(uaoe_lun_size_bytes{lun="7.0"} 2097152)",
            R"(uaoe_lun_fail_after_seconds{lun="7.0"} 5)",
            R"(uaoe_lun_requests_total{lun="7.0",operation="read"} 3)",
            R"(uaoe_lun_request_errors_total{lun="7.0",operation="read"} 1)",
            R"(uaoe_lun_bytes_total{lun="7.0",operation="read"} 12288)",
            "uaoe_path_state{" + path + R"(,state="suspect"} 1)",
            "uaoe_path_state{" + path + R"(,state="up"} 0)",
            "uaoe_path_payload_bytes{" + path + "} 8704",
            "uaoe_path_smoothed_round_trip_seconds{" + path + "} 0.00015",
            "uaoe_path_round_trip_seconds_sum{" + path + "} 0.001000000",
            R"(uaoe_interface_frames_dropped_total{interface="eth1",shard="0"} 12)",
            R"(uaoe_interface_mtu_bytes{interface="eth1",shard="0"} 9000)",
            R"(uaoe_shard_frames_ignored_total{shard="0",reason="late"} 9)",
            R"(uaoe_shard_targets{shard="0"} 4)",
            "uaoe_process_start_time_seconds 1.500",
            "uaoe_process_cpu_seconds_total 2.5",
            "uaoe_process_open_fds 7"}) {
        CHECK_MESSAGE(has_line(text, line), line);
    }
}

TEST_CASE("a histogram: what is at a bound is below it, the longest are in +Inf alone") {
    const std::string text = text_of(sample_status(1));
    const std::string labels = R"({lun="7.0",operation="read")";
    const std::string name = "uaoe_lun_request_duration_seconds";
    CHECK(has_line(text, name + "_bucket" + labels + R"(,le="1.6e-05"} 1)"));
    CHECK(has_line(text, name + "_bucket" + labels + R"(,le="3.2e-05"} 2)"));
    CHECK(has_line(text, name + "_bucket" + labels + R"(,le="67.108864"} 2)"));
    CHECK(has_line(text, name + "_bucket" + labels + R"(,le="+Inf"} 3)"));
    CHECK(has_line(text, name + "_count" + labels + "} 3"));
    CHECK(has_line(text, name + "_sum" + labels + "} 100.000033000"));
}

TEST_CASE("read and write always have a histogram, the others once they were asked for") {
    DaemonStatus status = sample_status(1);
    const std::string flushes = R"(uaoe_lun_request_duration_seconds_count{lun="7.0",operation=")";
    CHECK(has_line(text_of(status), flushes + R"(write"} 0)"));
    CHECK(text_of(status).find(flushes + "flush") == std::string::npos);
    status.luns[0].show->device.operations[2].requests = 1;
    status.luns[0].show->device.operations[2].latency.add(1ms);
    CHECK(has_line(text_of(status), flushes + R"(flush"} 1)"));
}

TEST_CASE("a disk's words cannot break a line") {
    DaemonStatus status = sample_status(1);
    set_text(status.luns[0].entry.info.identify.model, "a\"b\\c\nd\xff");
    CHECK(text_of(status).find(R"(model="a\"b\\x5cc\\x0ad\\xff",serial=)") != std::string::npos);
}

TEST_CASE("a LUN that is not attached has a state and no counters") {
    DaemonStatus status = sample_status(1);
    status.luns[0].entry.state = "waiting";
    status.luns[0].show.reset();
    const std::string text = text_of(status);
    CHECK(has_line(text, R"(uaoe_lun_state{lun="7.0",state="waiting"} 1)"));
    CHECK(text.find("\nuaoe_lun_requests_total{") == std::string::npos);
}

TEST_CASE("200 LUNs: no line twice, and each LUN has as many as the first") {
    std::istringstream lines(text_of(sample_status(200)));
    std::set<std::string> seen;
    std::size_t of_first_count = 0;
    std::size_t of_last_count = 0;
    for (std::string line; std::getline(lines, line);) {
        const std::string key = line.substr(0, line.rfind(' '));
        if (!line.starts_with('#')) {
            REQUIRE_MESSAGE(seen.insert(key).second, line);
        }
        of_first_count += line.find(R"(lun="7.0")") != std::string::npos ? 1U : 0U;
        of_last_count += line.find(R"(lun="7.199")") != std::string::npos ? 1U : 0U;
    }
    CHECK(of_first_count > 100);
    CHECK(of_first_count == of_last_count);
}
