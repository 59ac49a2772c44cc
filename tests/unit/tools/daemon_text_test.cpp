// What `uaoe list` and `uaoe show` print of the daemon's JSON.
#include "tools/daemon_text.hpp"

#include "sample_target.hpp"
#include "tools/json_text.hpp"
#include "tools/text.hpp"

#include <doctest/doctest.h>

using namespace uaoe;
using namespace uaoe::tools;
using namespace std::chrono_literals;

namespace {

std::vector<ListEntry> sample_entries() {
    ListEntry attached{.address = {7, 3},
                       .device = "/dev/ublkb0",
                       .front_end = "ublk",
                       .state = "up",
                       .options = {FrontEndKind::ublk, 5s, true},
                       .info = {}};
    attached.info.sectors = {4096};
    attached.info.identify = sample_target().identify;
    const ListEntry waiting{.address = {8, 0},
                            .device = {},
                            .front_end = "auto",
                            .state = "waiting",
                            .options = {FrontEndKind::automatic, 0s, false},
                            .info = {}};
    return {attached, waiting};
}

} // namespace

TEST_CASE("the list as a table") {
    CHECK(list_table(list_json(sample_entries()), any_columns) ==
          "ADDRESS  DEVICE       FRONTEND      SIZE  STATE    MODE  FAIL AFTER  MODEL      SERIAL\n"
          "7.3      /dev/ublkb0  ublk      2.00 MiB  up       ro           5 s  Some Disk  S1\n"
          "8.0      -            auto             ?  waiting  rw         never\n");
}

TEST_CASE("the list as lines is what was sent") {
    CHECK(list_lines(list_json(sample_entries())) == list_json(sample_entries()));
    CHECK(list_lines(list_json({})) == "[]\n");
}

TEST_CASE("one LUN with its paths") {
    ShowStatus status = sample_status();
    status.device.fenced_writes = 42;
    status.device.operations[0] = {.requests = 12345, .bytes = 1U << 20U, .errors = 6};
    status.device.operations[0].latency.add(100us);
    status.ports = {{.interface = "eth1", .frames = {.frames_dropped = 5, .frames_unsendable = 1}},
                    {.interface = "eth2", .frames = {}}};
    const std::string text = show_text(show_json(status, sample_interfaces()), 80);
    CHECK(text.find("device         /dev/ublkb0 (ublk)\n") != std::string::npos);
    CHECK(text.find("size           2.00 MiB (2097152 bytes)\n") != std::string::npos);
    CHECK(text.find("fenced writes  42\n") != std::string::npos);
    CHECK(text.find("read          12345  1.00 MiB       6  104us  112us\n") != std::string::npos);
    CHECK(text.find("write             0       0 B       0      -      -\n") != std::string::npos);
    CHECK(text.ends_with("\n\neth1: 5 frames dropped (no room), 0 too long, 1 not sendable\n"));
    CHECK(text.find("   2  eth2 ") != std::string::npos);
}

TEST_CASE("answers that make no sense do no harm") {
    for (const char* json : {"", "7", "[7]", "[{}]", "{}", R"([{"address":7,"size_bytes":-1}])",
                             R"({"requests":7,"paths":[7]})", "{"}) {
        static_cast<void>(list_table(json, 80));
        static_cast<void>(show_text(json, 80));
        static_cast<void>(list_lines(json));
    }
    for (const char* json : {"{}", "7", "[7]", "[[]]", R"([{},""])"}) {
        CHECK(list_table(json, 80).empty());
        CHECK(list_lines(json).empty());
    }
    CHECK(list_table(R"([{"address":"\u001b[2J"}])", 80).find('\x1b') == std::string::npos);
}
