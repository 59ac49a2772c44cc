// The control protocol: both directions, and what is not understood.
#include "tools/control_protocol.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace uaoe;
using namespace uaoe::tools;
using namespace std::chrono_literals;

namespace {

std::string without_newline(std::string line) {
    REQUIRE(line.ends_with('\n'));
    line.pop_back();
    CHECK(line.find('\n') == std::string::npos);
    return line;
}

void check_round_trip(const ControlRequest& request) {
    const auto parsed = parse_request(without_newline(request_line(request)));
    REQUIRE_MESSAGE(parsed.has_value(), (parsed ? "" : parsed.error().line()));
    CHECK(*parsed == request);
}

std::string refusal(std::string_view line) {
    const auto parsed = parse_request(line);
    REQUIRE_FALSE(parsed.has_value());
    return parsed.error().line();
}

} // namespace

TEST_CASE("requests come out as they went in") {
    check_round_trip(AttachRequest{.address = {1, 0}});
    check_round_trip(AttachRequest{.address = {65534, 254},
                                   .front_end = FrontEndKind::nbd,
                                   .nbd_index = 3,
                                   .fail_after = 5s,
                                   .read_only = true,
                                   .in_order = true,
                                   .wait = 0s,
                                   .persist = true});
    check_round_trip(DetachRequest{.target = "/dev/ublkb0", .force = true});
    check_round_trip(DetachRequest{.target = "quote\" and \\ and \x01"});
    check_round_trip(DetachRequest{.target = "e1.0", .keep = true});
    check_round_trip(AttachAllRequest{});
    check_round_trip(RevalidateRequest{.target = "e1.0"});
    check_round_trip(InterfacesRequest{});
    check_round_trip(InterfacesRequest{.wanted = std::vector<std::string>{}});
    check_round_trip(InterfacesRequest{.wanted = std::vector<std::string>{"eth1", "eth2"}});
    check_round_trip(ListRequest{});
    check_round_trip(ShowRequest{.target = "1.0"});
    check_round_trip(StatusRequest{});
    check_round_trip(MetricsRequest{});
    check_round_trip(EventsRequest{});
    check_round_trip(EventsRequest{.address = proto::Address{1, 0}});
}

TEST_CASE("what only looks, and what changes something") {
    CHECK_FALSE(changes_anything(ListRequest{}));
    CHECK_FALSE(changes_anything(InterfacesRequest{}));
    CHECK(changes_anything(InterfacesRequest{.wanted = std::vector<std::string>{}}));
    CHECK(changes_anything(AttachAllRequest{}));
    CHECK(changes_anything(RevalidateRequest{.target = "1.0"}));
    CHECK(changes_anything(DetachRequest{.target = "1.0"}));
}

TEST_CASE("the answers that are objects come out as they went in, and others are none") {
    const auto attached =
        attached_all_of(attached_all_json({.attached_count = 3, .failures = {"1.0: \"no\""}}));
    REQUIRE(attached.has_value());
    CHECK(attached->attached_count == 3);
    CHECK(attached->failures == std::vector<std::string>{"1.0: \"no\""});
    const auto interfaces =
        interfaces_of(interfaces_json({.interfaces = {"eth1", "eth2"}, .restarts = true}));
    REQUIRE(interfaces.has_value());
    CHECK(interfaces->interfaces == std::vector<std::string>{"eth1", "eth2"});
    CHECK(interfaces->restarts);
    for (const char* wrong :
         {"", "7", "{}", R"({"attached_count":-1,"failures":[]})",
          R"({"attached_count":1,"failures":[7]})", R"({"interfaces":7,"restarts":true})",
          R"({"interfaces":[],"restarts":7})"}) {
        CHECK_FALSE(attached_all_of(wrong).has_value());
        CHECK_FALSE(interfaces_of(wrong).has_value());
    }
}

TEST_CASE("a reply carries a result or an error") {
    const auto reply = parse_reply(without_newline(reply_line(json_string("/dev/ublkb0"))));
    REQUIRE(reply.has_value());
    CHECK(string_of_json(*reply) == "/dev/ublkb0");
    const Error error{.what = "cannot",
                      .why = "because \"so\"",
                      .what_to_do = "do",
                      .exit_code = ExitCode::no_such_target};
    const auto failed = parse_reply(without_newline(reply_line(std::unexpected(error))));
    REQUIRE_FALSE(failed.has_value());
    CHECK(failed.error().line() == error.line());
    CHECK(failed.error().exit_code == ExitCode::no_such_target);
}

TEST_CASE("an error never reads as done, whatever its exit code says") {
    const auto failed =
        parse_reply(R"({"ok":false,"what":"a","why":"","what_to_do":"","exit_code":0})");
    REQUIRE_FALSE(failed.has_value());
    CHECK(failed.error().exit_code == ExitCode::failed);
}

TEST_CASE("a reply that makes no sense is the daemon's fault") {
    for (const char* line : {"", "{}", "[]", "null", R"({"ok":true})", R"({"ok":"yes","result":1})",
                             R"({"ok":false,"what":1})", "{\"ok\":true,\"result\":"}) {
        const auto reply = parse_reply(line);
        REQUIRE_FALSE(reply.has_value());
        CHECK(reply.error().exit_code == ExitCode::daemon_unreachable);
    }
}

TEST_CASE("a request that is wrong is refused with the reason") {
    CHECK(refusal("").find("not a JSON object") != std::string::npos);
    CHECK(refusal("[1]").find("not a JSON object") != std::string::npos);
    CHECK(refusal("{}").find("\"command\"") != std::string::npos);
    CHECK(refusal(R"({"command":7})").find("\"command\"") != std::string::npos);
    CHECK(refusal(R"({"command":"format"})").find("no command") != std::string::npos);
    CHECK(refusal(R"({"command":"attach"})").find("\"address\"") != std::string::npos);
    CHECK(
        refusal(R"({"command":"attach","address":"1.0","fail_after":5})").find("has no \"fail_") !=
        std::string::npos);
    CHECK(refusal(R"({"command":"attach","address":"1.0","wait_s":-1})").find("wait_s") !=
          std::string::npos);
    CHECK(refusal(R"({"command":"attach","address":"1.0","wait_s":1e30})").find("wait_s") !=
          std::string::npos);
    CHECK(refusal(R"({"command":"attach","address":"1.0","frontend":"floppy"})").find("frontend") !=
          std::string::npos);
    CHECK(refusal(R"({"command":"detach","target":["1.0"]})").find("target") != std::string::npos);
    CHECK(refusal(R"({"command":"interfaces","wanted":"eth1"})").find("wanted") !=
          std::string::npos);
    CHECK(refusal(R"({"command":"interfaces","wanted":[1]})").find("wanted") != std::string::npos);
    CHECK(refusal(R"({"command":"list","all":true})").find("\"all\"") != std::string::npos);
    CHECK(refusal(R"({"command":"status","all":true})").find("\"all\"") != std::string::npos);
    CHECK(refusal(R"({"command":"events","address":"x"})").find("shelf.slot") != std::string::npos);
    CHECK(refusal(R"({"command":"events","address":7})").find("address") != std::string::npos);
    CHECK(refusal(R"({"command":"events","all":true})").find("\"all\"") != std::string::npos);
    CHECK(refusal(R"({"command":"metrics","all":true})").find("\"all\"") != std::string::npos);
}

TEST_CASE("garbage is refused, not believed") {
    std::mt19937 random(7); // NOLINT: the same every time
    const std::string right = without_newline(request_line(AttachRequest{.address = {1, 0}}));
    for (int round = 0; round < 20000; ++round) {
        std::string line = right;
        for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
            line[random() % line.size()] = static_cast<char>(random());
        }
        line.resize(random() % 3 == 0 ? random() % line.size() : line.size());
        static_cast<void>(parse_request(line));
        static_cast<void>(parse_reply(line));
    }
    CHECK_FALSE(parse_request(std::string(4000, '[')).has_value());
    CHECK_FALSE(parse_request(std::string(4000, '\0')).has_value());
}

TEST_CASE("only looking is known to change nothing") {
    CHECK_FALSE(changes_anything(ListRequest{}));
    CHECK_FALSE(changes_anything(ShowRequest{.target = "1.0"}));
    CHECK_FALSE(changes_anything(StatusRequest{}));
    CHECK_FALSE(changes_anything(MetricsRequest{}));
    CHECK_FALSE(changes_anything(EventsRequest{}));
    CHECK(changes_anything(AttachRequest{.address = {1, 0}}));
    CHECK(changes_anything(DetachRequest{.target = "1.0"}));
}
