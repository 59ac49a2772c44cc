// The stable JSON: keys, types, and text that is not UTF-8.
#include "tools/json_text.hpp"

#include "sample_target.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace uaoe;
using namespace uaoe::tools;
using Json = nlohmann::json;

TEST_CASE("discover --json has the promised keys") {
    const std::vector<initiator::TargetStatus> targets{sample_target(), sample_target()};
    const Json json = Json::parse(discover_json(targets, sample_interfaces()));
    REQUIRE(json.size() == 2);
    const Json& target = json[0];
    CHECK(target["address"] == "7.3");
    CHECK(target["size_bytes"] == 2097152);
    CHECK(target["model"] == "Some Disk");
    CHECK(target["serial"] == "S1");
    CHECK(target["firmware"] == "V25");
    CHECK(target["buffer_count"] == 16);
    CHECK(target["sectors_per_frame"] == 17);
    CHECK(target["config_string"] == "blue");
    CHECK_FALSE(target.contains("config_string_hex"));
    CHECK(target["state"] == "ready");
    REQUIRE(target["paths"].size() == 2);
    CHECK(target["paths"][1]["interface"] == "eth2");
    CHECK(target["paths"][1]["local_mac"] == "02:00:00:00:00:02");
    CHECK(target["paths"][1]["target_mac"] == "02:00:00:00:01:01");
}

TEST_CASE("an empty list is an empty array") {
    CHECK(Json::parse(discover_json({}, {})) == Json::array());
}

TEST_CASE("a config string that is not UTF-8 is valid JSON, and whole in hexadecimal") {
    auto target = sample_target();
    target.config_string = "a\xff\n";
    const Json json = Json::parse(discover_json({{target}}, sample_interfaces()))[0];
    CHECK(json["config_string"] == "a\xef\xbf\xbd\n");
    CHECK(json["config_string_hex"] == "61ff0a");
}

TEST_CASE("a path on an interface that is not known breaks nothing") {
    const Json json = Json::parse(discover_json({{sample_target()}}, {}))[0];
    CHECK(json["paths"][0]["interface"] == "");
}

TEST_CASE("show --json has the promised keys") {
    ShowStatus status = sample_status();
    status.front_end = "nbd-socket";
    status.device_name = "nbd+unix:///7.3?socket=/x";
    status.device.operations[1] = {.requests = 5, .bytes = 2560, .errors = 1};
    status.device.fenced_writes = 2;
    const std::string text = show_json(status, sample_interfaces());
    CHECK(text.find('\n') == text.size() - 1);
    const Json json = Json::parse(text);
    for (const char* key : {"address", "device", "frontend", "size_bytes", "state", "requests",
                            "paths", "write_cache", "fenced_writes"}) {
        CHECK_MESSAGE(json.contains(key), key);
    }
    CHECK(json["requests"]["write"]["requests_count"] == 5);
    CHECK(json["fenced_writes"] == 2);
    for (const char* key :
         {"interface", "target_mac", "state", "srtt_us", "rttvar_us", "rto_us", "cwnd", "ssthresh",
          "in_flight", "sectors_per_frame", "sent", "received", "retransmitted", "spurious"}) {
        CHECK_MESSAGE(json["paths"][0].contains(key), key);
    }
    CHECK(json["paths"][0]["srtt_us"] == 150);
    CHECK_FALSE(json.contains("interfaces")); // nobody asked
}

TEST_CASE("show --json has the histograms, bucket by bucket, and the interfaces") {
    using namespace std::chrono_literals;
    ShowStatus status{.device = {},
                      .target = sample_target(),
                      .counters = {},
                      .front_end = "ublk",
                      .device_name = "/dev/ublkb0",
                      .ports = {{.interface = "eth1",
                                 .up = true,
                                 .mtu_bytes = 9000,
                                 .frames = {.frames_sent = 3, .frames_dropped = 8}}}};
    status.device.operations[1].latency.add(100us);
    status.device.operations[1].latency.add(101us);
    status.device.operations[1].latency.add(1000s);
    status.target.paths[0].round_trips.add(1us);
    const Json json = Json::parse(show_json(status, sample_interfaces()));
    const Json& write = json["requests"]["write"];
    CHECK(write["latency_buckets"] == Json::parse(R"([{"up_to_us":112,"count":2},
                                                      {"up_to_us":null,"count":1}])"));
    CHECK(write["latency_sum_us"] == 1'000'000'201);
    CHECK(write["latency_p50_us"] == 108);
    CHECK(json["requests"]["read"]["latency_buckets"] == Json::array());
    CHECK_FALSE(json["requests"]["read"].contains("latency_p50_us"));
    CHECK(json["paths"][0]["rtt_buckets"] == Json::parse(R"([{"up_to_us":1,"count":1}])"));
    CHECK(json["paths"][0]["rtt_sum_us"] == 1);
    CHECK(json["interfaces"][0]["frames_dropped"] == 8);
    CHECK(json["interfaces"][0]["mtu_bytes"] == 9000);
}

TEST_CASE("the status has LUNs as show does, and those that are not attached as list does") {
    ShowStatus show{.device = {},
                    .target = sample_target(),
                    .counters = {},
                    .front_end = "ublk",
                    .device_name = "/dev/ublkb0"};
    show.device.info.address = {7, 3};
    DaemonStatus status{.luns = {{.entry = {}, .show = show}, {.entry = {}, .show = {}}},
                        .shards = {{.counters = {.late = 4}, .targets_count = 2, .ports = {}}},
                        .interfaces = sample_interfaces(),
                        .uptime = std::chrono::milliseconds{5}};
    status.luns[1].entry.state = "waiting";
    const std::string text = status_json(status);
    CHECK(text.find('\n') == std::string::npos); // it goes into a line of the control protocol
    const Json json = Json::parse(text);
    CHECK(json["uptime_us"] == 5000);
    REQUIRE(json["luns"].size() == 2);
    CHECK(json["luns"][0]["paths"][1]["interface"] == "eth2");
    CHECK(json["luns"][1]["state"] == "waiting");
    CHECK_FALSE(json["luns"][1].contains("requests"));
    CHECK(json["shards"][0]["frames"]["late"] == 4);
    CHECK(json["shards"][0]["targets_count"] == 2);
}

TEST_CASE("a change is one line, of a target or of a path") {
    const Json found =
        Json::parse(watch_json("found", sample_target(), std::nullopt, sample_interfaces()));
    CHECK(found["change"] == "found");
    CHECK(found["address"] == "7.3");
    CHECK(found["paths"].size() == 2);
    const Json path = Json::parse(watch_json("path_lost", sample_target(), 1, sample_interfaces()));
    CHECK(path["address"] == "7.3");
    CHECK(path["path"]["interface"] == "eth2");
    CHECK(path["path"]["state"] == "down");
}

TEST_CASE("ping --json leaves out round trips that are none") {
    const std::vector<PingStatistics> paths{
        {.interface = "eth1", .target_mac = "02:00:00:00:01:00", .sent = 3}};
    const Json json = Json::parse(ping_json({1, 0}, paths));
    CHECK(json["paths"][0]["sent"] == 3);
    CHECK(json["paths"][0]["answered"] == 0);
    CHECK_FALSE(json["paths"][0].contains("rtt_min_us"));
}

TEST_CASE("identify --json has the raw data when asked") {
    CHECK_FALSE(Json::parse(identify_json(sample_target(), false)).contains("identify_data_hex"));
    const Json json = Json::parse(identify_json(sample_target(), true));
    CHECK(json["identify_data_hex"].get<std::string>().size() == 1024);
    CHECK(json["sectors_count"] == 4096);
}
