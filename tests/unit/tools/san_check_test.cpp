// `uaoe check`: each kind of fault is found where it is, and nothing is found where nothing is
// wrong.
#include "tools/san_check.hpp"

#include "tools/command_line.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <ranges>

using namespace uaoe;
using namespace uaoe::tools;
using initiator::PathState;
using initiator::TargetState;

namespace {

CheckedPath path_of(std::size_t interface_index, std::uint8_t mac) {
    return {.interface_index = interface_index,
            .target_mac = {{2, 0, 0, 0, 0, mac}},
            .state = PathState::up,
            .payload_bytes = 8704,
            .mtu_payload_bytes = 8704,
            .advertised_bytes = 8704,
            .is_proven = true,
            .buffer_count = 16};
}

CheckedTarget target_of(proto::Address address) {
    return {.address = address,
            .state = TargetState::ready,
            .model = "M",
            .serial = "S1",
            .paths = {path_of(0, 1), path_of(1, 2)}};
}

// Two interfaces, two targets with two ports each.
SanReport clean_report() {
    return {.interfaces = {{.name = "eth1", .is_up = true, .is_named = true, .mtu_bytes = 9000},
                           {.name = "eth2", .is_up = true, .is_named = true, .mtu_bytes = 9000}},
            .targets = {target_of({1, 0}), target_of({1, 1})}};
}

std::vector<std::string> kinds_of(const SanReport& report) {
    std::vector<std::string> kinds;
    for (const Finding& finding : find_faults(report)) {
        kinds.emplace_back(finding.kind);
        CHECK_FALSE(finding.what.empty());
        CHECK_FALSE(finding.advice.empty());
    }
    return kinds;
}

using Kinds = std::vector<std::string>;

} // namespace

TEST_CASE("nothing is wrong with a SAN that is as it should be") {
    const SanReport report = clean_report();
    CHECK(find_faults(report).empty());
    CHECK(check_text(report, {}, 80) ==
          "INTERFACE  STATE   MTU  TARGETS\n"
          "eth1       up     9000        2\n"
          "eth2       up     9000        2\n"
          "\n"
          "ADDRESS  INTERFACE  TARGET MAC         STATE    PAYLOAD  BUFFERS\n"
          "1.0      eth1       02:00:00:00:00:01  up     8704/8704       16\n"
          "1.0      eth2       02:00:00:00:00:02  up     8704/8704       16\n"
          "1.1      eth1       02:00:00:00:00:01  up     8704/8704       16\n"
          "1.1      eth2       02:00:00:00:00:02  up     8704/8704       16\n"
          "\n"
          "nothing is wrong\n");
}

TEST_CASE("interfaces that are down, or reach nothing") {
    SanReport report = clean_report();
    report.interfaces.push_back({.name = "eth3", .is_up = false, .is_named = true});
    CHECK(kinds_of(report) == Kinds{"interface_down"});
    report.interfaces[2].is_up = true;
    CHECK(kinds_of(report) == Kinds{"nothing_reached"});
    report.interfaces[2].is_named = false; // of the LAN, most likely
    CHECK(kinds_of(report).empty());
}

TEST_CASE("targets that are not ready") {
    for (const auto& [state, kind] :
         {std::pair{TargetState::mute, "mute"}, std::pair{TargetState::identifying, "mute"},
          std::pair{TargetState::reserved, "reserved"},
          std::pair{TargetState::unavailable, "unavailable"},
          std::pair{TargetState::failed, "failed"}}) {
        SanReport report = clean_report();
        report.targets[1].state = state;
        for (CheckedPath& path : report.targets[1].paths) {
            path.state = PathState::unverified;
            path.is_proven = false;
        }
        CHECK(kinds_of(report) == Kinds{kind});
        CHECK(find_faults(report)[0].addresses == std::vector<proto::Address>{{1, 1}});
    }
}

TEST_CASE("two disks with one address, and what they say") {
    SanReport report = clean_report();
    CheckedPath other = path_of(1, 9);
    other.state = PathState::conflict;
    other.other_serial = "S2";
    report.targets[0].paths.push_back(other);
    const auto findings = find_faults(report);
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].kind == "conflict");
    CHECK(findings[0].what == "two different disks have this address: serial S1 at "
                              "02:00:00:00:00:01 on eth1, serial S2 at 02:00:00:00:00:09 on eth2");
    report.targets[0].paths.back().other_serial.clear(); // it did not say
    CHECK(find_faults(report)[0].what.find("another one at 02:00:00:00:00:09") !=
          std::string::npos);
}

TEST_CASE("a buffer count of 0 or 1") {
    for (const std::uint32_t count : {0U, 1U, 2U}) {
        SanReport report = clean_report();
        for (CheckedPath& path : report.targets[0].paths) {
            path.buffer_count = count;
        }
        CHECK(kinds_of(report) == (count < 2 ? Kinds{"few_buffers"} : Kinds{}));
    }
}

TEST_CASE("a path that carries less than both ends allow") {
    SanReport report = clean_report();
    for (CheckedTarget& target : report.targets) {
        for (CheckedPath& path : target.paths) {
            path.payload_bytes = 1024;
        }
    }
    const auto findings = find_faults(report);
    REQUIRE(findings.size() == 2); // one for each interface, of both targets
    CHECK(findings[0].kind == "payload_limited");
    CHECK(findings[0].addresses == std::vector<proto::Address>{{1, 0}, {1, 1}});
    CHECK(findings[0].interface == "eth1");
    CHECK(findings[0].what == "only 1024 bytes of 8704 pass a frame");
    CHECK(findings[1].interface == "eth2");
    report.targets[0].paths[0].is_proven = false;
    CHECK(find_faults(report)[0].kind == "payload_unproven");
}

TEST_CASE("MTUs that do not fit, on either side") {
    SanReport report = clean_report();
    report.targets.pop_back();
    report.interfaces[0].mtu_bytes = report.interfaces[1].mtu_bytes = 1500;
    for (CheckedPath& path : report.targets[0].paths) {
        path.mtu_payload_bytes = path.payload_bytes = 1024;
    }
    auto findings = find_faults(report);
    REQUIRE(findings.size() == 2);
    CHECK(findings[0].kind == "mtu_mismatch");
    CHECK(findings[0].what == "its MTU of 1500 carries 1024 bytes, and the target takes 8704");
    report = clean_report();
    report.targets.pop_back();
    for (CheckedPath& path : report.targets[0].paths) {
        path.advertised_bytes = path.payload_bytes = 1024;
    }
    findings = find_faults(report);
    REQUIRE(findings.size() == 2);
    CHECK(findings[0].what == "its MTU of 9000 carries 8704 bytes, and the target takes only 1024");
    // Some targets round down to a power of two: 16 sectors of 17 are no mistake.
    for (CheckedPath& path : report.targets[0].paths) {
        path.advertised_bytes = path.payload_bytes = 8192;
    }
    CHECK(find_faults(report).empty());
}

TEST_CASE("uneven paths") {
    SUBCASE("one port of the target at two interfaces") {
        SanReport report = clean_report();
        for (CheckedTarget& target : report.targets) {
            target.paths[1].target_mac = target.paths[0].target_mac;
        }
        const auto findings = find_faults(report);
        REQUIRE(findings.size() == 1);
        CHECK(findings[0].kind == "uneven_paths");
        CHECK(findings[0].what == "2 interfaces here reach 1 port of the target");
        CHECK(findings[0].addresses.size() == 2);
    }
    SUBCASE("two ports at one interface") {
        SanReport report = clean_report();
        report.interfaces.pop_back();
        for (CheckedTarget& target : report.targets) {
            target.paths[1].interface_index = 0;
        }
        CHECK(kinds_of(report) == Kinds{"uneven_paths"});
    }
    SUBCASE("paths that carry different payloads") {
        SanReport report = clean_report();
        report.targets.pop_back();
        report.targets[0].paths[1].payload_bytes = 1024;
        report.targets[0].paths[1].mtu_payload_bytes = 1024;
        report.targets[0].paths[1].advertised_bytes = 1024;
        const auto findings = find_faults(report);
        REQUIRE(findings.size() == 1);
        CHECK(findings[0].kind == "uneven_payload");
        CHECK(findings[0].what ==
              "its paths do not carry the same: 1024 bytes on eth2, 8704 bytes on eth1");
    }
    SUBCASE("one that has stopped answering") {
        SanReport report = clean_report();
        report.targets[0].paths.push_back(path_of(1, 3));
        report.targets[0].paths.back().state = PathState::suspect;
        CHECK(kinds_of(report) == Kinds{"path_silent"});
    }
    SUBCASE("a target that is not reached where its shelf is") {
        SanReport report = clean_report();
        report.targets[1].paths.pop_back();
        const auto findings = find_faults(report);
        REQUIRE(findings.size() == 1);
        CHECK(findings[0].kind == "missing_path");
        CHECK(findings[0].interface == "eth2");
        CHECK(findings[0].addresses == std::vector<proto::Address>{{1, 1}});
        report.is_whole = false; // nothing is known of others
        CHECK(find_faults(report).empty());
        report.is_whole = true;
        report.targets[1].address = {2, 1}; // another shelf need not be there
        CHECK(find_faults(report).empty());
    }
}

TEST_CASE("200 targets with the same fault are one finding, in 80 columns") {
    SanReport report = clean_report();
    report.targets.clear();
    for (std::uint8_t slot = 0; slot < 200; ++slot) {
        CheckedTarget target = target_of({65534, slot});
        target.state = TargetState::mute;
        report.targets.push_back(target);
    }
    const auto findings = find_faults(report);
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].addresses.size() == 200);
    const std::string text = check_text(report, findings, 200);
    CHECK(text.ends_with("65534.0, 65534.1, 65534.2, 65534.3, 65534.4 and 195 more: it answers "
                         "Query Config, and never IDENTIFY\n"
                         "    check the target's log, and whether its disk works\n"
                         "1 finding\n"));
    std::size_t lines_count = 0;
    for (const auto line : std::views::split(text, '\n')) {
        const std::string_view one(line.begin(), line.end());
        lines_count += one.starts_with("65534.") && one.find(" more") == std::string_view::npos;
        CHECK((one.size() <= 80 || one.find(" more") != std::string_view::npos));
    }
    CHECK(lines_count == 400);
}

TEST_CASE("JSON for scripts") {
    SanReport report = clean_report();
    report.targets[0].paths[0].is_proven = false;
    const std::string line = check_json(report, find_faults(report));
    CHECK(line.ends_with("}\n"));
    CHECK(std::ranges::count(line, '\n') == 1);
    const auto json = nlohmann::json::parse(line);
    CHECK(json["interfaces"][0]["name"] == "eth1");
    CHECK(json["interfaces"][0]["mtu_bytes"] == 9000);
    CHECK(json["targets"][0]["address"] == "1.0");
    CHECK(json["targets"][0]["paths"][0]["payload_bytes"].is_null());
    CHECK(json["targets"][0]["paths"][1]["payload_bytes"] == 8704);
    CHECK(json["findings"][0]["kind"] == "payload_unproven");
    CHECK(json["findings"][0]["addresses"][0] == "1.0");
    CHECK(json["findings"][0]["interface"] == "eth1");
    CHECK_FALSE(json["findings"][0]["advice"].get<std::string>().empty());
    CHECK(nlohmann::json::parse(check_json(clean_report(), {}))["findings"].empty());
}

TEST_CASE("what a target says of itself does not reach the terminal as it is") {
    SanReport report = clean_report();
    report.targets[0].serial = "\x1b[2J";
    report.targets[0].paths.push_back(path_of(0, 9));
    report.targets[0].paths.back().state = PathState::conflict;
    report.targets[0].paths.back().other_serial = "\x1b[2J";
    CHECK(check_text(report, find_faults(report), 80).find('\x1b') == std::string::npos);
}

TEST_CASE("check: defaults and everything at once") {
    const auto parsed = [](const std::vector<std::string>& arguments) {
        return std::get<CheckOptions>(parse_command_line(arguments).value());
    };
    const auto plain = parsed({"check"});
    CHECK(plain.interfaces.empty());
    CHECK_FALSE(plain.address.has_value());
    const auto full =
        parsed({"check", "-i", "eth1", "-i", "eth2", "--wait", "500", "--json", "e7.3"});
    CHECK(full.interfaces == std::vector<std::string>{"eth1", "eth2"});
    CHECK(full.wait == std::chrono::milliseconds{500});
    CHECK(full.json);
    CHECK(full.address == proto::Address{7, 3});
    for (const std::vector<std::string>& wrong : {std::vector<std::string>{"check", "one"},
                                                  {"check", "--wait", "0"},
                                                  {"check", "-i", ""},
                                                  {"check", "1.0", "2.0"}}) {
        const auto refused = parse_command_line(wrong);
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error().exit_code == ExitCode::usage);
    }
}
