// The grammars of the commands that watch uaoed: top, events and metrics.
#include "tools/command_line_parts.hpp"

namespace uaoe::tools {

namespace {

constexpr const char* top_footer =
    R"(Shows what attached LUNs do: bytes and requests a second, the time that half of the requests and 99 %
of them took at most (P50, P99), requests under way (QUEUE), the share of frames that was sent again
(RESENT), and how many of the paths are up. On a terminal until q is pressed; p shows the paths, o orders
by address instead of the busiest first, space shows the next page. With --once or --count, and in a pipe:
plain lines, by address.

Examples:
  uaoe top
  uaoe top 1.0 --paths --interval 1
  uaoe top --once | awk '$2 != "up"')";

constexpr const char* events_footer =
    R"TEXT(Prints a line for each thing that happens to an attached LUN, until it is interrupted: path_up,
path_suspect, path_down, target_lost (no path answers; requests wait), target_failed (for longer than
fail-after), target_back, target_changed, conflict, payload_changed, capacity_changed, attached and
detached. Who reads too slowly gets events_lost with their number.

Examples:
  uaoe events
  uaoe events 1.0 --json | jq --unbuffered -r 'select(.event == "target_lost") | .address')TEXT";

constexpr const char* metrics_footer =
    R"(Prints what uaoed counts, of LUNs, paths and interfaces, as the text that Prometheus reads. uaoed
serves the same over HTTP where metrics_listen says so in uaoe.toml.

Examples:
  uaoe metrics | grep requests_total
  cd /var/lib/prometheus/node-exporter && uaoe metrics > uaoe.prom.tmp && mv uaoe.prom.tmp uaoe.prom)";

} // namespace

namespace {

void add_one_lun(CLI::App& command, std::optional<proto::Address>& address) {
    command
        .add_option_function<std::string>(
            "LUN", [&address](const std::string& text) { address = address_of(text); },
            "Address of the LUN; without it all of them")
        ->type_name("");
}

} // namespace

CLI::App* add_top(CLI::App& app, TopOptions& options) {
    CLI::App* command = app.add_subcommand("top", "A live view of what attached LUNs do");
    add_one_lun(*command, options.address);
    constexpr std::int64_t interval_max = 86'400;
    add_time(*command, "--interval", options.interval, 1, interval_max, "Between two samples");
    auto* const once = command->add_flag_callback(
        "--once", [&options] { options.count = 1; }, "One table, of one interval, as plain lines");
    command->add_option("--count", options.count, "So many tables, as plain lines")
        ->check(check_decimal)
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000}))
        ->type_name("N")
        ->excludes(once);
    command->add_flag("--paths", options.paths, "A line for each path, too");
    add_control(*command, options.control_path);
    command->footer(top_footer);
    return command;
}

CLI::App* add_events(CLI::App& app, EventsOptions& options) {
    CLI::App* command = app.add_subcommand("events", "Follows what happens to attached LUNs");
    add_one_lun(*command, options.address);
    command->add_flag("--json", options.json, "A JSON object a line");
    add_control(*command, options.control_path);
    command->footer(events_footer);
    return command;
}

CLI::App* add_metrics(CLI::App& app, MetricsOptions& options) {
    CLI::App* command =
        app.add_subcommand("metrics", "Prints counters and latencies for Prometheus");
    add_control(*command, options.control_path);
    command->footer(metrics_footer);
    return command;
}

} // namespace uaoe::tools
