// The names of aoetools that ask uaoed, and calling any of them.
#include "tools/aoetools.hpp"

#include "tools/aoetools_text.hpp"
#include "tools/control_client.hpp"
#include "tools/daemon_text.hpp"
#include "tools/output.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <filesystem>
#include <fmt/format.h>
#include <thread>

namespace uaoe::tools {

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds answer_time_max = 120s;

ControlReply ask(const ControlRequest& request) {
    auto reply = ask_daemon(control_socket_default, request, answer_time_max);
    if (!reply && reply.error().exit_code == ExitCode::daemon_unreachable) {
        reply.error().what_to_do = "start uaoed (`systemctl start uaoed`)"; // no --control here
    }
    return reply;
}

CommandResult print(const std::string& text) {
    if (auto written = write_output(text); !written) {
        return std::unexpected(written.error());
    }
    return ExitCode::done;
}

CommandResult run(const AoeStatOptions& options) {
    const auto reply = ask(ListRequest{});
    if (!reply) {
        return std::unexpected(reply.error());
    }
    const auto all = aoe_stat_text(*reply);
    if (!all) {
        return std::unexpected(not_understood());
    }
    const auto lines = matching_lines(*all, options.pattern);
    if (!lines) {
        return std::unexpected(Error{.what = "\"" + options.pattern + "\" is no pattern",
                                     .why = "it is not a regular expression",
                                     .what_to_do = "see regex(7)"});
    }
    const auto printed = print(*lines);
    return printed && lines->empty() ? ExitCode::failed : printed; // as grep, with which it ends
}

CommandResult run(const AoeDiscoverOptions& /*options*/) {
    const auto reply = ask(AttachAllRequest{});
    if (!reply) {
        return std::unexpected(reply.error());
    }
    const auto attached = attached_all_of(*reply);
    if (!attached) {
        return std::unexpected(not_understood());
    }
    for (const std::string& line : attached->failures) {
        report("aoe-discover: " + line);
    }
    return ExitCode::done; // looking is all it promises
}

// uaoed ends, and another one comes.
CommandResult await_restart() {
    constexpr auto step = 200ms;
    constexpr int steps_max = 100;
    ControlReply reply = std::unexpected(Error{});
    for (int i = 0; i < steps_max && !reply; ++i) {
        std::this_thread::sleep_for(step);
        reply = ask(ListRequest{});
    }
    if (!reply) {
        return std::unexpected(reply.error());
    }
    return ExitCode::done;
}

CommandResult run(const AoeInterfacesOptions& options) {
    const auto reply = ask(InterfacesRequest{.wanted = options.wanted});
    if (!reply) {
        return std::unexpected(reply.error());
    }
    const auto answer = interfaces_of(*reply);
    if (!answer) {
        return std::unexpected(not_understood());
    }
    if (options.wanted) {
        if (answer->restarts) {
            return await_restart();
        }
        return std::unexpected(Error{.what = "uaoed uses these interfaces from its next start on",
                                     .why = "no service manager starts it again by itself",
                                     .what_to_do = "end it and start it; devices keep running"});
    }
    std::string line;
    for (const std::string& name : answer->interfaces) {
        line += (line.empty() ? "" : " ") + name;
    }
    return print(line + "\n");
}

CommandResult run(const AoeRevalidateOptions& options) {
    for (const std::string& target : options.targets) {
        if (const auto reply = ask(RevalidateRequest{.target = target}); !reply) {
            return std::unexpected(reply.error());
        }
    }
    return ExitCode::done;
}

// Those that are named are told of when they cannot go; of the others, those that are used stay.
CommandResult run(const AoeFlushOptions& options) {
    if (!options.targets.empty()) {
        for (const std::string& target : options.targets) {
            const auto reply = ask(DetachRequest{.target = target, .keep = true});
            if (!reply) {
                return std::unexpected(reply.error());
            }
        }
        return ExitCode::done;
    }
    const auto reply = ask(ListRequest{});
    if (!reply) {
        return std::unexpected(reply.error());
    }
    const auto entries = nlohmann::json::parse(*reply, nullptr, false);
    if (!aoe_stat_text(*reply)) { // not a list of LUNs with their addresses and states
        return std::unexpected(not_understood());
    }
    for (const auto& entry : entries) {
        const std::string state = entry.value("state", "");
        if (state == "down" || (options.all && (state == "up" || state == "silent"))) {
            static_cast<void>(
                ask(DetachRequest{.target = entry.value("address", ""), .keep = true}));
        }
    }
    return ExitCode::done;
}

CommandResult run(const AoePingOptions& options) {
    return run_aoeping(options);
}

CommandResult run(const AoeCfgOptions& options) {
    return run_aoecfg(options);
}

CommandResult run(const AoeVersionOptions& /*options*/) {
    return run_aoe_version();
}

CommandResult run(const AoeSancheckOptions& options) {
    return run_aoe_sancheck(options);
}

// uaoed and udev make names in /dev/etherd as devices come; there are no nodes of a driver.
CommandResult run(const AoeNodesOptions& options) {
    report(options.tool + ": nothing was made: uaoed makes the names in /dev/etherd by itself");
    return ExitCode::done;
}

} // namespace

int run_aoetool(std::string_view program, const std::vector<std::string>& arguments) {
    constexpr int failed = 1;
    const std::string name = std::filesystem::path(program).filename().string();
    const auto options = parse_aoetool(name, arguments);
    if (!options) {
        const NothingToRun& nothing = options.error();
        if (!nothing.error.empty()) {
            report(nothing.error);
        }
        const auto written = write_output(nothing.output);
        return written && nothing.exit_code == ExitCode::done ? 0 : failed;
    }
    const CommandResult result = std::visit([](const auto& one) { return run(one); }, *options);
    if (!result) {
        report(name + ": " + result.error().line());
        return failed;
    }
    return *result == ExitCode::done ? 0 : failed;
}

} // namespace uaoe::tools
