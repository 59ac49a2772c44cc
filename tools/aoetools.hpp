// The names of aoetools (the tools of the kernel's aoe driver) that uaoe answers to when it is
// called by them: the same options, output and exit codes, asking uaoed where those ask the driver.
// Their exit codes are 0 and 1 alone.
#pragma once

#include "proto/address.hpp"
#include "proto/aoe.hpp"
#include "tools/command_line.hpp"
#include "tools/commands.hpp"

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace uaoe::tools {

struct AoeStatOptions {
    std::string pattern = "."; // a basic regular expression, as grep's
    friend bool operator==(const AoeStatOptions&, const AoeStatOptions&) = default;
};

struct AoeDiscoverOptions {
    friend bool operator==(const AoeDiscoverOptions&, const AoeDiscoverOptions&) = default;
};

struct AoeInterfacesOptions {
    std::optional<std::vector<std::string>> wanted; // nothing: only look; none: all that are up
    friend bool operator==(const AoeInterfacesOptions&, const AoeInterfacesOptions&) = default;
};

struct AoeRevalidateOptions {
    std::vector<std::string> targets; // at least one
    friend bool operator==(const AoeRevalidateOptions&, const AoeRevalidateOptions&) = default;
};

struct AoeFlushOptions {
    bool all = false;                 // those that are up, too
    std::vector<std::string> targets; // none: those that are down
    friend bool operator==(const AoeFlushOptions&, const AoeFlushOptions&) = default;
};

// One SMART command of aoeping.
struct AoePingSmart {
    std::uint8_t feature = 0;   // of the ATA command
    std::uint8_t low_octet = 0; // of its LBA
    bool reads = false;         // a sector of data comes back
    bool writes = false;        // one goes there, from standard input
    friend bool operator==(const AoePingSmart&, const AoePingSmart&) = default;
};

struct AoePingOptions {
    proto::Address address;
    std::string interface;
    bool identify_words = false;
    bool identify_fields = false;
    bool verbose = false;
    std::chrono::seconds wait{0}; // for each answer; 0: for ever
    std::optional<AoePingSmart> smart;
    std::uint32_t tag = 0; // of the first question; bit 31 is set
    friend bool operator==(const AoePingOptions&, const AoePingOptions&) = default;
};

struct AoeCfgOptions {
    proto::ConfigCommand command = proto::ConfigCommand::read;
    std::string string;
    std::optional<std::chrono::seconds> wait; // nothing: for ever
    proto::Address address = proto::broadcast_address;
    std::string interface = "eth0";
    friend bool operator==(const AoeCfgOptions&, const AoeCfgOptions&) = default;
};

struct AoeVersionOptions {
    friend bool operator==(const AoeVersionOptions&, const AoeVersionOptions&) = default;
};

struct AoeSancheckOptions {
    bool verbose = false;
    friend bool operator==(const AoeSancheckOptions&, const AoeSancheckOptions&) = default;
};

// aoe-mkdevs and aoe-mkshelf.
struct AoeNodesOptions {
    std::string tool;
    friend bool operator==(const AoeNodesOptions&, const AoeNodesOptions&) = default;
};

using AoeToolOptions =
    std::variant<AoeStatOptions, AoeDiscoverOptions, AoeInterfacesOptions, AoeRevalidateOptions,
                 AoeFlushOptions, AoePingOptions, AoeCfgOptions, AoeVersionOptions,
                 AoeSancheckOptions, AoeNodesOptions>;

// ---- aoetools_usage.cpp, aoetools_command_line.cpp ----

// Without a path; nullptr: it is no such name.
[[nodiscard]] const char* usage_of_aoetool(std::string_view name);

// Of argv[0], a path or not.
[[nodiscard]] bool is_aoetool(std::string_view program);

// `name`: one of them, without a path. `arguments`: without the name.
[[nodiscard]] std::expected<AoeToolOptions, NothingToRun>
parse_aoetool(const std::string& name, const std::vector<std::string>& arguments);

// ---- aoetools.cpp, aoeping.cpp, aoecfg.cpp, aoe_version.cpp, aoe_sancheck.cpp ----

// From the command line to the exit code; `program`: argv[0].
[[nodiscard]] int run_aoetool(std::string_view program, const std::vector<std::string>& arguments);

[[nodiscard]] CommandResult run_aoeping(const AoePingOptions& options);
[[nodiscard]] CommandResult run_aoecfg(const AoeCfgOptions& options);
[[nodiscard]] CommandResult run_aoe_version();
[[nodiscard]] CommandResult run_aoe_sancheck(const AoeSancheckOptions& options);

} // namespace uaoe::tools
