// The grammar, in CLI11. The only translation unit that sees it.
#include "tools/command_line.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <sstream>
#include <sys/un.h>

namespace uaoe::tools {

namespace {

constexpr const char* program_text = R"(Reaches ATA-over-Ethernet targets from user space.)";

constexpr const char* program_footer =
    R"(Exit codes: 0 done; 1 failed; 2 wrong usage; 3 no such target or device; 4 uaoed not reachable; 5 no
permission. Opening a network interface needs root, or the capability CAP_NET_RAW; devices need root.

Examples:
  uaoe discover -i eth1
  uaoe attach 1.0                     with uaoed running
  uaoe serve 1.0 -i eth1 --ublk       without
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
    R"(Serves one LUN in the foreground, without uaoed: as a block device, or as a Network Block Device
export on a unix socket. Prints the device's path, or the export's URI, on stdout once it can be
used. SIGINT and SIGTERM end it: requests that are under way get up to 5 s, a second signal ends it
at once. The device ends with it, also when it is killed. SIGUSR1 writes the statistics, to stderr
without --stats. When two different disks answer under one address it refuses to start.

Examples:
  uaoe serve 1.0 -i eth1 --ublk
  uaoe serve 1.0 -i eth1 --nbd-device /dev/nbd0
  uaoe serve 1.0 -i eth1 --nbd-socket /run/uaoe-1.0.sock
  uaoe serve 1.0 -i eth1 -i eth2 --fail-after 10 --nbd-socket /run/uaoe-1.0.sock
  nbdinfo 'nbd+unix:///1.0?socket=/run/uaoe-1.0.sock')";

constexpr const char* attach_footer =
    R"TEXT(Asks uaoed for a LUN and prints its device, or the export's URI, once it can be used. Without a
choice the device is made by ublk where the kernel has it, else by the kernel's NBD driver.
It is also there as /dev/etherd/eSHELF.SLOT.

Examples:
  uaoe attach 1.0
  uaoe attach 1.0 --fail-after 5 --persist
  mount "$(uaoe attach 1.0)" /mnt)TEXT";

constexpr const char* detach_footer =
    R"(Refuses a device that is mounted, held by RAID or LVM, or open. With --force it goes all the same:
I/O that is under way fails, and what was not written yet is lost.

Examples:
  uaoe detach 1.0
  uaoe detach /dev/ublkb0 --force)";

constexpr const char* list_footer = R"(Examples:
  uaoe list
  uaoe list --json | jq -r '.[] | .address + " " + .device')";

constexpr const char* show_footer = R"(Examples:
  uaoe show 1.0
  uaoe show /dev/ublkb0 --json | jq .paths)";

constexpr const char* identify_footer = R"(Examples:
  uaoe identify 1.0 -i eth1
  uaoe identify 1.0 -i eth1 --raw | hdparm --Istdin)";

constexpr const char* ping_footer =
    R"(Asks every path to the target for its configuration; that touches no data.

Examples:
  uaoe ping 1.0 -i eth1 -c 10
  uaoe ping 1.0 -i eth1 -i eth2 --interval 200)";

constexpr const char* config_check_footer =
    R"(Reads what uaoed would read, the drop-ins too, and says each mistake on a line of its own, as
FILE:LINE:COLUMN: WHAT. Exit code 1 when there are any. It needs neither uaoed nor root.

Examples:
  uaoe config-check && systemctl reload uaoed
  uaoe config-check -c new.toml)";

// Numbers that no duration overflows on.
constexpr std::int64_t milliseconds_max = 86'400'000;
constexpr std::int64_t wait_seconds_max = seconds_max.count();

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

std::string check_socket_path(const std::string& path) {
    constexpr std::size_t room = sizeof(sockaddr_un::sun_path) - 1;
    if (path.empty() || path.size() > room) {
        return "a socket's path has 1 to " + std::to_string(room) + " characters";
    }
    return {};
}

// The N of "/dev/nbdN" or "nbdN".
std::optional<std::uint32_t> nbd_index_of(std::string_view name) {
    if (name.starts_with("/dev/")) {
        name.remove_prefix(5);
    }
    if (!name.starts_with("nbd") || name.size() > 8) {
        return std::nullopt;
    }
    name.remove_prefix(3);
    std::uint32_t index = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
    return error == std::errc{} && end == name.data() + name.size() ? std::optional(index)
                                                                    : std::nullopt;
}

// "--nbd-device" takes a device if one follows; CLI11 would take the address, too.
std::vector<std::string> join_nbd_device(const std::vector<std::string>& arguments) {
    std::vector<std::string> joined;
    bool wants_device = false;
    for (const std::string& argument : arguments) {
        if (wants_device && (argument.starts_with("/dev/") || argument.starts_with("nbd"))) {
            joined.back() = "--nbd-device=" + argument;
        } else {
            joined.push_back(argument == "--nbd-device" ? "--nbd-device=any" : argument);
        }
        wants_device = argument == "--nbd-device";
    }
    return joined;
}

void add_nbd_device(CLI::App& command, FrontEndKind& kind, std::optional<std::uint32_t>& index) {
    command
        .add_option_function<std::string>(
            "--nbd-device",
            [&kind, &index](const std::string& name) {
                kind = FrontEndKind::nbd;
                index = nbd_index_of(name);
                if (!index && name != "any") {
                    throw CLI::ValidationError("\"" + name +
                                               "\" is not an NBD device; write /dev/nbd0");
                }
            },
            "Make a device by the kernel's NBD driver: that one, or any that is free")
        ->type_name("[/dev/nbdN]");
}

void add_ublk(CLI::App& command, FrontEndKind& kind) {
    command.add_flag_callback(
        "--ublk", [&kind] { kind = FrontEndKind::ublk; }, "Make a device by ublk: /dev/ublkbN");
}

// At most one, and with `required` one.
void exclude_front_ends(CLI::App& command, const std::vector<std::string>& names, bool required) {
    for (const std::string& name : names) {
        for (const std::string& other : names) {
            if (name != other) {
                command.get_option(name)->excludes(command.get_option(other));
            }
        }
    }
    if (required) {
        command.final_callback([&command, names] {
            if (std::ranges::none_of(names,
                                     [&](const auto& name) { return command.count(name) > 0; })) {
                throw CLI::ValidationError(
                    "name a front end: --ublk, --nbd-device or --nbd-socket PATH");
            }
        });
    }
}

constexpr const char* in_order_help =
    "Promises that the network, the NIC's queues included, keeps the order of frames and the "
    "target "
    "does one command after the other (as vblade): after a loss, writes to the same place need not "
    "wait a second. Where it is "
    "not so, data is lost";

void add_lun_options(CLI::App& command, LunOptions& lun) {
    add_time(command, "--fail-after", lun.fail_after, 0, wait_seconds_max,
             "Requests fail when the target is silent for so long; 0: they wait for ever");
    command.add_flag("--read-only", lun.read_only, "Refuse writes");
    command.add_flag("--in-order", lun.in_order, in_order_help);
}

CLI::App* add_serve(CLI::App& app, ServeOptions& options) {
    CLI::App* command = app.add_subcommand("serve", "Serves one target, without uaoed");
    add_address(*command, options.address);
    add_interfaces(*command, options.interfaces)->required();
    command
        ->add_option_function<std::string>(
            "--nbd-socket",
            [&options](const std::string& path) {
                options.lun.front_end = FrontEndKind::socket;
                options.nbd_socket = path;
            },
            "Serve an NBD export on a unix socket")
        ->type_name("PATH")
        ->check(check_socket_path);
    add_ublk(*command, options.lun.front_end);
    add_nbd_device(*command, options.lun.front_end, options.nbd_index);
    exclude_front_ends(*command, {"--ublk", "--nbd-device", "--nbd-socket"}, true);
    add_lun_options(*command, options.lun);
    add_time(*command, "--wait", options.wait, 1, wait_seconds_max,
             "How long to wait for the target at the start");
    command
        ->add_option("--stats", options.statistics_file,
                     "Write statistics there as JSON, at the end and on SIGUSR1")
        ->type_name("FILE");
    command
        ->add_option_function<std::int64_t>(
            "--busy-poll",
            [&options](std::int64_t time) { options.busy_poll = std::chrono::microseconds{time}; },
            "With few requests under way, look for answers for so long before sleeping, where that "
            "brings them sooner (measured all the time); 0: never; without it 2000")
        ->check(
            CLI::Range(std::int64_t{0}, std::int64_t{initiator::BusyPoll::time_max_limit.count()}))
        ->type_name("USEC");
    command
        ->add_option_function<std::string>(
            "--link",
            [&options](const std::string& text) {
                options.link = initiator::parse_link_kind(text).value();
            },
            "packet (without it): a packet socket; xdp: AF_XDP where it can be had")
        ->check([](const std::string& text) {
            return initiator::parse_link_kind(text) ? std::string() : "it is packet or xdp";
        })
        ->type_name("KIND");
    command->footer(serve_footer);
    return command;
}

void add_control(CLI::App& command, std::string& path) {
    command.add_option("--control", path, "Control socket of uaoed")
        ->type_name("PATH")
        ->check(check_socket_path)
        ->capture_default_str();
}

void add_attached(CLI::App& command, std::string& target) {
    command.add_option("LUN", target, "Address or device of an attached LUN: 1.0, /dev/ublkb0")
        ->required()
        ->type_name("")
        ->check([](const std::string& text) {
            return text.empty() || text.size() > 256 ? "name an address or a device"
                                                     : std::string();
        });
}

CLI::App* add_attach(CLI::App& app, AttachOptions& options) {
    CLI::App* command = app.add_subcommand("attach", "Has uaoed serve a LUN");
    AttachRequest& request = options.request;
    add_address(*command, request.address);
    add_ublk(*command, request.front_end);
    add_nbd_device(*command, request.front_end, request.nbd_index);
    command->add_flag_callback(
        "--export", [&request] { request.front_end = FrontEndKind::socket; },
        "Serve an NBD export on a unix socket beside the control socket");
    exclude_front_ends(*command, {"--ublk", "--nbd-device", "--export"}, false);
    command
        ->add_option_function<std::int64_t>(
            "--fail-after",
            [&request](std::int64_t seconds) {
                request.fail_after = std::chrono::seconds{seconds};
            },
            "Requests fail when the target is silent for so long; 0: they wait for ever; without "
            "it, as configured (180)")
        ->check(CLI::Range(std::int64_t{0}, wait_seconds_max))
        ->type_name("S");
    command->add_flag_callback(
        "--read-only", [&request] { request.read_only = true; }, "Refuse writes");
    command->add_flag_callback(
        "--in-order", [&request] { request.in_order = true; }, in_order_help);
    add_time(*command, "--wait", request.wait, 0, wait_seconds_max,
             "How long to wait for the target");
    command->add_flag("--persist", request.persist, "Attach it at every start of uaoed, too");
    add_control(*command, options.control_path);
    command->footer(attach_footer);
    return command;
}

CLI::App* add_detach(CLI::App& app, DetachOptions& options) {
    CLI::App* command = app.add_subcommand("detach", "Ends the device of a LUN");
    add_attached(*command, options.request.target);
    command->add_flag("--force", options.request.force, "Although it is used");
    add_control(*command, options.control_path);
    command->footer(detach_footer);
    return command;
}

CLI::App* add_list(CLI::App& app, ListOptions& options) {
    CLI::App* command = app.add_subcommand("list", "Lists the LUNs that uaoed serves");
    command->add_flag("--json", options.json, "A JSON array");
    add_control(*command, options.control_path);
    command->footer(list_footer);
    return command;
}

CLI::App* add_show(CLI::App& app, ShowOptions& options) {
    CLI::App* command =
        app.add_subcommand("show", "Shows one LUN: its paths, windows, round trips, counters");
    add_attached(*command, options.target);
    command->add_flag("--json", options.json, "A JSON object");
    add_control(*command, options.control_path);
    command->footer(show_footer);
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

CLI::App* add_config_check(CLI::App& app, ConfigCheckOptions& options) {
    CLI::App* command =
        app.add_subcommand("config-check", "Looks for mistakes in the configuration");
    command
        ->add_option("-c,--config", options.config_path,
                     "Configuration file; without it /etc/uaoe/uaoe.toml")
        ->type_name("FILE")
        ->check(
            [](const std::string& path) { return path.empty() ? "name a file" : std::string(); });
    command->footer(config_check_footer);
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
        return "name a command: discover, attach, detach, list, show, serve, identify, ping or "
               "config-check";
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
    AttachOptions attach;
    DetachOptions detach;
    ListOptions list;
    ShowOptions show;
    ConfigCheckOptions config_check;
    const std::map<const CLI::App*, std::function<CommandOptions()>> commands = {
        {add_discover(app, discover), [&] { return discover; }},
        {add_attach(app, attach), [&] { return attach; }},
        {add_detach(app, detach), [&] { return detach; }},
        {add_list(app, list), [&] { return list; }},
        {add_show(app, show), [&] { return show; }},
        {add_serve(app, serve), [&] { return serve; }},
        {add_identify(app, identify), [&] { return identify; }},
        {add_ping(app, ping), [&] { return ping; }},
        {add_config_check(app, config_check), [&] { return config_check; }},
    };
    try {
        const std::vector<std::string> joined = join_nbd_device(arguments);
        std::vector<std::string> reversed(joined.rbegin(), joined.rend());
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
    return commands.at(app.get_subcommands().front())();
}

} // namespace uaoe::tools
