// The command lines of config, mask and reserve.
#include "command_line_support.hpp"

#include <doctest/doctest.h>

using namespace uaoe;
using namespace uaoe::tools;
using namespace std::chrono_literals;

namespace {

const std::string mac_text = "02:00:00:00:00:07";
constexpr proto::MacAddress mac{{2, 0, 0, 0, 0, 7}};

} // namespace

TEST_CASE("config: its verbs") {
    using Verb = ConfigOptions::Verb;
    const auto get = parsed<ConfigOptions>({"config", "get", "1.0", "-i", "eth1", "-i", "eth2"});
    CHECK(get.verb == Verb::get);
    CHECK(get.admin.address == proto::Address{1, 0});
    CHECK(get.admin.interfaces == std::vector<std::string>{"eth1", "eth2"});
    CHECK(get.admin.wait == 3000ms);
    CHECK_FALSE(get.admin.json);
    const auto set = parsed<ConfigOptions>(
        {"config", "set", "1.0", "two words", "-i", "eth1", "--force", "--json", "--wait", "50"});
    CHECK(set.verb == Verb::set);
    CHECK(set.string == "two words");
    CHECK(set.force);
    CHECK(set.admin.json);
    CHECK(set.admin.wait == 50ms);
    const auto test =
        parsed<ConfigOptions>({"config", "test", "1.0", "", "-i", "eth1", "--prefix"});
    CHECK(test.verb == Verb::test);
    CHECK(test.is_prefix);
    CHECK(parsed<ConfigOptions>({"config", "clear", "1.0", "-i", "eth1"}).verb == Verb::clear);
    // The address may come first, and a string may begin with a dash.
    CHECK(parsed<ConfigOptions>({"config", "1.0", "set", "x", "-i", "eth1"}).string == "x");
    CHECK(parsed<ConfigOptions>({"config", "set", "-i", "eth1", "1.0", "--", "-x"}).string == "-x");
}

TEST_CASE("mask: its verbs") {
    using Verb = MaskOptions::Verb;
    CHECK(parsed<MaskOptions>({"mask", "list", "1.0", "-i", "eth1"}).verb == Verb::list);
    const auto add = parsed<MaskOptions>(
        {"mask", "add", "1.0", "-i", "eth1", mac_text, "02:00:00:00:00:08", mac_text, "--force"});
    CHECK(add.verb == Verb::add);
    CHECK(add.macs.size() == 2);
    CHECK(add.macs[0] == mac);
    CHECK(add.force);
    CHECK(parsed<MaskOptions>({"mask", "remove", "1.0", mac_text, "-i", "eth1"}).verb ==
          Verb::remove);
    CHECK(parsed<MaskOptions>({"mask", "1.0", "clear", "-i", "eth1"}).verb == Verb::clear);
}

TEST_CASE("reserve: its verbs") {
    using Verb = ReserveOptions::Verb;
    CHECK(parsed<ReserveOptions>({"reserve", "get", "1.0", "-i", "eth1"}).verb == Verb::get);
    const auto set = parsed<ReserveOptions>({"reserve", "set", "1.0", "-i", "eth1"});
    CHECK(set.verb == Verb::set);
    CHECK(set.macs.empty());
    const auto force = parsed<ReserveOptions>({"reserve", "force", "1.0", mac_text, "-i", "eth1"});
    CHECK(force.verb == Verb::force);
    CHECK(force.macs == std::vector{mac});
    const auto release =
        parsed<ReserveOptions>({"reserve", "release", "1.0", "--force", "-i", "eth1"});
    CHECK(release.verb == Verb::release);
    CHECK(release.force);
}

TEST_CASE("smart: its options") {
    const auto plain = parsed<SmartOptions>({"smart", "1.0", "-i", "eth1"});
    CHECK_FALSE(plain.test.has_value());
    CHECK_FALSE(plain.log);
    const auto test = parsed<SmartOptions>(
        {"smart", "1.0", "-i", "eth1", "--test", "long", "--follow", "--json"});
    CHECK(test.test == proto::SmartTest::extended);
    CHECK(test.follow);
    CHECK(test.admin.json);
    CHECK(parsed<SmartOptions>({"smart", "1.0", "-i", "x", "--log"}).log);
    CHECK(parsed<SmartOptions>({"smart", "1.0", "-i", "x", "--enable"}).enable);
    CHECK(contains(refusal({"smart", "1.0", "-i", "x", "--test", "captive"}), "short"));
    CHECK(contains(refusal({"smart", "1.0", "-i", "x", "--follow"}), "--test"));
    CHECK(contains(refusal({"smart", "1.0", "-i", "x", "--test", "short", "--log"}), "--log"));
    CHECK(contains(refusal({"smart", "1.0"}), "--interface"));
}

TEST_CASE("what is wrong is said by the command it is wrong in") {
    CHECK(contains(refusal({"config"}), "uaoe config: say what to do: get, set, test or clear"));
    CHECK(contains(refusal({"mask", "drop", "1.0"}), "there is no \"drop\"; say list, add"));
    CHECK(contains(refusal({"config", "1.0"}), "there is no \"1.0\""));
    CHECK(contains(refusal({"config", "get", "1.0"}), "--interface"));
    CHECK(contains(refusal({"config", "get", "one", "-i", "x"}), "shelf.slot"));
    CHECK(contains(refusal({"config", "get", "65535.255", "-i", "x"}), "shelf.slot"));
    CHECK(contains(refusal({"config", "set", "1.0", "-i", "x"}), "see `uaoe config set --help`"));
    CHECK(contains(refusal({"config", "set", "1.0", "", "-i", "x"}), "uaoe config clear"));
    CHECK(contains(refusal({"config", "set", "1.0", std::string(1025, 'x'), "-i", "x"}), "1024"));
    CHECK(contains(refusal({"config", "test", "1.0", std::string(1025, 'x'), "-i", "x"}), "1024"));
    CHECK(contains(refusal({"config", "clear", "1.0", "x", "-i", "x"}), "x"));
    CHECK(contains(refusal({"mask", "add", "1.0", "-i", "x"}), "MAC"));
    CHECK(contains(refusal({"mask", "list", "1.0", mac_text, "-i", "x"}), mac_text.c_str()));
    for (const char* bad : {"02:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01",
                            "00:00:00:00:00:00", "nonsense"}) {
        CHECK(contains(refusal({"mask", "add", "1.0", bad, "-i", "x"}), bad));
        CHECK(contains(refusal({"reserve", "set", "1.0", bad, "-i", "x"}), bad));
    }
    std::vector<std::string> many = {"mask", "add", "1.0", "-i", "x"};
    for (int i = 0; i < 256; ++i) {
        constexpr const char* digits = "0123456789abcdef";
        many.push_back(std::string("02:00:00:00:01:") + digits[i / 16] + digits[i % 16]);
    }
    CHECK(contains(refusal(many), "at most 255"));
    many.pop_back();
    CHECK(parsed<MaskOptions>(many).macs.size() == 255);
}

TEST_CASE("each verb has a help with an example that is a command line") {
    for (const std::vector<std::string>& command :
         std::vector<std::vector<std::string>>{{"smart"},
                                               {"config"},
                                               {"config", "get"},
                                               {"config", "set"},
                                               {"config", "test"},
                                               {"config", "clear"},
                                               {"mask"},
                                               {"mask", "list"},
                                               {"mask", "add"},
                                               {"mask", "remove"},
                                               {"mask", "clear"},
                                               {"reserve"},
                                               {"reserve", "get"},
                                               {"reserve", "set"},
                                               {"reserve", "force"},
                                               {"reserve", "release"}}) {
        auto arguments = command;
        arguments.emplace_back("--help");
        const auto result = parse_command_line(arguments);
        REQUIRE_FALSE(result.has_value());
        CHECK(result.error().exit_code == ExitCode::done);
        CHECK(contains(result.error().output, "Example"));
        CHECK(contains(result.error().output, ("uaoe " + command.front()).c_str()));
    }
}
