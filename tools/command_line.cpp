// The command line as a whole: its commands, and what is wrong with it. Their grammars are in
// command_line_*.cpp.
#include "tools/command_line_parts.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <sstream>

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
        return "name a command: discover, attach, detach, list, show, serve, identify or ping";
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
    const std::map<const CLI::App*, std::function<CommandOptions()>> commands = {
        {add_discover(app, discover), [&] { return discover; }},
        {add_attach(app, attach), [&] { return attach; }},
        {add_detach(app, detach), [&] { return detach; }},
        {add_list(app, list), [&] { return list; }},
        {add_show(app, show), [&] { return show; }},
        {add_serve(app, serve), [&] { return serve; }},
        {add_identify(app, identify), [&] { return identify; }},
        {add_ping(app, ping), [&] { return ping; }},
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
