// `uaoed`: protects the process, then runs the daemon.
#include "tools/daemon/command_line.hpp"
#include "tools/daemon/daemon.hpp"
#include "tools/log.hpp"
#include "tools/output.hpp"
#include "tools/process_setup.hpp"

#include <exception>
#include <filesystem>

namespace {

using namespace uaoe;
using namespace uaoe::tools;

int run(DaemonOptions options) {
    open_log("uaoed");
    // The folder uaoed was started in may be on a file system that it is not to hold.
    options.config_path = std::filesystem::absolute(options.config_path).string();
    options.control_path = std::filesystem::absolute(options.control_path).string();
    set_up_process({std::filesystem::path(options.config_path).parent_path().string(),
                    std::filesystem::path(options.control_path).parent_path().string()});
    std::filesystem::current_path("/");
    auto daemon = Daemon::make(options);
    if (!daemon) {
        write_log({.level = LogLevel::error, .text = daemon.error().line()});
        return static_cast<int>(daemon.error().exit_code);
    }
    (*daemon)->run();
    return static_cast<int>(ExitCode::done);
}

} // namespace

int main(int argc, char** argv) {
    prepare_standard_streams();
    try {
        const auto options =
            parse_daemon_command_line(std::vector<std::string>(argv + (argc > 0), argv + argc));
        if (options) {
            return run(*options);
        }
        const NothingToRun& nothing = options.error();
        if (!nothing.error.empty()) {
            report(nothing.error);
        }
        const auto written = write_output(nothing.output);
        return static_cast<int>(written ? nothing.exit_code : ExitCode::failed);
    } catch (const std::exception& error) {
        write_log({.level = LogLevel::error,
                   .text = std::string("unexpected error: ") + error.what() +
                           "; please report it with the command line"});
        return static_cast<int>(ExitCode::failed);
    }
}
