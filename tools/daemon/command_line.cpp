// Three options, in CLI11.
#include "tools/daemon/command_line.hpp"

#include "tools/command_line_parts.hpp"
#include "tools/control_protocol.hpp"
#include "tools/interface.hpp"

#include <algorithm>
#include <sstream>

namespace uaoe::tools {

namespace {

constexpr const char* program_text =
    R"(Serves the LUNs of ATA-over-Ethernet targets as block devices. `uaoe attach` and `uaoe detach`
tell it which; `uaoe list` shows them.)";

constexpr const char* program_footer =
    R"(It runs in the foreground and logs to stderr. SIGHUP reads the configuration again. SIGTERM and
SIGINT end it; attached devices stay, and their I/O waits until uaoed is started again: so it can be
restarted or upgraded under load. `uaoe detach` is what removes a device.

Examples:
  uaoed -i eth1 -i eth2
  uaoed -c /etc/uaoe/uaoe.toml)";

auto not_empty(const char* advice) {
    return [advice](const std::string& text) { return text.empty() ? advice : std::string(); };
}

} // namespace

std::expected<DaemonOptions, NothingToRun>
parse_daemon_command_line(const std::vector<std::string>& arguments) {
    CLI::App app(program_text, "uaoed");
    DaemonOptions options;
    options.control_path = control_socket_default;
    app.set_version_flag("--version", "uaoed " UAOE_VERSION, "Print the version");
    app.footer(program_footer);
    const auto* const config =
        app.add_option("-c,--config", options.config_path, "Configuration file")
            ->type_name("FILE")
            ->check(not_empty("name a file"))
            ->capture_default_str();
    app.add_option(
           "-i,--interface", options.interfaces,
           "Ethernet interface, instead of the configuration's; may be given several times. "
           "Without any: all that are or come up")
        ->allow_extra_args(false)
        ->check(CLI::Validator(
            [](const std::string& name) {
                return is_interface_name(name) ? std::string()
                                               : "no interface can have the name \"" + name +
                                                     "\"; `ip link` lists those there are";
            },
            ""))
        ->type_name("IF");
    app.add_option("--control", options.control_path,
                   "Control socket; what a restarted uaoed needs is kept in its folder")
        ->type_name("PATH")
        ->check(check_socket_path)
        ->capture_default_str();
    try {
        std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
        app.parse(reversed);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) {
            std::ostringstream output;
            app.exit(error, output, output);
            return std::unexpected(NothingToRun{.output = output.str(), .error = {}});
        }
        std::string mistake = error.what();
        std::ranges::replace(mistake, '\n', ' ');
        return std::unexpected(NothingToRun{.exit_code = ExitCode::usage,
                                            .output = {},
                                            .error = "uaoed: " + mistake + "; see `uaoed --help`"});
    }
    options.config_required = config->count() > 0;
    return options;
}

} // namespace uaoe::tools
