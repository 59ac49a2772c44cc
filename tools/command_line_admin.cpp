// The grammars of the commands that administer a target: smart, config, mask, reserve.
#include "tools/command_line_parts.hpp"

#include "proto/aoe.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace uaoe::tools {

namespace {

constexpr const char* config_footer =
    R"(The config string is up to 1024 bytes that a target keeps for its users: who owns the LUN, or what
it is for. `uaoe discover` shows it. vblade forgets it when it ends.

Examples:
  uaoe config get 1.0 -i eth1
  uaoe config set 1.0 "vm7 root" -i eth1
  uaoe config test 1.0 vm7 --prefix -i eth1 && echo "it is vm7's")";

constexpr const char* config_get_footer =
    R"(Prints the string; control characters are shown as \xNN.

Example:
  uaoe config get 1.0 -i eth1)";

constexpr const char* config_set_footer =
    R"(Only a target whose string is empty takes one, so that two hosts cannot both believe that they have
it; otherwise the present string is shown, and the exit code is 1.

Examples:
  uaoe config set 1.0 vm7 -i eth1
  uaoe config set 1.0 vm8 --force -i eth1)";

constexpr const char* config_test_footer =
    R"(Exit code 0: it is the string; 1: it is another one, which is shown.

Examples:
  uaoe config test 1.0 vm7 -i eth1
  uaoe config test 1.0 vm --prefix -i eth1)";

constexpr const char* config_clear_footer = R"(Example:
  uaoe config clear 1.0 -i eth1)";

constexpr const char* mask_footer =
    R"(A target with a MAC mask list hears only the hosts in it; an empty list lets everybody in. It is no
protection against who forges addresses. Not every target has one.

Examples:
  uaoe mask list 1.0 -i eth1
  uaoe mask add 1.0 02:00:00:00:00:01 02:00:00:00:00:02 -i eth1
  uaoe mask clear 1.0 -i eth1)";

constexpr const char* mask_list_footer = R"(INTERFACE is this host's own that has the address.

Example:
  uaoe mask list 1.0 -i eth1)";

constexpr const char* mask_add_footer =
    R"(Refused, without --force, when the target would not hear this host any more. After the change the
target's list is compared with what it should be.

Example:
  uaoe mask add 1.0 02:00:00:00:00:01 -i eth1)";

constexpr const char* mask_remove_footer =
    R"(Refused, without --force, when the target would not hear this host any more. After the change the
target's list is compared with what it should be. A list that becomes empty lets everybody in.

Example:
  uaoe mask remove 1.0 02:00:00:00:00:01 -i eth1)";

constexpr const char* mask_clear_footer =
    R"(The target hears everybody then. After the change its list is compared with what it should be.

Example:
  uaoe mask clear 1.0 -i eth1)";

constexpr const char* reserve_footer =
    R"(A reserved target executes the ATA commands of those hosts only that it is reserved for, by their MAC
addresses; others get an error. A target that is reserved for nobody serves all. Without addresses,
`set` and `force` reserve it for this host: for those of its interfaces (-i) that reach the target.

Examples:
  uaoe reserve get 1.0 -i eth1
  uaoe reserve set 1.0 -i eth1 -i eth2
  uaoe reserve set 1.0 02:00:00:00:00:01 02:00:00:00:00:02 -i eth1
  uaoe reserve release 1.0 -i eth1)";

constexpr const char* reserve_get_footer =
    R"(INTERFACE is this host's own that has the address.

Example:
  uaoe reserve get 1.0 -i eth1)";

constexpr const char* reserve_set_footer =
    R"(Refused, with exit code 1, while it is reserved for others.

Examples:
  uaoe reserve set 1.0 -i eth1
  uaoe reserve set 1.0 02:00:00:00:00:01 02:00:00:00:00:02 -i eth1)";

constexpr const char* reserve_force_footer =
    R"(Takes it from whom it is reserved for; that host's requests fail from then on. For when it is dead.

Example:
  uaoe reserve force 1.0 -i eth1)";

constexpr const char* reserve_release_footer = R"(Examples:
  uaoe reserve release 1.0 -i eth1
  uaoe reserve release 1.0 --force -i eth1      also when it is reserved for others)";

constexpr const char* smart_footer =
    R"(What the disk behind the target says of its health. KIND: an attribute at its limit means a failure
is near (fail), or that the disk is worn (age); FAIL: it is there now, or was once. The exit code is 1
when the disk says that it is failing. A self-test runs inside the disk, beside its work.
Targets that serve a file, as vblade does, have no SMART.

Examples:
  uaoe smart 1.0 -i eth1
  uaoe smart 1.0 -i eth1 --json | jq '.attributes[] | select(.failed != "never")'
  uaoe smart 1.0 -i eth1 --test short --follow
  uaoe smart 1.0 -i eth1 --log)";

constexpr std::size_t macs_max = 255; // counts are one octet

proto::MacAddress mac_of(const std::string& text) {
    const auto mac = proto::parse_mac(text);
    if (!mac || mac->is_multicast() || mac->is_zero()) {
        throw CLI::ValidationError("\"" + text +
                                   "\" is not a host's MAC address; write 02:00:00:00:00:01");
    }
    return *mac;
}

void add_macs(CLI::App& command, std::vector<proto::MacAddress>& macs, bool required) {
    auto* option = command.add_option_function<std::vector<std::string>>(
        "MAC",
        [&macs](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) {
                const proto::MacAddress mac = mac_of(text);
                if (std::ranges::find(macs, mac) == macs.end()) {
                    macs.push_back(mac);
                }
            }
            if (macs.size() > macs_max) {
                throw CLI::ValidationError("at most " + std::to_string(macs_max) +
                                           " addresses fit into a list");
            }
        },
        "MAC addresses of hosts");
    option->type_name("")->required(required)->expected(required ? 1 : 0, 100'000);
}

void add_admin(CLI::App& command, AdminOptions& options) {
    add_address(command, options.address);
    add_interfaces(command, options.interfaces)->required();
    add_time(command, "--wait", options.wait, 1, milliseconds_max,
             "How long to wait for the target, and for each of its answers");
    command.add_flag("--json", options.json, "A JSON object");
}

template <class Options>
CLI::App* add_verb(CLI::App& command, const char* name, const char* what, const char* footer,
                   Options& options, typename Options::Verb verb) {
    CLI::App* added = command.add_subcommand(name, what);
    add_admin(*added, options.admin);
    added->footer(footer);
    added->parse_complete_callback([&options, verb] { options.verb = verb; });
    return added;
}

} // namespace

std::vector<std::string> verb_first(std::vector<std::string> arguments) {
    constexpr std::array<std::string_view, 3> commands{"config", "mask", "reserve"};
    if (arguments.size() >= 3 && std::ranges::find(commands, arguments[0]) != commands.end() &&
        proto::parse_address(arguments[1])) {
        std::swap(arguments[1], arguments[2]);
    }
    return arguments;
}

CLI::App* add_smart(CLI::App& app, SmartOptions& options) {
    CLI::App* command =
        app.add_subcommand("smart", "Shows the disk's health and attributes, runs self-tests");
    add_admin(*command, options.admin);
    CLI::Option* log = command->add_flag("--log", options.log, "The self-tests that were done");
    CLI::Option* enable = command->add_flag("--enable", options.enable, "Switch SMART on");
    CLI::Option* test = command
                            ->add_option_function<std::string>(
                                "--test",
                                [&options](const std::string& text) {
                                    options.test = text == "short"  ? proto::SmartTest::short_test
                                                   : text == "long" ? proto::SmartTest::extended
                                                                    : proto::SmartTest::abort;
                                },
                                "Start a self-test, or end the one that runs")
                            ->check(CLI::IsMember({"short", "long", "abort"}))
                            ->type_name("short|long|abort")
                            ->excludes(log)
                            ->excludes(enable);
    enable->excludes(log);
    command->add_flag("--follow", options.follow, "Wait for the self-test's end, and show it")
        ->needs(test);
    command->footer(smart_footer);
    return command;
}

CLI::App* add_config(CLI::App& app, ConfigOptions& options) {
    using Verb = ConfigOptions::Verb;
    CLI::App* command = app.add_subcommand("config", "Reads, sets or tests the config string");
    command->footer(config_footer);
    command->require_subcommand(1);
    add_verb(*command, "get", "Prints the config string", config_get_footer, options, Verb::get);
    CLI::App* set =
        add_verb(*command, "set", "Sets it, if it is empty", config_set_footer, options, Verb::set);
    set->add_option("STRING", options.string, "1 to 1024 bytes")
        ->required()
        ->type_name("")
        ->check([](const std::string& text) {
            return text.empty() ? "to make it empty, say `uaoe config clear`"
                   : text.size() > proto::config_string_bytes_max
                       ? "a config string has at most 1024 bytes"
                       : std::string();
        });
    set->add_flag("--force", options.force, "Whatever is there");
    CLI::App* test = add_verb(*command, "test", "Says whether it is STRING", config_test_footer,
                              options, Verb::test);
    test->add_option("STRING", options.string, "Up to 1024 bytes")
        ->required()
        ->type_name("")
        ->check([](const std::string& text) {
            return text.size() > proto::config_string_bytes_max
                       ? "a config string has at most 1024 bytes"
                       : std::string();
        });
    test->add_flag("--prefix", options.is_prefix, "Whether it begins with STRING");
    add_verb(*command, "clear", "Makes it empty", config_clear_footer, options, Verb::clear);
    return command;
}

CLI::App* add_mask(CLI::App& app, MaskOptions& options) {
    using Verb = MaskOptions::Verb;
    CLI::App* command = app.add_subcommand("mask", "Reads or changes whom a target listens to");
    command->footer(mask_footer);
    command->require_subcommand(1);
    constexpr const char* force_text = "Although the target would not hear this host any more";
    add_verb(*command, "list", "Prints the MAC mask list", mask_list_footer, options, Verb::list);
    CLI::App* add = add_verb(*command, "add", "Adds hosts", mask_add_footer, options, Verb::add);
    add_macs(*add, options.macs, true);
    add->add_flag("--force", options.force, force_text);
    CLI::App* remove =
        add_verb(*command, "remove", "Removes hosts", mask_remove_footer, options, Verb::remove);
    add_macs(*remove, options.macs, true);
    remove->add_flag("--force", options.force, force_text);
    add_verb(*command, "clear", "Lets everybody in", mask_clear_footer, options, Verb::clear);
    return command;
}

CLI::App* add_reserve(CLI::App& app, ReserveOptions& options) {
    using Verb = ReserveOptions::Verb;
    CLI::App* command = app.add_subcommand("reserve", "Reads or changes who may use a target");
    command->footer(reserve_footer);
    command->require_subcommand(1);
    add_verb(*command, "get", "Prints for whom it is reserved", reserve_get_footer, options,
             Verb::get);
    add_macs(*add_verb(*command, "set", "Reserves it, if nobody else has", reserve_set_footer,
                       options, Verb::set),
             options.macs, false);
    add_macs(*add_verb(*command, "force", "Reserves it, whoever has it", reserve_force_footer,
                       options, Verb::force),
             options.macs, false);
    add_verb(*command, "release", "Ends the reservation", reserve_release_footer, options,
             Verb::release)
        ->add_flag("--force", options.force, "Also when it is reserved for others");
    return command;
}

} // namespace uaoe::tools
