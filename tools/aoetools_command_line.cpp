// The command lines of aoetools, which are older than uaoe's: short options of getopt(3), and
// words.
#include "tools/aoetools.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <functional>
#include <sstream>

namespace uaoe::tools {

namespace {

using namespace std::chrono_literals;

std::string name_of(std::string_view program) {
    return std::filesystem::path(program).filename().string();
}

std::optional<std::uint32_t> number_of(std::string_view text, std::uint32_t most) {
    int base = 10;
    if (text.starts_with("0x") || text.starts_with("0X")) {
        base = 16;
        text.remove_prefix(2);
    }
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    return error == std::errc{} && end == text.data() + text.size() && value <= most
               ? std::optional(value)
               : std::nullopt;
}

// Words behind options, and the first mistake.
struct Words {
    std::vector<std::string> operands;
    std::string mistake;
};

// As getopt(3): "-vs5" is "-v -s 5"; options may stand behind operands; what is behind "--" is
// none. `taking`: the letters of options that take a value. `handle` returns a mistake, or nothing.
Words split(const std::vector<std::string>& arguments, std::string_view letters,
            std::string_view taking,
            const std::function<std::string(char letter, const std::string& value)>& handle) {
    Words words;
    bool ended = false;
    for (std::size_t i = 0; i < arguments.size() && words.mistake.empty(); ++i) {
        const std::string& word = arguments[i];
        if (ended || word.size() < 2 || word[0] != '-') {
            words.operands.push_back(word);
            continue;
        }
        if (word == "--") {
            ended = true;
            continue;
        }
        for (std::size_t at = 1; at < word.size() && words.mistake.empty(); ++at) {
            const char letter = word[at];
            if (letters.find(letter) != std::string_view::npos) {
                words.mistake = handle(letter, {});
            } else if (taking.find(letter) == std::string_view::npos) {
                words.mistake = "there is no option -" + std::string(1, letter);
            } else if (at + 1 < word.size()) {
                words.mistake = handle(letter, word.substr(at + 1));
                break;
            } else if (i + 1 < arguments.size()) {
                words.mistake = handle(letter, arguments[++i]);
            } else {
                words.mistake = "-" + std::string(1, letter) + " needs a value";
            }
        }
    }
    return words;
}

using Parsed = std::expected<AoeToolOptions, std::string>; // or the mistake

Parsed parse_stat(const std::vector<std::string>& arguments) {
    // grep has options of its own; what begins with a dash is none of them here.
    return AoeStatOptions{.pattern = arguments.empty() ? "." : arguments.front()};
}

Parsed parse_discover(const std::vector<std::string>& arguments) {
    if (!arguments.empty()) {
        return std::unexpected("it takes no arguments");
    }
    return AoeDiscoverOptions{};
}

Parsed parse_interfaces(const std::vector<std::string>& arguments) {
    const bool clears = !arguments.empty() && arguments.front() == "-c";
    std::vector<std::string> names;
    for (std::size_t i = clears ? 1 : 0; i < arguments.size(); ++i) {
        std::istringstream words(arguments[i]); // "eth1 eth2" is two
        for (std::string name; words >> name;) {
            if (name.starts_with('-')) {
                return std::unexpected("there is no option " + name);
            }
            names.push_back(name);
        }
    }
    if (clears && arguments.size() > 1) {
        return std::unexpected("-c takes no arguments");
    }
    return AoeInterfacesOptions{.wanted =
                                    names.empty() && !clears ? std::nullopt : std::optional(names)};
}

std::optional<std::string> not_a_name(const std::vector<std::string>& targets) {
    for (const std::string& target : targets) {
        if (!proto::parse_address(target)) {
            return "\"" + target + "\" is not eSHELF.SLOT";
        }
    }
    return std::nullopt;
}

Parsed parse_revalidate(const std::vector<std::string>& arguments) {
    if (arguments.empty()) {
        return std::unexpected("name a device, e1.0");
    }
    if (auto mistake = not_a_name(arguments)) {
        return std::unexpected(*mistake);
    }
    return AoeRevalidateOptions{.targets = arguments};
}

Parsed parse_flush(const std::vector<std::string>& arguments) {
    if (!arguments.empty() && arguments.front() == "-a") {
        if (arguments.size() > 1) {
            return std::unexpected("-a takes no arguments");
        }
        return AoeFlushOptions{.all = true, .targets = {}};
    }
    if (auto mistake = not_a_name(arguments)) {
        return std::unexpected(*mistake);
    }
    return AoeFlushOptions{.all = false, .targets = arguments};
}

// "read_log:6"
std::optional<AoePingSmart> smart_of(std::string_view text) {
    struct Command {
        std::string_view name;
        AoePingSmart smart;
    };
    // ATA8-ACS 7.52: the feature register of SMART.
    constexpr std::array commands = {
        Command{"read_data", {.feature = 0xd0, .reads = true}},
        Command{"offline_immediate", {.feature = 0xd4}},
        Command{"read_log", {.feature = 0xd5, .reads = true}},
        Command{"write_log", {.feature = 0xd6, .writes = true}},
        Command{"enable", {.feature = 0xd8}},
        Command{"disable", {.feature = 0xd9}},
        Command{"return_status", {.feature = 0xda}},
    };
    const std::size_t colon = text.find(':');
    const auto found = std::ranges::find(commands, text.substr(0, colon), &Command::name);
    if (found == commands.end()) {
        return std::nullopt;
    }
    AoePingSmart smart = found->smart;
    if (colon != std::string_view::npos) {
        const auto octet = number_of(text.substr(colon + 1), 0xff);
        if (!octet) {
            return std::nullopt;
        }
        smart.low_octet = static_cast<std::uint8_t>(*octet);
    }
    return smart;
}

std::expected<proto::Address, std::string>
address_of(const std::string& shelf, const std::string& slot, bool may_be_broadcast) {
    const auto shelf_number = number_of(shelf, 0xffff);
    const auto slot_number = number_of(slot, 0xff);
    if (shelf_number && slot_number) {
        const proto::Address address{static_cast<std::uint16_t>(*shelf_number),
                                     static_cast<std::uint8_t>(*slot_number)};
        if (may_be_broadcast || !address.is_broadcast()) {
            return address;
        }
    }
    return std::unexpected("\"" + shelf + " " + slot +
                           "\" is not a shelf (0-65534) and a slot (0-254)");
}

Parsed parse_ping(const std::vector<std::string>& arguments) {
    AoePingOptions options;
    const Words words =
        split(arguments, "iIv", "sSt", [&](char letter, const std::string& value) -> std::string {
            constexpr std::uint32_t seconds_max = 86'400;
            switch (letter) {
            case 'i':
                options.identify_words = true;
                return {};
            case 'I':
                options.identify_fields = true;
                return {};
            case 'v':
                options.verbose = true;
                return {};
            case 's': {
                const auto seconds = number_of(value, seconds_max);
                options.wait = std::chrono::seconds{seconds.value_or(0)};
                return options.wait > 0s ? "" : "-s is 1 to 86400 seconds, not \"" + value + "\"";
            }
            case 'S':
                options.smart = smart_of(value);
                return options.smart ? "" : "there is no SMART command \"" + value + "\"";
            default: {
                const auto tag = number_of(value, 0x7fff'ffff);
                options.tag = tag.value_or(0);
                return tag ? "" : "-t is a number up to 2147483647, not \"" + value + "\"";
            }
            }
        });
    if (!words.mistake.empty()) {
        return std::unexpected(words.mistake);
    }
    if (words.operands.size() != 3) {
        return std::unexpected("name shelf, slot and interface: 1 0 eth1");
    }
    const auto address = address_of(words.operands[0], words.operands[1], false);
    if (!address) {
        return std::unexpected(address.error());
    }
    options.address = *address;
    options.interface = words.operands[2];
    return options;
}

Parsed parse_version(const std::vector<std::string>& arguments) {
    return arguments.empty() ? Parsed(AoeVersionOptions{})
                             : std::unexpected("it takes no arguments");
}

Parsed parse_sancheck(const std::vector<std::string>& arguments) {
    AoeSancheckOptions options;
    const Words words = split(arguments, "v", "", [&](char, const std::string&) -> std::string {
        options.verbose = true;
        return {};
    });
    if (!words.mistake.empty()) {
        return std::unexpected(words.mistake);
    }
    return words.operands.empty() ? Parsed(options) : std::unexpected("it takes no arguments");
}

Parsed parse_nodes(const std::string& name, const std::vector<std::string>& arguments) {
    const bool is_shelf = name == "aoe-mkshelf";
    if (arguments.size() != (is_shelf ? 2U : 1U)) {
        return std::unexpected(is_shelf ? "name a directory and a shelf" : "name a directory");
    }
    return AoeNodesOptions{.tool = name};
}

Parsed parse_cfg(const std::vector<std::string>& arguments) {
    constexpr std::array names = {"read", "test", "prefix", "set", "fset"}; // by ConfigCommand
    AoeCfgOptions options;
    const Words words =
        split(arguments, "", "cst", [&](char letter, const std::string& value) -> std::string {
            if (letter == 'c') {
                const auto* const found = std::ranges::find(names, value);
                if (found == names.end()) {
                    return "there is no command \"" + value + "\"";
                }
                options.command = static_cast<proto::ConfigCommand>(found - names.begin());
            } else if (letter == 's') {
                options.string = value;
                if (value.size() > proto::config_string_bytes_max) {
                    return "a config string has up to 1024 bytes";
                }
            } else {
                constexpr std::uint32_t seconds_max = 86'400;
                const auto seconds = number_of(value, seconds_max);
                if (!seconds) {
                    return "-t is 0 to 86400 seconds, not \"" + value + "\"";
                }
                options.wait = std::chrono::seconds{*seconds};
            }
            return {};
        });
    if (!words.mistake.empty()) {
        return std::unexpected(words.mistake);
    }
    const auto& operands = words.operands;
    if (operands.size() > 3) {
        return std::unexpected("it takes a shelf, a slot and an interface");
    }
    if (operands.size() >= 2) {
        const auto address = address_of(operands[0], operands[1], true);
        if (!address) {
            return std::unexpected(address.error());
        }
        options.address = *address;
    }
    if (operands.size() % 2 == 1) {
        options.interface = operands.back();
    }
    return options;
}

} // namespace

bool is_aoetool(std::string_view program) {
    return usage_of_aoetool(name_of(program)) != nullptr;
}

std::expected<AoeToolOptions, NothingToRun>
parse_aoetool(const std::string& name, const std::vector<std::string>& arguments) {
    const std::string first = arguments.empty() ? "" : arguments.front();
    if (first == "--help" || first == "-h") {
        return std::unexpected(NothingToRun{.output = usage_of_aoetool(name), .error = {}});
    }
    if (first == "--version") {
        return std::unexpected(
            NothingToRun{.output = name + " (uaoe " UAOE_VERSION ")\n", .error = {}});
    }
    const Parsed parsed = name == "aoe-stat"         ? parse_stat(arguments)
                          : name == "aoe-discover"   ? parse_discover(arguments)
                          : name == "aoe-interfaces" ? parse_interfaces(arguments)
                          : name == "aoe-revalidate" ? parse_revalidate(arguments)
                          : name == "aoe-flush"      ? parse_flush(arguments)
                          : name == "aoeping"        ? parse_ping(arguments)
                          : name == "aoe-version"    ? parse_version(arguments)
                          : name == "aoe-sancheck"   ? parse_sancheck(arguments)
                          : name == "aoecfg"         ? parse_cfg(arguments)
                                                     : parse_nodes(name, arguments);
    if (!parsed) {
        return std::unexpected(
            NothingToRun{.exit_code = ExitCode::failed,
                         .output = {},
                         .error = name + ": " + parsed.error() + "; see `" + name + " --help`"});
    }
    return *parsed;
}

} // namespace uaoe::tools
