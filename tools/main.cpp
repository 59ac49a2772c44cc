// `uaoe`: from the command line to the exit code.
#include "tools/aoetools.hpp"
#include "tools/commands.hpp"
#include "tools/log.hpp"
#include "tools/output.hpp"

#include <exception>

namespace {

using namespace uaoe;
using namespace uaoe::tools;

CommandResult run(const std::vector<std::string>& arguments) {
    const auto parsed = parse_command_line(arguments);
    if (!parsed) {
        const NothingToRun& nothing = parsed.error();
        if (!nothing.error.empty()) {
            report(nothing.error);
        }
        if (auto written = write_output(nothing.output); !written) {
            return std::unexpected(written.error());
        }
        return nothing.exit_code;
    }
    struct Runner {
        CommandResult operator()(const DiscoverOptions& options) const {
            return options.watch ? run_watch(options) : run_discover(options);
        }
        CommandResult operator()(const ServeOptions& options) const { return run_serve(options); }
        CommandResult operator()(const IdentifyOptions& options) const {
            return run_identify(options);
        }
        CommandResult operator()(const PingOptions& options) const { return run_ping(options); }
        CommandResult operator()(const SmartOptions& options) const { return run_smart(options); }
        CommandResult operator()(const ConfigOptions& options) const { return run_config(options); }
        CommandResult operator()(const MaskOptions& options) const { return run_mask(options); }
        CommandResult operator()(const ReserveOptions& options) const {
            return run_reserve(options);
        }
        CommandResult operator()(const AttachOptions& options) const { return run_attach(options); }
        CommandResult operator()(const DetachOptions& options) const { return run_detach(options); }
        CommandResult operator()(const ListOptions& options) const { return run_list(options); }
        CommandResult operator()(const ShowOptions& options) const { return run_show(options); }
        CommandResult operator()(const CheckOptions& options) const { return run_check(options); }
        CommandResult operator()(const TopOptions& options) const { return run_top(options); }
        CommandResult operator()(const EventsOptions& options) const { return run_events(options); }
        CommandResult operator()(const MetricsOptions& options) const {
            return run_metrics(options);
        }
        CommandResult operator()(const ConfigCheckOptions& options) const {
            return run_config_check(options);
        }
    };
    return std::visit(Runner{}, *parsed);
}

} // namespace

int main(int argc, char** argv) {
    prepare_standard_streams();
    try {
        const std::vector<std::string> arguments(argv + (argc > 0), argv + argc);
        if (argc > 0 && is_aoetool(argv[0])) {
            return run_aoetool(argv[0], arguments);
        }
        const CommandResult result = run(arguments);
        if (!result) {
            write_log({.level = LogLevel::error, .text = result.error().line()});
            return static_cast<int>(result.error().exit_code);
        }
        return static_cast<int>(*result);
    } catch (const std::exception& error) {
        report(std::string("uaoe: unexpected error: ") + error.what() +
               "; please report it with the command line");
        return static_cast<int>(ExitCode::failed);
    }
}
