// Reservations, step by step, against a model target; and what is printed of lists.
#include "asked_target.hpp"
#include "tools/admin_text.hpp"

#include <doctest/doctest.h>

using namespace uaoe;
using namespace uaoe::tools;

namespace {

target::LunConfig reserved_for(MacList macs) {
    target::LunConfig config;
    config.reserved_for = std::move(macs);
    return config;
}

bool contains(const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a target is reserved, and released") {
    AskedTarget target;
    const Administered one = target.administered();
    CHECK(read_reservation(one)->empty());
    CHECK(set_reservation(one, {this_host, other_host}, false).has_value());
    CHECK(read_reservation(one) == MacList{this_host, other_host});
    CHECK(set_reservation(one, {this_host}, false).has_value());
    CHECK(set_reservation(one, {}, false).has_value());
    CHECK(read_reservation(one)->empty());
    CHECK(set_reservation(one, {}, false).has_value());
}

TEST_CASE("one that is reserved for others is refused, with who they are, and taken by force") {
    for (const bool is_short : {false, true}) {
        auto config = reserved_for({other_host});
        config.quirks.short_errors = is_short;
        AskedTarget target(config);
        const Administered one = target.administered();
        const auto refused = set_reservation(one, {this_host}, false);
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error().exit_code == ExitCode::failed);
        CHECK(refused.error().line() ==
              "cannot reserve 1.0: it is reserved for 02:00:00:00:00:02; `uaoe reserve force 1.0` "
              "takes it");
        CHECK(contains(set_reservation(one, {}, false).error().line(),
                       "cannot release 1.0: it is reserved for 02:00:00:00:00:02; `uaoe reserve "
                       "release 1.0 --force` releases it"));
        CHECK(read_reservation(one) == MacList{other_host});
        CHECK(set_reservation(one, {this_host}, true).has_value());
        CHECK(read_reservation(one) == MacList{this_host});
    }
}

TEST_CASE("being refused because of one's own earlier copy is success") {
    AskedTarget target;
    target.loses_first_answers = true;
    // This host is not in the list that it sets, so the second copy is refused.
    CHECK(set_reservation(target.administered(), {other_host, third_host}, false).has_value());
    CHECK(read_reservation(target.administered()) == MacList{other_host, third_host});
}

TEST_CASE("what a target confirms and does not do is not reported as done") {
    target::LunConfig config;
    config.quirks.lists_ignored = true;
    AskedTarget target(config);
    const auto set = set_reservation(target.administered(), {this_host}, false);
    REQUIRE_FALSE(set.has_value());
    CHECK(contains(set.error().line(), "reserved for nobody now"));
}

TEST_CASE("no reservations, nobody there, and nonsense") {
    target::LunConfig config;
    config.quirks.lists_unknown = true;
    AskedTarget unknown(config);
    CHECK(contains(read_reservation(unknown.administered()).error().line(),
                   "does not know the command"));
    AskedTarget gone;
    gone.is_gone = true;
    CHECK(set_reservation(gone.administered(), {}, true).error().exit_code ==
          ExitCode::no_such_target);
    Administered one = gone.administered();
    one.ask = [](const initiator::AdminQuestion&) {
        return initiator::AdminAnswer{.argument = {std::byte{0}, std::byte{2}, std::byte{9}}};
    };
    CHECK(contains(read_reservation(one).error().line(), "contradicts itself"));
}

TEST_CASE("lists are shown with the interfaces that have the addresses") {
    const std::vector<Interface> interfaces = {{.name = "eth1", .mac = this_host}};
    CHECK(macs_table({this_host, other_host}, interfaces) == "MAC                INTERFACE\n"
                                                             "02:00:00:00:00:01  eth1\n"
                                                             "02:00:00:00:00:02\n");
    CHECK(macs_json({1, 0}, "mask_list", {this_host, other_host}, interfaces) ==
          R"({"address":"1.0","mask_list":[{"mac":"02:00:00:00:00:01","interface":"eth1"},)"
          R"({"mac":"02:00:00:00:00:02","interface":null}]})"
          "\n");
    CHECK(config_json({1, 0}, std::string("a\xff", 2)) ==
          "{\"address\":\"1.0\",\"config_string\":\"a\xef\xbf\xbd\",\"config_string_hex\":\"61ff\"}"
          "\n");
    CHECK(config_test_json({1, 0}, {.matches = false, .present = "x"}) ==
          "{\"address\":\"1.0\",\"config_string\":\"x\",\"matches\":false}\n");
}
