// The command line: what is taken, what is refused, and how.
#include "command_line_support.hpp"

#include <doctest/doctest.h>

#include <sstream>

using namespace uaoe;
using namespace uaoe::tools;
using namespace std::chrono_literals;

TEST_CASE("discover: defaults and everything at once") {
    const auto plain = parsed<DiscoverOptions>({"discover"});
    CHECK(plain.interfaces.empty());
    CHECK_FALSE(plain.address.has_value());
    CHECK(plain.wait > 0ms);
    // The address after -i is not another interface.
    const auto full = parsed<DiscoverOptions>(
        {"discover", "-i", "eth1", "-i", "eth2", "--wait", "500", "--json", "--watch", "e7.3"});
    CHECK(full.interfaces == std::vector<std::string>{"eth1", "eth2"});
    CHECK(full.wait == 500ms);
    CHECK(full.json);
    CHECK(full.watch);
    CHECK(full.address == proto::Address{7, 3});
    CHECK(parsed<DiscoverOptions>({"discover", "-i", "eth1", "1.0"}).address ==
          proto::Address{1, 0});
}

TEST_CASE("serve: defaults and everything at once") {
    const auto plain =
        parsed<ServeOptions>({"serve", "1.0", "-i", "eth1", "--nbd-socket", "/run/x.sock"});
    CHECK(plain.address == proto::Address{1, 0});
    CHECK(plain.lun == LunOptions{FrontEndKind::socket, 180s, false});
    CHECK(plain.wait == 10s);
    CHECK(plain.nbd_socket == "/run/x.sock");
    const auto full =
        parsed<ServeOptions>({"serve", "-i", "eth1", "-i", "eth2", "1.0", "--nbd-socket=x",
                              "--fail-after", "0", "--read-only", "--in-order", "--wait", "3",
                              "--stats", "s.json", "--busy-poll", "0", "--link", "xdp"});
    CHECK(full.interfaces.size() == 2);
    CHECK(full.lun == LunOptions{FrontEndKind::socket, 0s, true, true});
    CHECK(full.wait == 3s);
    CHECK(full.statistics_file == "s.json");
    CHECK(plain.busy_poll == 2000us);
    CHECK(full.busy_poll == 0us);
    CHECK(plain.link == initiator::LinkKind::packet);
    CHECK(full.link == initiator::LinkKind::xdp);
    CHECK(contains(refusal({"serve", "1.0", "-i", "eth1", "--ublk", "--link", "raw"}),
                   "packet or xdp"));
}

TEST_CASE("serve: one front end of three") {
    const std::vector<std::string> base = {"serve", "1.0", "-i", "eth1"};
    const auto with = [&](std::vector<std::string> more) {
        std::vector<std::string> all = base;
        all.insert(all.end(), more.begin(), more.end());
        return all;
    };
    CHECK(parsed<ServeOptions>(with({"--ublk"})).lun.front_end == FrontEndKind::ublk);
    const auto any = parsed<ServeOptions>(with({"--nbd-device"}));
    CHECK(any.lun.front_end == FrontEndKind::nbd);
    CHECK_FALSE(any.nbd_index.has_value());
    CHECK(parsed<ServeOptions>(with({"--nbd-device", "/dev/nbd7"})).nbd_index == 7);
    CHECK(parsed<ServeOptions>(with({"--nbd-device=nbd0"})).nbd_index == 0);
    CHECK(contains(refusal(with({"--nbd-device", "/dev/nbd"})), "/dev/nbd0"));
    CHECK(contains(refusal(with({"--nbd-device", "/dev/sda"})), "/dev/sda"));
    CHECK(contains(refusal(with({"--nbd-device", "--ublk"})), "--ublk"));
    CHECK(contains(refusal(base), "--ublk"));
}

TEST_CASE("attach: defaults and everything at once") {
    const auto plain = parsed<AttachOptions>({"attach", "1.0"});
    CHECK(plain.request == AttachRequest{.address = {1, 0}});
    CHECK(plain.control_path == control_socket_default);
    // The address behind --nbd-device is not its device.
    const auto full =
        parsed<AttachOptions>({"attach", "--nbd-device", "1.0", "--fail-after", "5", "--read-only",
                               "--in-order", "--wait", "0", "--persist", "--control", "/run/x"});
    CHECK(full.request == AttachRequest{.address = {1, 0},
                                        .front_end = FrontEndKind::nbd,
                                        .nbd_index = std::nullopt,
                                        .fail_after = 5s,
                                        .read_only = true,
                                        .in_order = true,
                                        .wait = 0s,
                                        .persist = true});
    CHECK(full.control_path == "/run/x");
    CHECK(parsed<AttachOptions>({"attach", "1.0", "--export"}).request.front_end ==
          FrontEndKind::socket);
    CHECK(contains(refusal({"attach", "1.0", "--export", "--ublk"}), "--export"));
    CHECK(contains(refusal({"attach", "one"}), "shelf.slot"));
    refusal({"attach"});
}

TEST_CASE("detach, list and show") {
    const auto detach = parsed<DetachOptions>({"detach", "/dev/ublkb0", "--force"});
    CHECK(detach.request == DetachRequest{.target = "/dev/ublkb0", .force = true});
    CHECK(parsed<ListOptions>({"list", "--json"}).json);
    CHECK(parsed<ListOptions>({"list", "--aoe-stat"}).aoe_stat);
    CHECK(contains(refusal({"list", "--aoe-stat", "--json"}), "--json"));
    CHECK(parsed<ShowOptions>({"show", "1.0"}).target == "1.0");
    refusal({"detach"});
    refusal({"show", ""});
    refusal({"list", "1.0"});
}

TEST_CASE("ping and identify") {
    const auto ping =
        parsed<PingOptions>({"ping", "1.0", "-i", "eth1", "-c", "5", "--interval", "20", "--json"});
    CHECK(ping.count == 5);
    CHECK(ping.interval == 20ms);
    CHECK(ping.json);
    const auto identify = parsed<IdentifyOptions>({"identify", "1.0", "-i", "eth1", "--raw"});
    CHECK(identify.raw);
    CHECK_FALSE(identify.json);
}

TEST_CASE("a malformed address is refused with an example") {
    for (const char* address :
         {"1", "1.", ".0", "1.0.0", "x.y", "65535.0", "1.255", "1.-1", " 1.0", "e", ""}) {
        const std::string line = refusal({"serve", address, "-i", "eth1", "--nbd-socket", "x"});
        CHECK_MESSAGE(contains(line, "shelf.slot"), address);
        CHECK_MESSAGE(contains(line, "1.0"), address);
    }
    CHECK(contains(refusal({"discover", "nonsense"}), "nonsense"));
}

TEST_CASE("wrong usage is one line that names the mistake and the help") {
    CHECK(contains(refusal({}), "uaoe --help"));
    CHECK(contains(refusal({"frobnicate"}), "frobnicate"));
    CHECK(contains(refusal({"serve", "1.0", "--nbd-socket", "x"}), "--interface"));
    CHECK(contains(refusal({"serve", "1.0", "-i", "eth1"}), "--nbd-socket"));
    CHECK(
        contains(refusal({"serve", "1.0", "-i", "eth1", "--nbd-socket", "x", "--ublk"}), "--ublk"));
    CHECK(contains(
        refusal({"serve", "1.0", "-i", "eth1", "--nbd-socket", "x", "--fail-after", "soon"}),
        "fail-after"));
    CHECK(contains(refusal({"discover", "--wait", "-5"}), "--wait"));
    CHECK(contains(refusal({"ping", "1.0", "-i", "eth1", "-c", "0"}), "--count"));
    CHECK(contains(refusal({"discover", "-i", ""}), "interface"));
    refusal({"discover", "-i", "eth1", "1.0", "2.0"});
    refusal({"discover", "--wait", "99999999999999999999"});
    refusal({"serve", "1.0", "-i", "eth1", "--nbd-socket", std::string(108, 'x')});
}

TEST_CASE("help and version are for stdout and are no mistake") {
    for (const auto& arguments : std::vector<std::vector<std::string>>{{"--help"},
                                                                       {"--version"},
                                                                       {"serve", "--help"},
                                                                       {"discover", "--help"},
                                                                       {"ping", "-h"}}) {
        const auto result = parse_command_line(arguments);
        REQUIRE_FALSE(result.has_value());
        CHECK(result.error().exit_code == ExitCode::done);
        CHECK(result.error().error.empty());
        CHECK_FALSE(result.error().output.empty());
    }
    CHECK(parse_command_line({"--version"}).error().output.starts_with("uaoe "));
    CHECK(contains(parse_command_line({"serve", "--help"}).error().output, "Examples:"));
}

namespace {

// The words of a line of shell, up to a pipe, a redirection or another command.
std::vector<std::string> words_of(std::string_view line) {
    std::vector<std::string> words;
    std::string word;
    char quote = 0;
    bool in_word = false;
    for (const char c : line) {
        if (quote != 0 ? c == quote : c == '"' || c == '\'') {
            quote = quote != 0 ? '\0' : c;
            in_word = true;
        } else if (quote == 0 && (c == '|' || c == '&' || c == '>' || c == ')')) {
            break;
        } else if (quote == 0 && c == ' ') {
            if (in_word) {
                words.push_back(word);
            }
            word.clear();
            in_word = false;
        } else {
            word += c;
            in_word = true;
        }
    }
    if (in_word) {
        words.push_back(word);
    }
    return words;
}

std::string help_of(std::vector<std::string> command) {
    command.emplace_back("--help");
    return parse_command_line(command).error().output;
}

// Below a heading, with two spaces before each.
std::vector<std::string> indented_below(const std::string& text, std::string_view heading) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    bool is_below = false;
    for (std::string line; std::getline(stream, line);) {
        const bool is_heading = line.starts_with(heading) && line.ends_with(':');
        is_below = is_heading || (is_below && line.starts_with("  "));
        if (is_below && !is_heading) {
            lines.push_back(line.substr(2));
        }
    }
    return lines;
}

std::vector<std::vector<std::string>> commands_below(const std::vector<std::string>& command) {
    std::vector<std::vector<std::string>> commands;
    for (const std::string& line : indented_below(help_of(command), "Subcommands")) {
        if (!line.starts_with(' ')) {
            auto below = command;
            below.push_back(line.substr(0, line.find(' ')));
            commands.push_back(std::move(below));
        }
    }
    return commands;
}

} // namespace

TEST_CASE("every command has examples, and they are command lines that are taken") {
    auto commands = commands_below({});
    REQUIRE(commands.size() >= 17);
    for (std::size_t i = 0; i < commands.size(); ++i) {
        const auto verbs = commands_below(commands[i]);
        commands.insert(commands.end(), verbs.begin(), verbs.end());
    }
    CHECK(commands.size() >= 17 + 12);
    commands.emplace_back(); // uaoe itself
    for (const auto& command : commands) {
        std::size_t examples_count = 0;
        for (std::string line : indented_below(help_of(command), "Example")) {
            line = line.substr(0, line.find("   ")); // a remark
            const std::size_t begin = line.find("uaoe ");
            if (begin == std::string::npos) {
                continue; // of another program
            }
            auto words = words_of(std::string_view(line).substr(begin + 5));
            const auto taken = parse_command_line(words);
            CHECK_MESSAGE(taken.has_value(), line << ": " << taken.error().error);
            words.resize(std::min(words.size(), command.size()));
            CHECK_MESSAGE(words == command, line);
            ++examples_count;
        }
        CHECK_MESSAGE(examples_count > 0, help_of(command));
    }
}

TEST_CASE("metrics takes the socket of uaoed and nothing else") {
    CHECK(parsed<MetricsOptions>({"metrics"}).control_path == control_socket_default);
    CHECK(parsed<MetricsOptions>({"metrics", "--control", "x"}).control_path == "x");
    CHECK(contains(refusal({"metrics", "1.0"}), "1.0"));
    CHECK(contains(refusal({"metrics", "--json"}), "--json"));
}

TEST_CASE("events: all LUNs, or one") {
    CHECK_FALSE(parsed<EventsOptions>({"events"}).address.has_value());
    const auto full = parsed<EventsOptions>({"events", "e1.0", "--json", "--control", "x"});
    CHECK(full.address == proto::Address{1, 0});
    CHECK(full.json);
    CHECK(full.control_path == "x");
    CHECK(contains(refusal({"events", "/dev/ublkb0"}), "shelf.slot"));
    CHECK(contains(refusal({"events", "1.0", "1.1"}), "1.1"));
}

TEST_CASE("top: defaults, everything at once, and what is refused") {
    const auto plain = parsed<TopOptions>({"top"});
    CHECK(plain.interval == 2s);
    CHECK(plain.count == 0);
    CHECK_FALSE(plain.address.has_value());
    const auto full =
        parsed<TopOptions>({"top", "1.0", "--interval", "5", "--count", "3", "--paths"});
    CHECK(full.address == proto::Address{1, 0});
    CHECK(full.interval == 5s);
    CHECK(full.count == 3);
    CHECK(full.paths);
    CHECK(parsed<TopOptions>({"top", "--once"}).count == 1);
    CHECK(contains(refusal({"top", "--once", "--count", "2"}), "--once"));
    CHECK(contains(refusal({"top", "--interval", "0"}), "--interval"));
    CHECK(contains(refusal({"top", "--interval", "0.5"}), "--interval"));
    CHECK(contains(refusal({"top", "--count", "0"}), "--count"));
    CHECK(contains(refusal({"top", "/dev/ublkb0"}), "shelf.slot"));
}
