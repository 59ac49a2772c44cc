// The names of aoetools: their command lines, and the text that their users' scripts read.
#include "tools/aoetools.hpp"

#include "sample_target.hpp"
#include "tools/aoetools_text.hpp"
#include "tools/json_text.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <ranges>

using namespace uaoe;
using namespace uaoe::tools;
using namespace std::chrono_literals;

namespace {

template <class Options>
Options parsed(const std::string& name, const std::vector<std::string>& arguments) {
    const auto result = parse_aoetool(name, arguments);
    REQUIRE_MESSAGE(result.has_value(), (result ? "" : result.error().error));
    REQUIRE(std::holds_alternative<Options>(*result));
    return std::get<Options>(*result);
}

// One line; the exit code is 1, as theirs.
std::string refusal(const std::string& name, const std::vector<std::string>& arguments) {
    const auto result = parse_aoetool(name, arguments);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().exit_code == ExitCode::failed);
    CHECK(result.error().output.empty());
    CHECK(result.error().error.starts_with(name + ": "));
    CHECK(result.error().error.ends_with("; see `" + name + " --help`"));
    CHECK(std::ranges::count(result.error().error, '\n') == 0);
    return result.error().error;
}

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

ListEntry entry_of(proto::Address address, const std::string& state, std::uint64_t sectors,
                   std::vector<std::string> interfaces, std::uint32_t payload_bytes) {
    ListEntry entry{.address = address,
                    .device = "/dev/ublkb0",
                    .front_end = "ublk",
                    .state = state,
                    .options = {FrontEndKind::ublk, 180s, false},
                    .info = {},
                    .interfaces = std::move(interfaces),
                    .payload_bytes = payload_bytes};
    entry.info.sectors = {sectors};
    entry.info.sector_bytes = 512;
    return entry;
}

std::string text_of(const std::vector<ListEntry>& entries) {
    return aoe_stat_text(list_json(entries)).value();
}

std::vector<std::byte> bytes_of(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

} // namespace

TEST_CASE("which names are those of aoetools") {
    for (const char* name :
         {"aoe-stat", "/usr/sbin/aoe-discover", "./aoe-interfaces", "aoe-revalidate", "aoe-flush",
          "aoeping", "/sbin/aoecfg", "aoe-version", "aoe-sancheck", "aoe-mkdevs", "aoe-mkshelf"}) {
        CHECK(is_aoetool(name));
    }
    for (const char* name : {"uaoe", "", "aoe-", "aoe-stat2", "/aoe-stat/uaoe"}) {
        CHECK_FALSE(is_aoetool(name));
    }
}

TEST_CASE("each of them has help with an example, and a version") {
    for (const std::string name :
         {"aoe-stat", "aoe-discover", "aoe-interfaces", "aoe-revalidate", "aoe-flush", "aoeping",
          "aoecfg", "aoe-version", "aoe-sancheck", "aoe-mkdevs", "aoe-mkshelf"}) {
        for (const std::string option : {"--help", "-h"}) {
            const auto help = parse_aoetool(name, {option});
            REQUIRE_FALSE(help.has_value());
            CHECK(help.error().exit_code == ExitCode::done);
            CHECK(help.error().error.empty());
            CHECK(help.error().output.starts_with("Usage: " + name));
            CHECK(contains(help.error().output, "Example"));
            for (const auto line : std::views::split(help.error().output, '\n')) {
                CHECK(std::ranges::distance(line) <= 100);
            }
        }
        CHECK(parse_aoetool(name, {"--version"}).error().output.starts_with(name));
    }
}

TEST_CASE("aoe-stat takes a pattern") {
    CHECK(parsed<AoeStatOptions>("aoe-stat", {}).pattern == ".");
    CHECK(parsed<AoeStatOptions>("aoe-stat", {"e1\\."}).pattern == "e1\\.");
}

TEST_CASE("aoe-discover takes nothing") {
    parsed<AoeDiscoverOptions>("aoe-discover", {});
    CHECK(contains(refusal("aoe-discover", {"eth1"}), "no arguments"));
}

TEST_CASE("aoe-interfaces looks, chooses and clears") {
    using Names = std::vector<std::string>;
    const auto wanted = [](const Names& arguments) {
        return parsed<AoeInterfacesOptions>("aoe-interfaces", arguments).wanted;
    };
    CHECK_FALSE(wanted({}).has_value());
    CHECK_FALSE(wanted({""}).has_value()); // an empty variable in a script
    CHECK(wanted({"eth1", "eth2"}) == Names{"eth1", "eth2"});
    CHECK(wanted({"eth1 eth2"}) == Names{"eth1", "eth2"});
    CHECK(wanted({"-c"}) == Names{});
    CHECK(contains(refusal("aoe-interfaces", {"-c", "eth1"}), "-c takes no arguments"));
    CHECK(contains(refusal("aoe-interfaces", {"-x"}), "-x"));
}

TEST_CASE("aoe-revalidate and aoe-flush take names of devices") {
    CHECK(parsed<AoeRevalidateOptions>("aoe-revalidate", {"e1.0"}).targets ==
          std::vector<std::string>{"e1.0"});
    CHECK(contains(refusal("aoe-revalidate", {}), "e1.0"));
    CHECK(contains(refusal("aoe-revalidate", {"sda"}), "sda"));
    CHECK(parsed<AoeFlushOptions>("aoe-flush", {}) == AoeFlushOptions{});
    CHECK(parsed<AoeFlushOptions>("aoe-flush", {"-a"}).all);
    CHECK(parsed<AoeFlushOptions>("aoe-flush", {"e1.0", "e1.1"}).targets.size() == 2);
    CHECK(contains(refusal("aoe-flush", {"-a", "e1.0"}), "-a takes no arguments"));
    CHECK(contains(refusal("aoe-flush", {"e1"}), "e1"));
}

TEST_CASE("aoeping: options of getopt(3)") {
    const auto plain = parsed<AoePingOptions>("aoeping", {"10", "9", "eth0"});
    CHECK(plain == AoePingOptions{.address = {10, 9}, .interface = "eth0", .smart = {}});
    const auto full =
        parsed<AoePingOptions>("aoeping", {"-ivI", "-s20", "-t", "7", "10", "9", "eth0"});
    CHECK(full.identify_words);
    CHECK(full.identify_fields);
    CHECK(full.verbose);
    CHECK(full.wait == 20s);
    CHECK(full.tag == 7);
    // Options behind the words, and words that look like options.
    CHECK(parsed<AoePingOptions>("aoeping", {"10", "9", "eth0", "-v"}).verbose);
    CHECK(parsed<AoePingOptions>("aoeping", {"--", "10", "9", "-v"}).interface == "-v");
    CHECK(parsed<AoePingOptions>("aoeping", {"0x0a", "9", "eth0"}).address ==
          proto::Address{10, 9});
}

TEST_CASE("aoeping: SMART commands") {
    const auto smart = [](const std::string& text) {
        return parsed<AoePingOptions>("aoeping", {"-S", text, "1", "0", "eth0"}).smart;
    };
    CHECK(smart("read_data") == AoePingSmart{.feature = 0xd0, .reads = true});
    CHECK(smart("offline_immediate:2") == AoePingSmart{.feature = 0xd4, .low_octet = 2});
    CHECK(smart("read_log:6") == AoePingSmart{.feature = 0xd5, .low_octet = 6, .reads = true});
    CHECK(smart("write_log:128") ==
          AoePingSmart{.feature = 0xd6, .low_octet = 128, .writes = true});
    CHECK(smart("enable") == AoePingSmart{.feature = 0xd8});
    CHECK(smart("disable") == AoePingSmart{.feature = 0xd9});
    CHECK(smart("return_status") == AoePingSmart{.feature = 0xda});
    for (const char* wrong : {"nonsense", "", ":", "read_log:", "read_log:256", "read_log:x"}) {
        CHECK(contains(refusal("aoeping", {"-S", wrong, "1", "0", "eth0"}), "SMART"));
    }
}

TEST_CASE("aoeping: what is wrong") {
    CHECK(contains(refusal("aoeping", {}), "shelf, slot and interface"));
    CHECK(contains(refusal("aoeping", {"1", "0"}), "shelf, slot and interface"));
    CHECK(contains(refusal("aoeping", {"1", "0", "eth0", "eth1"}), "shelf, slot and interface"));
    CHECK(contains(refusal("aoeping", {"x", "0", "eth0"}), "\"x 0\""));
    // ATA commands never go to everybody.
    CHECK(contains(refusal("aoeping", {"65535", "255", "eth0"}), "0-65534"));
    CHECK(contains(refusal("aoeping", {"1", "256", "eth0"}), "0-254"));
    CHECK(contains(refusal("aoeping", {"-s", "0", "1", "0", "eth0"}), "-s"));
    CHECK(contains(refusal("aoeping", {"-s", "soon", "1", "0", "eth0"}), "soon"));
    CHECK(contains(refusal("aoeping", {"-t", "-1", "1", "0", "eth0"}), "-t"));
    CHECK(contains(refusal("aoeping", {"-z", "1", "0", "eth0"}), "-z"));
    CHECK(contains(refusal("aoeping", {"1", "0", "eth0", "-s"}), "-s needs a value"));
}

TEST_CASE("aoecfg: everybody on eth0, unless told otherwise") {
    CHECK(parsed<AoeCfgOptions>("aoecfg", {}) == AoeCfgOptions{.string = {}, .wait = {}});
    CHECK(parsed<AoeCfgOptions>("aoecfg", {"eth3"}).interface == "eth3");
    const auto one = parsed<AoeCfgOptions>("aoecfg", {"1", "2"});
    CHECK(one.address == proto::Address{1, 2});
    CHECK(one.interface == "eth0");
    const auto full =
        parsed<AoeCfgOptions>("aoecfg", {"-c", "prefix", "-s", "a b", "-t2", "1", "2", "eth3"});
    CHECK(full == AoeCfgOptions{.command = proto::ConfigCommand::prefix,
                                .string = "a b",
                                .wait = 2s,
                                .address = {1, 2},
                                .interface = "eth3"});
    CHECK(parsed<AoeCfgOptions>("aoecfg", {"-c", "fset"}).command ==
          proto::ConfigCommand::force_set);
    CHECK(parsed<AoeCfgOptions>("aoecfg", {"0xffff", "255", "eth3"}).address.is_broadcast());
    CHECK(contains(refusal("aoecfg", {"-c", "nonsense"}), "nonsense"));
    CHECK(contains(refusal("aoecfg", {"-t", "never"}), "never"));
    CHECK(contains(refusal("aoecfg", {"-s", std::string(1025, 'x')}), "1024"));
    CHECK(contains(refusal("aoecfg", {"x", "0"}), "\"x 0\""));
    CHECK(contains(refusal("aoecfg", {"1", "0", "eth0", "eth1"}), "an interface"));
}

TEST_CASE("aoe-version, aoe-sancheck, and what makes nothing") {
    CHECK(parsed<AoeVersionOptions>("aoe-version", {}) == AoeVersionOptions{});
    CHECK_FALSE(parsed<AoeSancheckOptions>("aoe-sancheck", {}).verbose);
    CHECK(parsed<AoeSancheckOptions>("aoe-sancheck", {"-v"}).verbose);
    CHECK(parsed<AoeNodesOptions>("aoe-mkdevs", {"/dev/etherd"}).tool == "aoe-mkdevs");
    CHECK(parsed<AoeNodesOptions>("aoe-mkshelf", {"/dev/etherd", "1"}).tool == "aoe-mkshelf");
    CHECK(contains(refusal("aoe-version", {"x"}), "no arguments"));
    CHECK(contains(refusal("aoe-sancheck", {"-x"}), "-x"));
    CHECK(contains(refusal("aoe-sancheck", {"x"}), "no arguments"));
    CHECK(contains(refusal("aoe-mkdevs", {}), "a directory"));
    CHECK(contains(refusal("aoe-mkshelf", {"/dev/etherd"}), "a shelf"));
}

TEST_CASE("aoe-stat: its columns, to the space") {
    // As the manual of aoe-stat and its format ("%10s %15s %10s %-5s %-14s") have them.
    CHECK(text_of({entry_of({0, 3}, "up", 204'800, {"eth0"}, 8704)}) ==
          "      e0.3         0.104GB       eth0 8704  up            \n");
    CHECK(text_of({entry_of({0, 4}, "silent", 8'589'934'592, {"eth0", "eth1"}, 1024)}) ==
          "      e0.4      4398.046GB  eth0,eth1 1024  up            \n");
    CHECK(text_of({entry_of({65534, 254}, "down", 1, {"eth0"}, 1024)}) ==
          "e65534.254         0.000GB       eth0 1024  down          \n");
    CHECK(text_of({entry_of({8, 0}, "waiting", 0, {}, 0)}) ==
          "      e8.0            (NA)       (NA) (NA)  down          \n");
    CHECK(text_of({}).empty());
}

TEST_CASE("aoe-stat: 200 LUNs in 80 columns, in sort's order") {
    std::vector<ListEntry> entries;
    for (std::uint8_t slot = 0; slot < 200; ++slot) {
        entries.push_back(entry_of({1, slot}, "up", 4096, {"eth0", "eth1"}, 8704));
    }
    const std::string text = text_of(entries);
    std::vector<std::string> lines;
    for (const auto line : std::views::split(text, '\n')) {
        lines.emplace_back(line.begin(), line.end());
        CHECK(lines.back().size() <= 80);
    }
    REQUIRE(lines.size() == 201);
    CHECK(std::ranges::is_sorted(lines.begin(), lines.end() - 1));
    CHECK(lines[0] == "      e1.0         0.002GB  eth0,eth1 8704  up            ");
    CHECK(lines[10] == "     e1.10         0.002GB  eth0,eth1 8704  up            ");
    CHECK(lines[199] == "    e1.199         0.002GB  eth0,eth1 8704  up            ");
}

TEST_CASE("aoe-stat: answers that make no sense do no harm") {
    for (const char* json : {"", "7", "[7]", "[{}]", R"([{"address":7}])", "{"}) {
        CHECK_FALSE(aoe_stat_text(json).has_value());
    }
    auto entry = entry_of({1, 0}, "up", 4096, {"\x1b[2J"}, 1024);
    CHECK_FALSE(contains(text_of({entry}), "\x1b"));
}

TEST_CASE("aoe-stat shows the lines that match") {
    const std::string text = "  e1.0 up\n  e1.1 down\n e10.0 up\n";
    CHECK(matching_lines(text, ".") == text);
    CHECK(matching_lines(text, "e1\\.") == "  e1.0 up\n  e1.1 down\n");
    CHECK(matching_lines(text, "up$") == "  e1.0 up\n e10.0 up\n");
    CHECK(matching_lines(text, "e2").value().empty());
    CHECK_FALSE(matching_lines(text, "\\(").has_value());
}

TEST_CASE("aoeping: octets, sixteen a line") {
    CHECK(octets_text({}).empty());
    CHECK(octets_text(bytes_of("a")) == "61 \n");
    CHECK(octets_text(bytes_of("0123456789abcdef")) ==
          "30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 \n");
    CHECK(octets_text(bytes_of("0123456789abcdef!")) ==
          "30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 \n21 \n");
}

TEST_CASE("aoeping -I: text of IDENTIFY data, padded as it is there") {
    auto words = proto::make_identify(sample_target().identify);
    words[14] = std::byte{0x34};
    words[15] = std::byte{0x12};
    CHECK(identify_fields_text(words) == "vendor_specific_0: 0x1234\n"
                                         "vendor_specific_1: 0x0\n"
                                         "vendor_specific_2: 0x0\n"
                                         "serial_number: S1                  \n"
                                         "firmware_rev: V25     \n"
                                         "model: Some Disk                               \n");
}

TEST_CASE("aoeping -S: registers") {
    CHECK(registers_text({.error_feature = 0,
                          .sector_count = 1,
                          .command_status = 0x40,
                          .lba = {0xa0c2'4f06},
                          .data = {}}) == "ATA registers:\n"
                                          "            Features: 0x00\n"
                                          "        Sector Count: 0x01\n"
                                          "             LBA Low: 0x06\n"
                                          "             LBA Mid: 0x4f\n"
                                          "            LBA High: 0xc2\n"
                                          "              Status: 0x40\n");
}

TEST_CASE("aoecfg: a line for each answer") {
    proto::Frame answer{.address = {1, 0}};
    CHECK(config_line(answer, "hello", false) == "hello\n");
    CHECK(config_line(answer, "hello", true) == "1.0\thello\n");
    CHECK(config_line(answer, "", true) == "1.0\t\n");
    answer.is_error = true;
    answer.error = proto::AoeError::config_string_present;
    CHECK(config_line(answer, "there", true) == "1.0\t*badcfg*\n");
    answer.error = proto::AoeError::target_is_reserved;
    CHECK(config_line(answer, "", false) == "*error 6*\n");
}
