// The config string: Query Config with its five sub-commands (AoEr11 3.2).
#include "tools/administration.hpp"
#include "tools/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace uaoe::tools {

namespace {

using namespace std::chrono_literals;
using proto::ConfigCommand;

// A test that does not match is not answered, so its silence says little: the string is read then.
constexpr initiator::Duration test_patience = 1s;

initiator::AdminQuestion question(ConfigCommand command, const std::string& string) {
    return {.command = proto::Command::query_config,
            .argument = argument_of([&](proto::Bytes out) {
                return proto::write_query_config(out, {},
                                                 {.version = proto::aoe_version,
                                                  .command = command,
                                                  .string = std::as_bytes(std::span(string))});
            }),
            .is_change = command == ConfigCommand::set || command == ConfigCommand::force_set};
}

// The string that an answer tells; nothing when it tells none, as error replies of the header
// alone.
std::optional<std::string> string_of(const initiator::AdminAnswer& answer) {
    const auto fields = proto::parse_query_config(answer.argument);
    if (!fields) {
        return std::nullopt;
    }
    std::string string(fields->string.size(), '\0');
    std::ranges::transform(fields->string, string.begin(),
                           [](std::byte byte) { return static_cast<char>(byte); });
    return string;
}

std::string what_of(const Administered& target, std::string_view verb) {
    return fmt::format("cannot {} the config string of {}", verb, proto::to_string(target.address));
}

} // namespace

std::expected<std::string, Error> read_config_string(const Administered& target) {
    const std::string what = what_of(target, "read");
    const auto answer = ask_firmly(target, question(ConfigCommand::read, {}), what);
    if (!answer) {
        return std::unexpected(answer.error());
    }
    if (answer->is_error) {
        return std::unexpected(aoe_error(target, answer->error, what));
    }
    auto string = string_of(*answer);
    if (!string) {
        return std::unexpected(nonsense_error(what));
    }
    return std::move(*string);
}

std::expected<void, Error> set_config_string(const Administered& target, const std::string& wanted,
                                             bool force) {
    const std::string what = what_of(target, wanted.empty() ? "clear" : "set");
    const auto command = force ? ConfigCommand::force_set : ConfigCommand::set;
    const auto answer = ask_firmly(target, question(command, wanted), what);
    if (!answer) {
        return std::unexpected(answer.error());
    }
    const bool is_conflict =
        answer->is_error && answer->error == proto::AoeError::config_string_present;
    if (answer->is_error && !is_conflict) {
        return std::unexpected(aoe_error(target, answer->error, what));
    }
    // With the conflict comes the present string, but not from each target. It is the wanted one
    // when an earlier copy has set it, whose answer was lost.
    auto present = string_of(*answer);
    if (!present || (is_conflict && present->empty())) {
        auto read = read_config_string(target);
        if (!read) {
            return std::unexpected(read.error());
        }
        present = std::move(*read);
    }
    if (*present == wanted) {
        return {};
    }
    if (is_conflict) {
        return std::unexpected(Error{.what = what,
                                     .why = fmt::format("it is \"{}\"", visible_text(*present)),
                                     .what_to_do = "--force overwrites it"});
    }
    return std::unexpected(
        Error{.what = what,
              .why = fmt::format("the target now says \"{}\"", visible_text(*present)),
              .what_to_do = "somebody else may have set it at the same time"});
}

std::expected<ConfigTest, Error> test_config_string(const Administered& target,
                                                    const std::string& wanted, bool is_prefix) {
    const std::string what = what_of(target, "test");
    initiator::AdminQuestion asked =
        question(is_prefix ? ConfigCommand::prefix : ConfigCommand::test, wanted);
    asked.address = target.address;
    asked.patience = std::min(target.patience, test_patience);
    const auto answer = target.ask(std::move(asked));
    if (!answer) {
        return std::unexpected(answer.error());
    }
    std::optional<std::string> present;
    if (!answer->is_silent) {
        if (answer->is_error) {
            return std::unexpected(aoe_error(target, answer->error, what));
        }
        present = string_of(*answer);
        if (!present) {
            return std::unexpected(nonsense_error(what));
        }
    } else {
        auto read = read_config_string(target);
        if (!read) {
            return std::unexpected(read.error());
        }
        present = std::move(*read);
    }
    return ConfigTest{.matches = is_prefix ? present->starts_with(wanted) : *present == wanted,
                      .present = std::move(*present)};
}

} // namespace uaoe::tools
