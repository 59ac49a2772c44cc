// The grammar, in CLI11. The only translation unit that sees it.
#include "tools/command_line.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <sstream>
#include <sys/un.h>

namespace uaoe::tools {

namespace {

constexpr const char* program_text = R"(Reaches ATA-over-Ethernet targets from user space.)";

constexpr const char* program_footer =
    R"(Exit codes: 0 done; 1 failed; 2 wrong usage; 3 no such target or device; 5 no permission.
Opening a network interface needs root, or the capability CAP_NET_RAW.

Examples:
  uaoe discover -i eth1
  uaoe serve 1.0 -i eth1 -i eth2 --nbd-socket /run/uaoe-1.0.sock
`uaoe COMMAND --help` tells more.)";

constexpr const char* discover_footer =
    R"(A target is listed with its state: ready; identifying (no answer to IDENTIFY yet); mute (it never
answers IDENTIFY); reserved (another initiator holds it); unavailable (its disk is gone); conflict
(two different disks answer under one address); failed.
Finding nothing is an empty list and exit code 0; with ADDR, not finding it is exit code 3.

Examples:
  uaoe discover                      on every Ethernet interface that is up
  uaoe discover -i eth1 --json | jq -r '.[].address'
  uaoe discover -i eth1 --wait 500 1.0)";

constexpr const char* serve_footer =
    R"(Serves one LUN in the foreground, as a Network Block Device export on a unix socket. Prints the
export's URI on stdout once it can be used. SIGINT and SIGTERM end it: requests that are under way
get up to 5 s, a second signal ends it at once. SIGUSR1 writes the statistics, to stderr without
--stats. When two different disks answer under one address it refuses to start.
This version does not make devices in /dev by itself; `nbd-client -unix PATH /dev/nbd0 -N 1.0` can.

Examples:
  uaoe serve 1.0 -i eth1 --nbd-socket /run/uaoe-1.0.sock
  uaoe serve 1.0 -i eth1 -i eth2 --fail-after 10 --nbd-socket /run/uaoe-1.0.sock
  nbdinfo 'nbd+unix:///1.0?socket=/run/uaoe-1.0.sock')";

constexpr const char* identify_footer = R"(Examples:
  uaoe identify 1.0 -i eth1
  uaoe identify 1.0 -i eth1 --raw | hdparm --Istdin)";

constexpr const char* ping_footer =
    R"(Asks every path to the target for its configuration; that touches no data.

Examples:
  uaoe ping 1.0 -i eth1 -c 10
  uaoe ping 1.0 -i eth1 -i eth2 --interval 200)";

// Numbers that no duration overflows on.
constexpr std::int64_t milliseconds_max = 86'400'000;
constexpr std::int64_t seconds_max = 31'536'000;

proto::Address address_of(const std::string& text) {
    const auto address = proto::parse_address(text);
    if (!address) {
        throw CLI::ValidationError("\"" + text +
                                   "\" is not an AoE address; write shelf.slot, for example 1.0 "
                                   "(shelf 0-65534, slot 0-254)");
    }
    return *address;
}

void add_address(CLI::App& command, proto::Address& address) {
    command
        .add_option_function<std::string>(
            "ADDR", [&address](const std::string& text) { address = address_of(text); },
            "Address of the target: shelf.slot, for example 1.0")
        ->required()
        ->type_name("");
}

CLI::Option* add_interfaces(CLI::App& command, std::vector<std::string>& interfaces) {
    return command
        .add_option("-i,--interface", interfaces,
                    "Ethernet interface; may be given several times, a path for each")
        ->allow_extra_args(false)
        ->type_name("IF")
        ->check([](const std::string& name) {
            return name.empty() ? "an interface needs a name" : std::string();
        });
}

template <class Unit>
CLI::Option* add_time(CLI::App& command, const std::string& name, Unit& value, std::int64_t least,
                      std::int64_t most, const std::string& text) {
    const bool is_seconds = std::is_same_v<Unit, std::chrono::seconds>;
    return command
        .add_option_function<std::int64_t>(
            name, [&value](std::int64_t number) { value = Unit{number}; }, text)
        ->check(CLI::Range(least, most))
        ->type_name(is_seconds ? "S" : "MS")
        ->default_str(std::to_string(value.count()));
}

CLI::App* add_discover(CLI::App& app, DiscoverOptions& options) {
    CLI::App* command =
        app.add_subcommand("discover", "Lists the targets that answer on the network");
    add_interfaces(*command, options.interfaces);
    add_time(*command, "--wait", options.wait, 1, milliseconds_max, "How long to listen");
    command->add_flag("--json", options.json, "A JSON array; with --watch an object a line");
    command->add_flag("--watch", options.watch,
                      "Go on until interrupted, with a line for each change");
    command
        ->add_option_function<std::string>(
            "ADDR", [&options](const std::string& text) { options.address = address_of(text); },
            "Only this target, and end as soon as it is ready")
        ->type_name("");
    command->footer(discover_footer);
    return command;
}

CLI::App* add_serve(CLI::App& app, ServeOptions& options) {
    CLI::App* command = app.add_subcommand("serve", "Serves one target as a Network Block Device");
    add_address(*command, options.address);
    add_interfaces(*command, options.interfaces)->required();
    command->add_option("--nbd-socket", options.nbd_socket, "Unix socket to listen on")
        ->required()
        ->type_name("PATH")
        ->check([](const std::string& path) {
            constexpr std::size_t room = sizeof(sockaddr_un::sun_path) - 1;
            if (path.empty() || path.size() > room) {
                return "a socket's path has 1 to " + std::to_string(room) + " characters";
            }
            return std::string();
        });
    add_time(*command, "--fail-after", options.fail_after, 0, seconds_max,
             "Requests fail when the target is silent for so long; 0: they wait for ever");
    command->add_flag("--read-only", options.read_only, "Refuse writes");
    add_time(*command, "--wait", options.wait, 1, seconds_max,
             "How long to wait for the target at the start");
    command
        ->add_option("--stats", options.statistics_file,
                     "Write statistics there as JSON, at the end and on SIGUSR1")
        ->type_name("FILE");
    command->footer(serve_footer);
    return command;
}

CLI::App* add_identify(CLI::App& app, IdentifyOptions& options) {
    CLI::App* command = app.add_subcommand("identify", "Shows what a target says about its disk");
    add_address(*command, options.address);
    add_interfaces(*command, options.interfaces)->required();
    add_time(*command, "--wait", options.wait, 1, milliseconds_max, "How long to wait for it");
    command->add_flag("--json", options.json, "A JSON object");
    command->add_flag("--raw", options.raw, "The 256 words of IDENTIFY data, in hexadecimal");
    command->footer(identify_footer);
    return command;
}

CLI::App* add_ping(CLI::App& app, PingOptions& options) {
    CLI::App* command = app.add_subcommand("ping", "Measures round trips to a target");
    add_address(*command, options.address);
    add_interfaces(*command, options.interfaces)->required();
    command->add_option("-c,--count", options.count, "Rounds; without it until interrupted")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000}))
        ->type_name("COUNT");
    add_time(*command, "--interval", options.interval, 1, milliseconds_max, "Between two rounds");
    add_time(*command, "--wait", options.wait, 1, milliseconds_max,
             "How long to wait for the target at first");
    command->add_flag("--json", options.json, "A JSON object at the end");
    command->footer(ping_footer);
    return command;
}

std::string one_line(std::string text) {
    std::ranges::replace(text, '\n', ' ');
    while (text.ends_with(' ')) {
        text.pop_back();
    }
    return text;
}

// CLI11 only says that a command is missing.
std::string command_mistake(const std::vector<std::string>& arguments, const char* text) {
    if (arguments.empty()) {
        return "name a command: discover, serve, identify or ping";
    }
    return arguments.front().starts_with('-') ? one_line(text)
                                              : "there is no command \"" + arguments.front() + "\"";
}

} // namespace

std::expected<CommandOptions, NothingToRun>
parse_command_line(const std::vector<std::string>& arguments) {
    CLI::App app(program_text, "uaoe");
    app.set_version_flag("--version", "uaoe " UAOE_VERSION, "Print the version");
    app.footer(program_footer);
    app.require_subcommand(1);
    DiscoverOptions discover;
    ServeOptions serve;
    IdentifyOptions identify;
    PingOptions ping;
    const CLI::App* discover_command = add_discover(app, discover);
    const CLI::App* serve_command = add_serve(app, serve);
    const CLI::App* identify_command = add_identify(app, identify);
    add_ping(app, ping);
    try {
        std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
        app.parse(reversed);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) {
            std::ostringstream output;
            app.exit(error, output, output);
            return std::unexpected(NothingToRun{.output = output.str(), .error = {}});
        }
        const auto used = app.get_subcommands();
        const std::string name = used.empty() ? "uaoe" : "uaoe " + used.front()->get_name();
        const std::string mistake =
            used.empty() ? command_mistake(arguments, error.what()) : one_line(error.what());
        return std::unexpected(
            NothingToRun{.exit_code = ExitCode::usage,
                         .output = {},
                         .error = name + ": " + mistake + "; see `" + name + " --help`"});
    }
    if (app.got_subcommand(discover_command)) {
        return discover;
    }
    if (app.got_subcommand(serve_command)) {
        return serve;
    }
    if (app.got_subcommand(identify_command)) {
        return identify;
    }
    return ping;
}

} // namespace uaoe::tools
