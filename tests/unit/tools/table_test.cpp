// Every table that uaoe prints, whole, as an 80-column terminal shows it: of one LUN, and of 200
// with the longest of everything. The large ones are in golden/; UAOE_GOLDEN_WRITE=1 makes them
// anew, for a person to look at.
#include "tools/admin_text.hpp"
#include "tools/aoetools_text.hpp"
#include "tools/daemon_text.hpp"
#include "tools/json_text.hpp"
#include "tools/ping_text.hpp"
#include "tools/san_check.hpp"
#include "tools/smart_text.hpp"
#include "tools/text.hpp"
#include "tools/top_view.hpp"

#include "sample_target.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>

using namespace uaoe;
using namespace uaoe::tools;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t terminal_columns = 80;
constexpr std::size_t luns_count = 200;
constexpr std::uint64_t largest_bytes = (std::uint64_t{1} << 48U) * 512; // of LBA48

void check_width(const std::string& text) {
    for (const std::string& line : lines_of(text)) {
        CHECK_MESSAGE(line.size() <= terminal_columns, line);
        CHECK_MESSAGE((line.empty() || line.back() != ' '), line);
    }
}

// The whole text, as it is in golden/NAME.txt.
void check_golden(const std::string& name, const std::string& text) {
    const std::string path = std::string(UAOE_GOLDEN_FOLDER) + "/" + name + ".txt";
    if (std::getenv("UAOE_GOLDEN_WRITE") != nullptr) { // NOLINT: one thread
        std::ofstream(path) << text;
    }
    std::ifstream file(path);
    std::stringstream wanted;
    wanted << file.rdbuf();
    const auto wanted_lines = lines_of(wanted.str());
    const auto lines = lines_of(text);
    for (std::size_t i = 0; i < std::min(lines.size(), wanted_lines.size()); ++i) {
        REQUIRE_MESSAGE(lines[i] == wanted_lines[i], name << ", line " << i + 1);
    }
    CHECK_MESSAGE(text == wanted.str(), name);
    check_width(text);
}

// "65534.254" and down.
proto::Address address_of(std::size_t index) {
    return {65534, static_cast<std::uint8_t>(254 - index)};
}

proto::MacAddress mac_of(std::size_t index) {
    return {{0x52, 0x54, 0, 0xa0, static_cast<std::uint8_t>(index >> 8U),
             static_cast<std::uint8_t>(index)}};
}

// 15 characters, the most that Linux takes.
std::vector<Interface> long_interfaces(std::size_t count) {
    std::vector<Interface> interfaces;
    for (std::size_t i = 0; i < count; ++i) {
        interfaces.push_back({.name = fmt::format("enp129s0f0np{:03}", i), .mac = mac_of(i)});
    }
    return interfaces;
}

// Models of 40 characters and serial numbers of 20 are the most that IDENTIFY has.
proto::Identify long_identify(std::size_t index) {
    proto::Identify identify = sample_target().identify;
    set_text(identify.model, "Seagate Exos X24 ST24000NM002H in a tray");
    set_text(identify.serial, fmt::format("ZXA0CAFE-00000000{:03}", index));
    identify.sectors = {largest_bytes / 512};
    identify.logical_sector_bytes = 512;
    return identify;
}

std::vector<initiator::TargetStatus> long_targets() {
    using initiator::PathState;
    using initiator::TargetState;
    std::vector<initiator::TargetStatus> targets;
    for (std::size_t i = 0; i < luns_count; ++i) {
        initiator::TargetStatus target = sample_target();
        target.address = address_of(luns_count - 1 - i);
        target.identify = long_identify(i);
        target.buffer_count = i % 2 == 0 ? 16 : 65535;
        target.config_string = i % 3 == 0 ? "" : "vm7 root, rack 12, do not touch";
        target.state = i % 20 == 7    ? TargetState::unavailable
                       : i % 20 == 13 ? TargetState::identifying
                                      : TargetState::ready;
        if (i % 20 == 3) {
            target.paths[1].state = PathState::conflict;
        }
        targets.push_back(std::move(target));
    }
    return targets;
}

initiator::DeviceInfo long_info(std::size_t index) {
    initiator::DeviceInfo info{
        .address = address_of(index), .identify = long_identify(index), .sectors = {}};
    info.sectors = info.identify.sectors;
    info.sector_bytes = 512;
    return info;
}

// Paths with everything that they count, large.
std::vector<initiator::PathStatus> long_paths(std::size_t count) {
    std::vector<initiator::PathStatus> paths;
    for (std::size_t i = 0; i < count; ++i) {
        initiator::PathStatus path;
        path.port = {static_cast<std::uint32_t>(i)};
        path.target_mac = mac_of(1000 + i);
        path.state = i % 5 == 4 ? initiator::PathState::unverified : initiator::PathState::up;
        path.srtt = i % 5 == 4 ? initiator::Duration{} : 999'499us;
        path.rto = 60s;
        path.cwnd = 65535;
        path.ssthresh = 65535;
        path.in_flight = 65535;
        path.sectors_per_frame = 255;
        path.sent = 9'999'999'999 + i % 2; // every digit, and one too many
        path.received = UINT64_MAX;
        path.retransmitted = 123'456'789;
        path.spurious = 12'345;
        paths.push_back(path);
    }
    return paths;
}

ShowStatus long_show(std::size_t paths_count) {
    ShowStatus status{.device = {},
                      .target = sample_target(),
                      .counters = {},
                      .front_end = "export",
                      .device_name = "nbd+unix:///65534.254?socket=/run/uaoe/65534.254.nbd"};
    status.device.info = long_info(0);
    status.device.fenced_writes = UINT64_MAX;
    for (auto& operation : status.device.operations) {
        operation.requests = UINT64_MAX;
        operation.bytes = UINT64_MAX;
        operation.errors = 9'999'999'999;
        operation.latency.add(100us);
        operation.latency.add(30s);
    }
    status.target.paths = long_paths(paths_count);
    for (const Interface& interface : long_interfaces(2)) {
        status.ports.push_back({.interface = interface.name,
                                .frames = {.frames_cut = 9'999'999'999,
                                           .frames_dropped = 9'999'999'999,
                                           .frames_unsendable = 9'999'999'999}});
    }
    return status;
}

CheckedPath checked_path(std::size_t interface_index, std::size_t mac_index) {
    return {.interface_index = interface_index,
            .target_mac = mac_of(mac_index),
            .state = initiator::PathState::up,
            .payload_bytes = 1024,
            .mtu_payload_bytes = 65024,
            .advertised_bytes = 65024,
            .is_proven = true,
            .buffer_count = 65535};
}

// Each kind of trouble, with the longest names.
SanReport long_report() {
    using initiator::PathState;
    using initiator::TargetState;
    SanReport report;
    for (const Interface& interface : long_interfaces(3)) {
        report.interfaces.push_back(
            {.name = interface.name, .is_up = true, .is_named = true, .mtu_bytes = 65535});
    }
    report.interfaces[2].is_up = false;
    for (std::size_t i = 0; i < luns_count; ++i) {
        CheckedTarget target{.address = address_of(luns_count - 1 - i),
                             .state = i % 50 == 9 ? TargetState::unavailable : TargetState::ready,
                             .model = std::string(long_identify(i).model.view()),
                             .serial = std::string(long_identify(i).serial.view()),
                             .paths = {checked_path(0, 1000), checked_path(1, 1001)}};
        if (i % 50 == 7) {
            target.paths[1].state = PathState::conflict;
            target.paths[1].other_serial = "ZXA0BABE-00000000000";
        }
        if (i % 50 == 11) {
            target.paths[0].payload_bytes = 65024;
            target.paths[1].is_proven = false;
            target.paths[1].buffer_count = 1;
        }
        report.targets.push_back(std::move(target));
    }
    return report;
}

// An ordinary LUN at work: 12.8 thousand reads a second.
TopLun top_lun(proto::Address address, std::uint64_t times) {
    TopLun lun{.address = address,
               .state = "up",
               .read_bytes = times * 100 * 1048576,
               .write_bytes = times * 512,
               .requests = times * 25'600,
               .errors = times,
               .pending = 16,
               .latency = {},
               .paths = {}};
    for (std::size_t i = 0; i < 2; ++i) {
        lun.paths.push_back({.interface = long_interfaces(2)[i].name,
                             .target_mac = proto::to_string(mac_of(1000 + i)),
                             .state = i == 0 ? "up" : "unverified",
                             .sent = times * 123'456'789,
                             .retransmitted = times * 98'765,
                             .srtt_us = 999'499,
                             .in_flight = 1024,
                             .cwnd = 1024});
    }
    for (std::uint64_t i = 0; i < times * 99; ++i) {
        lun.latency.add(999'499us);
    }
    return lun;
}

TopSample top_sample(std::uint64_t times) {
    constexpr std::array states{"up", "silent", "down", "waiting", "attaching", "detaching"};
    TopSample sample{.uptime_us = times * 2'000'000, .frames_dropped = times * 3'000, .luns = {}};
    for (std::size_t i = 0; i < luns_count; ++i) {
        sample.luns.push_back(top_lun(address_of(luns_count - 1 - i), times));
        sample.luns.back().state = states.at(i % states.size());
    }
    return sample;
}

} // namespace

TEST_CASE("discover: 200 targets, cut at a terminal's width and nowhere else") {
    const auto targets = long_targets();
    check_golden("discover_200", discover_table(targets, terminal_columns));
    const std::string whole = discover_table(targets);
    CHECK(whole.find("...") != std::string::npos); // of a config string, which has no end
    CHECK(whole.find("Seagate Exos X24 ST24000NM002H in a tray") != std::string::npos);
    CHECK(whole.find("ZXA0CAFE-00000000199") != std::string::npos);
    CHECK(discover_table({targets.data(), 1}, terminal_columns) ==
          "ADDRESS      SIZE  MODEL      SERIAL       PATHS    PAYLOAD  BUFS  STATE  CONFIG\n"
          "65534.55  128 PiB  Seagat...  ...00000000      2  1024-8704    16  ready\n");
}

TEST_CASE("discover: an ordinary target loses little at 80 columns") {
    auto target = sample_target();
    target.address = {1, 254};
    set_text(target.identify.model, "Coraid EtherDrive vblade");
    set_text(target.identify.serial, "1.254:vm");
    target.identify.sectors = {std::uint64_t{6} << 30U};
    target.config_string.clear();
    CHECK(discover_table({&target, 1}, terminal_columns) ==
          "ADDRESS      SIZE  MODEL         SERIAL    PATHS    PAYLOAD  BUFS  STATE  CONFIG\n"
          "1.254    3.00 TiB  Coraid Et...  1.254:vm      2  1024-8704    16  ready\n");
}

TEST_CASE("list: one LUN, and 200") {
    ListEntry one{.address = {1, 0},
                  .device = "/dev/ublkb0",
                  .front_end = "ublk",
                  .state = "up",
                  .options = {FrontEndKind::ublk, 180s, false},
                  .info = {}};
    one.info.identify = sample_target().identify;
    one.info.sectors = {4096};
    CHECK(list_table(list_json({&one, 1}), terminal_columns) ==
          "ADDRESS  DEVICE           SIZE  STATE  MODE  FAIL AFTER  MODEL      SERIAL\n"
          "1.0      /dev/ublkb0  2.00 MiB  up     rw         180 s  Some Disk  S1\n");
    constexpr std::array states{"up", "silent", "down", "attaching", "detaching"};
    std::vector<ListEntry> entries;
    for (std::size_t i = 0; i < luns_count; ++i) {
        const std::size_t index = luns_count - 1 - i;
        ListEntry entry = one;
        entry.address = address_of(index);
        entry.info = long_info(index);
        entry.state = states.at(i % states.size());
        entry.device = i % 3 == 0   ? fmt::format("/dev/ublkb{}", i)
                       : i % 3 == 1 ? fmt::format("/dev/nbd{}", i)
                                    : fmt::format("nbd+unix:///{0}?socket=/run/uaoe/{0}.nbd",
                                                  proto::to_string(entry.address));
        entry.front_end = i % 3 == 0 ? "ublk" : i % 3 == 1 ? "nbd" : "export";
        entry.options = {FrontEndKind::automatic, i % 2 == 0 ? 86'400s : 0s, i % 7 == 0};
        entries.push_back(std::move(entry));
    }
    ListEntry waiting{.address = {0, 0},
                      .device = {},
                      .front_end = "auto",
                      .state = "waiting",
                      .options = {FrontEndKind::automatic, 0s, false},
                      .info = {}};
    entries.front() = waiting;
    check_golden("list_200", list_table(list_json(entries), terminal_columns));
    const std::string whole = list_table(list_json(entries), any_columns);
    CHECK(whole.find("FRONTEND") != std::string::npos);
    CHECK(whole.find("nbd+unix:///65534.57?socket=/run/uaoe/65534.57.nbd") != std::string::npos);
    CHECK(whole.find("...") == std::string::npos);
}

TEST_CASE("show: one path, and 200") {
    ShowStatus status = sample_status();
    status.device.operations[0] = {.requests = 12345, .bytes = 1U << 20U, .errors = 6};
    status.device.operations[0].latency.add(100us);
    status.target.paths.resize(1);
    status.target.paths[0].rto = 10'240us;
    status.target.paths[0].cwnd = 16;
    status.target.paths[0].ssthresh = 8;
    status.target.paths[0].sent = 700;
    CHECK(show_text(show_json(status, sample_interfaces()), terminal_columns) ==
          "address        7.3\n"
          "device         /dev/ublkb0 (ublk)\n"
          "state          up\n"
          "size           2.00 MiB (2097152 bytes)\n"
          "model          Some Disk\n"
          "serial         S1\n"
          "read-only      no\n"
          "write cache    not_reported\n"
          "flush          no\n"
          "discard        no\n"
          "fenced writes  0\n"
          "\n"
          "REQUESTS      COUNT     BYTES  ERRORS    P50    P99\n"
          "read          12345  1.00 MiB       6  104us  112us\n"
          "write             0       0 B       0      -      -\n"
          "flush             0       0 B       0      -      -\n"
          "discard           0       0 B       0      -      -\n"
          "write_zeroes      0       0 B       0      -      -\n"
          "\n"
          "PATH  INTERFACE  TARGET MAC         STATE  SECTORS   SRTT     RTO\n"
          "   1  eth1       02:00:00:00:01:00  up           2  150us  10.2ms\n"
          "\n"
          "PATH  IN FLIGHT  CWND  SSTHRESH  SENT  RECEIVED  RESENT  SPURIOUS\n"
          "   1          0    16         8   700         0       0         0\n");
    check_golden("show_200",
                 show_text(show_json(long_show(200), long_interfaces(200)), terminal_columns));
}

TEST_CASE("top: 200 LUNs with their paths") {
    check_golden("top_200",
                 top_text(top_sample(1), top_sample(2), {.with_paths = true, .note = "12:34:56"}));
}

TEST_CASE("check: 200 targets and what is wrong with them") {
    const SanReport report = long_report();
    const auto findings = find_faults(report);
    CHECK(find_faults(report).size() == 12);
    check_golden("check_200", check_text(report, findings, terminal_columns));
    // A line for each finding and one for its advice, for programs.
    const std::string piped = check_text(report, findings, any_columns);
    for (const Finding& finding : findings) {
        CHECK(piped.find(finding.what + "\n    " + finding.advice + "\n") != std::string::npos);
    }
}

TEST_CASE("mask list and reserve: one host, and 200") {
    const std::vector<Interface> interfaces = long_interfaces(1);
    CHECK(macs_table({mac_of(0)}, interfaces) == "MAC                INTERFACE\n"
                                                 "52:54:00:a0:00:00  enp129s0f0np000\n");
    MacList macs;
    for (std::size_t i = 0; i < luns_count; ++i) {
        macs.push_back(mac_of(i));
    }
    check_golden("macs_200", macs_table(macs, interfaces));
}

TEST_CASE("ping: one path, and 200") {
    PingStatistics path{.interface = "eth1",
                        .target_mac = "02:00:00:00:01:00",
                        .sent = 10,
                        .answered = 9,
                        .rtt_min_us = 101,
                        .rtt_avg_us = 123.4567,
                        .rtt_max_us = 150,
                        .rtt_mdev_us = 12};
    CHECK(ping_text({1, 0}, {&path, 1}) == "--- 1.0 ---\n"
                                           "eth1 at 02:00:00:00:01:00: 10 sent, 9 answered, 10% "
                                           "lost\n"
                                           "    min/avg/max/mdev = 0.101/0.123/0.150/0.012 ms\n");
    CHECK(ping_answer_text({1, 0}, "eth1", mac_of(1), 7, 123'456ns) ==
          "1.0 at 52:54:00:a0:00:01 on eth1: seq=7 time=0.123 ms\n");
    check_width(ping_answer_text(address_of(0), long_interfaces(1)[0].name, mac_of(1), 999'999,
                                 9'999'123'456ns));
    std::vector<PingStatistics> paths;
    for (std::size_t i = 0; i < luns_count; ++i) {
        path.interface = long_interfaces(luns_count)[i].name;
        path.target_mac = proto::to_string(mac_of(i));
        path.sent = 1'000'000'000;
        path.answered = i % 3 == 0 ? 0 : 999'999'999;
        path.rtt_min_us = path.rtt_avg_us = path.rtt_max_us = path.rtt_mdev_us = 86'400'000'000;
        paths.push_back(path);
    }
    check_golden("ping_200", ping_text(address_of(0), paths));
}

TEST_CASE("identify: a small disk, and the largest") {
    CHECK(identify_text(sample_target()) ==
          "address           7.3\n"
          "model             Some Disk\n"
          "serial            S1\n"
          "firmware          V25\n"
          "size              2.00 MiB (2097152 bytes, 4096 sectors)\n"
          "addressing        LBA48\n"
          "sector size       512 bytes logical, 512 bytes physical\n"
          "write cache       not reported\n"
          "flush             not supported\n"
          "trim              not supported\n"
          "SMART             not reported\n"
          "rotation          not reported\n"
          "AoE firmware      0x4019\n");
    auto target = sample_target();
    target.address = address_of(0);
    target.identify = long_identify(0);
    target.identify.alignment_sectors = 16383;
    target.identify.physical_sector_bytes = 1U << 24U;
    target.identify.trim = true;
    target.identify.trim_blocks_max = 65535;
    target.identify.trim_reads_zeroes = true;
    target.identify.rotation_rate = 15000;
    target.identify.write_cache_supported = true;
    check_golden("identify_largest", identify_text(target));
    check_width(identify_words(target.identify_data));
}

TEST_CASE("smart: as many attributes as a disk can have") {
    SmartReport report{.health = proto::SmartHealth::failing,
                       .power_mode = proto::PowerMode::standby,
                       .data = proto::SmartData{},
                       .has_thresholds = true,
                       .log = std::nullopt};
    report.data->attributes_count = proto::smart_attributes_max;
    for (std::size_t i = 0; i < proto::smart_attributes_max; ++i) {
        report.data->attributes[i] = {.id = static_cast<std::uint8_t>(i * 8 + 1),
                                      .flags = static_cast<std::uint16_t>(i % 2),
                                      .value = static_cast<std::uint8_t>(i % 3 == 0 ? 1 : 253),
                                      .worst = 1,
                                      .raw = i % 2 == 0 ? i : 0xffff'ffff'ffff,
                                      .threshold = static_cast<std::uint8_t>(i % 4)};
    }
    auto target = sample_target();
    target.address = address_of(0);
    target.identify = long_identify(0);
    check_golden("smart_30", smart_text(target, report));
}

TEST_CASE("aoe-version: three lines of aoetools, and one of uaoe") {
    CHECK(aoe_version_text("85", "(none)", "0.1.0") == "              aoetools:\t36\n"
                                                       "  installed aoe driver:\t85\n"
                                                       "    running aoe driver:\t(none)\n"
                                                       "                  uaoe:\t0.1.0\n");
    CHECK(aoe_version_text("", "", "1").find("installed aoe driver:\t(unknown)\n") !=
          std::string::npos);
}

TEST_CASE("lines are broken at spaces") {
    CHECK(wrapped_text("one two three", any_columns, "", "  ") == "one two three\n");
    CHECK(wrapped_text("one two three", 7, "", "  ") == "one two\n  three\n");
    CHECK(wrapped_text("one two three", 6, "> ", "  ") == "> one\n  two\n  three\n");
    CHECK(wrapped_text("unbreakable", 4, "  ", "  ") == "  unbreakable\n");
    CHECK(wrapped_text("größer größer", 13, "", "") == "größer größer\n");
    CHECK(wrapped_text("", 80, "", "  ") == "\n");
}

TEST_CASE("a table that is too wide: columns go, then the widest are cut, to what has to stay") {
    Table table({{.title = "NAME"},
                 {.title = "KIND", .cut = Table::Cut::go},
                 {.title = "TEXT", .cut = Table::Cut::end, .least = 5},
                 {.title = "SERIAL", .cut = Table::Cut::begin, .least = 6}});
    table.add_row({"a", "b", "größer als es geht", "0123456789"});
    CHECK(table.to_text() == "NAME  KIND  TEXT                SERIAL\n"
                             "a     b     größer als es geht  0123456789\n");
    CHECK(table.to_text(42) == table.to_text());
    CHECK(table.to_text(41) == "NAME  TEXT                SERIAL\n"
                               "a     größer als es geht  0123456789\n");
    CHECK(table.to_text(26) == "NAME  TEXT      SERIAL\n"
                               "a     größe...  0123456789\n");
    CHECK(table.to_text(24) == "NAME  TEXT     SERIAL\n"
                               "a     größ...  ...456789\n");
    CHECK(table.to_text(1) == "NAME  TEXT   SERIAL\n"
                              "a     gr...  ...789\n");
}

TEST_CASE("counts and times keep their width") {
    CHECK(counter_text(9'999'999'999) == "9999999999");
    CHECK(counter_text(10'000'000'000) == "10.0G");
    CHECK(counter_text(UINT64_MAX) == "18446744T");
    CHECK(count_text(999.4) == "999");
    CHECK(count_text(999.6) == "1.0k");
    CHECK(time_text(154) == "154us");
    CHECK(time_text(10'240) == "10.2ms");
    CHECK(time_text(60e6) == "60.0s");
}
