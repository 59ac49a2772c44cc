// What the commands' grammars are made of, in CLI11. Only tools/command_line*.cpp see it: its
// header alone costs seconds of compile time.
#pragma once

#include "tools/command_line.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace uaoe::tools {

// Numbers that no duration overflows on.
inline constexpr std::int64_t milliseconds_max = 86'400'000;
inline constexpr std::int64_t wait_seconds_max = seconds_max.count();

// Throws a CLI::ValidationError that says how one is written.
[[nodiscard]] proto::Address address_of(const std::string& text);

// What is wrong with a number, or nothing. CLI11 takes "010" for eight, and " 1" and "0x1" for one.
[[nodiscard]] std::string check_decimal(const std::string& text);

void add_address(CLI::App& command, proto::Address& address);
void add_control(CLI::App& command, std::string& path); // of uaoed
CLI::Option* add_interfaces(CLI::App& command, std::vector<std::string>& interfaces);

// In seconds or milliseconds, as the type of `value` says; shows it as the default.
template <class Unit>
CLI::Option* add_time(CLI::App& command, const std::string& name, Unit& value, std::int64_t least,
                      std::int64_t most, const std::string& text) {
    const bool is_seconds = std::is_same_v<Unit, std::chrono::seconds>;
    return command
        .add_option_function<std::int64_t>(
            name, [&value](std::int64_t number) { value = Unit{number}; }, text)
        ->check(check_decimal)
        ->check(CLI::Range(least, most))
        ->type_name(is_seconds ? "S" : "MS")
        ->default_str(std::to_string(value.count()));
}

// The path of a unix socket: what is wrong with it, or nothing.
[[nodiscard]] std::string check_socket_path(const std::string& path);

// "--nbd-device" takes a device if one follows; CLI11 would take the address, too.
[[nodiscard]] std::vector<std::string> join_nbd_device(const std::vector<std::string>& arguments);

// "config 1.0 get" is as good as "config get 1.0".
[[nodiscard]] std::vector<std::string> verb_first(std::vector<std::string> arguments);

// One for each command; the options live as long as the App.
CLI::App* add_discover(CLI::App& app, DiscoverOptions& options);
CLI::App* add_identify(CLI::App& app, IdentifyOptions& options);
CLI::App* add_check(CLI::App& app, CheckOptions& options);
CLI::App* add_ping(CLI::App& app, PingOptions& options);
CLI::App* add_serve(CLI::App& app, ServeOptions& options);
CLI::App* add_attach(CLI::App& app, AttachOptions& options);
CLI::App* add_detach(CLI::App& app, DetachOptions& options);
CLI::App* add_list(CLI::App& app, ListOptions& options);
CLI::App* add_show(CLI::App& app, ShowOptions& options);
CLI::App* add_top(CLI::App& app, TopOptions& options);
CLI::App* add_events(CLI::App& app, EventsOptions& options);
CLI::App* add_metrics(CLI::App& app, MetricsOptions& options);
CLI::App* add_config_check(CLI::App& app, ConfigCheckOptions& options);
CLI::App* add_config(CLI::App& app, ConfigOptions& options);
CLI::App* add_mask(CLI::App& app, MaskOptions& options);
CLI::App* add_reserve(CLI::App& app, ReserveOptions& options);
CLI::App* add_smart(CLI::App& app, SmartOptions& options);

} // namespace uaoe::tools
