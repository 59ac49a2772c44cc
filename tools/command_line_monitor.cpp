// The grammars of the commands that watch uaoed: events and metrics.
#include "tools/command_line_parts.hpp"

namespace uaoe::tools {

namespace {

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

CLI::App* add_events(CLI::App& app, EventsOptions& options) {
    CLI::App* command = app.add_subcommand("events", "Follows what happens to attached LUNs");
    command
        ->add_option_function<std::string>(
            "LUN", [&options](const std::string& text) { options.address = address_of(text); },
            "Address of the LUN; without it all of them")
        ->type_name("");
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
