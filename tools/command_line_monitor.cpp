// The grammars of the commands that watch uaoed: metrics.
#include "tools/command_line_parts.hpp"

namespace uaoe::tools {

namespace {

constexpr const char* metrics_footer =
    R"(Prints what uaoed counts, of LUNs, paths and interfaces, as the text that Prometheus reads. uaoed
serves the same over HTTP where metrics_listen says so in uaoe.toml.

Examples:
  uaoe metrics | grep requests_total
  cd /var/lib/prometheus/node-exporter && uaoe metrics > uaoe.prom.tmp && mv uaoe.prom.tmp uaoe.prom)";

} // namespace

CLI::App* add_metrics(CLI::App& app, MetricsOptions& options) {
    CLI::App* command =
        app.add_subcommand("metrics", "Prints counters and latencies for Prometheus");
    add_control(*command, options.control_path);
    command->footer(metrics_footer);
    return command;
}

} // namespace uaoe::tools
