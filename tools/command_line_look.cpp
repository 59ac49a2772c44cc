// The grammars of the commands that look at targets: discover, identify, ping.
#include "tools/command_line_parts.hpp"

namespace uaoe::tools {

namespace {

constexpr const char* discover_footer =
    R"(A target is listed with its state: ready; identifying (no answer to IDENTIFY yet); mute (it never
answers IDENTIFY); reserved (another initiator holds it); unavailable (its disk is gone); conflict
(two different disks answer under one address); failed.
Finding nothing is an empty list and exit code 0; with ADDR, not finding it is exit code 3.

Examples:
  uaoe discover                      on every Ethernet interface that is up
  uaoe discover -i eth1 --json | jq -r '.[].address'
  uaoe discover -i eth1 --wait 500 1.0)";

constexpr const char* identify_footer = R"(Examples:
  uaoe identify 1.0 -i eth1
  uaoe identify 1.0 -i eth1 --raw | hdparm --Istdin)";

constexpr const char* ping_footer =
    R"(Asks every path to the target for its configuration; that touches no data.

Examples:
  uaoe ping 1.0 -i eth1 -c 10
  uaoe ping 1.0 -i eth1 -i eth2 --interval 200)";

constexpr const char* check_footer =
    R"(Asks every target for its disk, and proves with frames of each size what each path carries, in both
directions. It reads, and changes nothing. Exit code 0: nothing is wrong; 1: findings, each with
advice. Kinds of findings: interface_down, nothing_reached, mute, reserved, unavailable, failed,
conflict, few_buffers, payload_limited, payload_unproven, mtu_mismatch, uneven_paths,
uneven_payload, path_silent, missing_path.

Examples:
  uaoe check -i eth1 -i eth2
  uaoe check -i eth1 1.0
  uaoe check --json | jq -r '.findings[] | .kind + " " + .what')";

constexpr const char* config_check_footer =
    R"(Reads what uaoed would read, the drop-ins too, and says each mistake on a line of its own, as
FILE:LINE:COLUMN: WHAT. Exit code 1 when there are any. It needs neither uaoed nor root.

Examples:
  uaoe config-check && systemctl reload uaoed
  uaoe config-check -c new.toml)";

} // namespace

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
        ->check(check_decimal)
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000}))
        ->type_name("COUNT");
    add_time(*command, "--interval", options.interval, 1, milliseconds_max, "Between two rounds");
    add_time(*command, "--wait", options.wait, 1, milliseconds_max,
             "How long to wait for the target at first");
    command->add_flag("--json", options.json, "A JSON object at the end");
    command->footer(ping_footer);
    return command;
}

CLI::App* add_check(CLI::App& app, CheckOptions& options) {
    CLI::App* command = app.add_subcommand("check", "Looks for what is wrong with a SAN");
    add_interfaces(*command, options.interfaces);
    add_time(*command, "--wait", options.wait, 1, milliseconds_max, "How long to look for targets");
    command->add_flag("--json", options.json, "A JSON object");
    command
        ->add_option_function<std::string>(
            "ADDR", [&options](const std::string& text) { options.address = address_of(text); },
            "Only this target")
        ->type_name("");
    command->footer(check_footer);
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

} // namespace uaoe::tools
