// The grammars of the commands that serve LUNs: serve, and attach, detach, list and show of uaoed.
#include "tools/command_line_parts.hpp"

#include <algorithm>
#include <charconv>

namespace uaoe::tools {

namespace {

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
  uaoe list --json | jq -r '.[] | .address + " " + .device'
  uaoe list --aoe-stat | awk '$NF == "up" {print $1}')";

constexpr const char* show_footer = R"(Examples:
  uaoe show 1.0
  uaoe show /dev/ublkb0 --json | jq .paths)";

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

void add_attached(CLI::App& command, std::string& target) {
    command.add_option("LUN", target, "Address or device of an attached LUN: 1.0, /dev/ublkb0")
        ->required()
        ->type_name("")
        ->check([](const std::string& text) {
            return text.empty() || text.size() > 256 ? "name an address or a device"
                                                     : std::string();
        });
}

} // namespace

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
        ->type_name("FILE")
        ->check(
            [](const std::string& path) { return path.empty() ? "name a file" : std::string(); });
    command
        ->add_option_function<std::int64_t>(
            "--busy-poll",
            [&options](std::int64_t time) { options.busy_poll = std::chrono::microseconds{time}; },
            "With few requests under way, look for answers for so long before sleeping, where that "
            "brings them sooner (measured all the time); 0: never; without it 2000")
        ->check(check_decimal)
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
        ->check(check_decimal)
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
    CLI::Option* const json = command->add_flag("--json", options.json, "A JSON array");
    command->add_flag("--aoe-stat", options.aoe_stat, "In the columns of aoe-stat(8)")
        ->excludes(json);
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

} // namespace uaoe::tools
