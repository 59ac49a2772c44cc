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

// "discover, attach or ping"
std::string names_of(const std::vector<const CLI::App*>& commands) {
    std::string text;
    for (std::size_t i = 0; i < commands.size(); ++i) {
        text += (i == 0 ? "" : i + 1 == commands.size() ? " or " : ", ") + commands[i]->get_name();
    }
    return text;
}

// CLI11 only says that a command is missing. `app`: the last one that was understood; `next`: the
// word behind it.
std::string mistake_text(const CLI::App& app, const std::string& next, const char* text) {
    const auto commands = app.get_subcommands(nullptr);
    if (commands.empty() || next.starts_with('-')) {
        return one_line(text);
    }
    const bool is_top = app.get_parent() == nullptr;
    if (next.empty()) {
        return (is_top ? "name a command: " : "say what to do: ") + names_of(commands);
    }
    return is_top ? "there is no command \"" + next + "\""
                  : "there is no \"" + next + "\"; say " + names_of(commands);
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
    CheckOptions check;
    ConfigCheckOptions config_check;
    AttachOptions attach;
    DetachOptions detach;
    ListOptions list;
    ShowOptions show;
    ConfigOptions config;
    MaskOptions mask;
    ReserveOptions reserve;
    SmartOptions smart;
    MetricsOptions metrics;
    EventsOptions events;
    TopOptions top;
    const std::map<const CLI::App*, std::function<CommandOptions()>> commands = {
        {add_discover(app, discover), [&] { return discover; }},
        {add_attach(app, attach), [&] { return attach; }},
        {add_detach(app, detach), [&] { return detach; }},
        {add_list(app, list), [&] { return list; }},
        {add_show(app, show), [&] { return show; }},
        {add_top(app, top), [&] { return top; }},
        {add_events(app, events), [&] { return events; }},
        {add_metrics(app, metrics), [&] { return metrics; }},
        {add_serve(app, serve), [&] { return serve; }},
        {add_identify(app, identify), [&] { return identify; }},
        {add_ping(app, ping), [&] { return ping; }},
        {add_smart(app, smart), [&] { return smart; }},
        {add_config(app, config), [&] { return config; }},
        {add_mask(app, mask), [&] { return mask; }},
        {add_reserve(app, reserve), [&] { return reserve; }},
        {add_check(app, check), [&] { return check; }},
        {add_config_check(app, config_check), [&] { return config_check; }},
    };
    const std::vector<std::string> words = verb_first(join_nbd_device(arguments));
    try {
        std::vector<std::string> reversed(words.rbegin(), words.rend());
        app.parse(reversed);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) {
            std::ostringstream output;
            app.exit(error, output, output);
            return std::unexpected(NothingToRun{.output = output.str(), .error = {}});
        }
        const CLI::App* last = &app;
        std::string name = "uaoe";
        std::size_t words_count = 0;
        while (!last->get_subcommands().empty()) {
            last = last->get_subcommands().front();
            name += " " + last->get_name();
            ++words_count;
        }
        const std::string next = words_count < words.size() ? words[words_count] : std::string();
        const std::string mistake = mistake_text(*last, next, error.what());
        return std::unexpected(
            NothingToRun{.exit_code = ExitCode::usage,
                         .output = {},
                         .error = name + ": " + mistake + "; see `" + name + " --help`"});
    }
    return commands.at(app.get_subcommands().front())();
}

} // namespace uaoe::tools
