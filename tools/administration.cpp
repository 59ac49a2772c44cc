// What the administrative steps share: asking until it is clear what silence means, and errors.
#include "tools/administration.hpp"

#include <array>
#include <fmt/format.h>

namespace uaoe::tools {

namespace {

std::string error_name(proto::AoeError error) {
    switch (error) {
    case proto::AoeError::unrecognized_command:
        return "the target does not know the command (AoE error 1)";
    case proto::AoeError::bad_argument:
        return "the target does not accept what it was told (AoE error 2)";
    case proto::AoeError::device_unavailable:
        return "the target says that its disk is unavailable (AoE error 3)";
    case proto::AoeError::config_string_present:
        return "the target has a config string already (AoE error 4)";
    case proto::AoeError::unsupported_version:
        return "the target does not speak AoE version 1 (AoE error 5)";
    case proto::AoeError::target_is_reserved:
        return "another initiator has it reserved (AoE error 6)";
    case proto::AoeError::none:
        break;
    }
    return fmt::format("the target answered with AoE error {}", static_cast<unsigned>(error));
}

} // namespace

std::vector<std::byte> argument_of(const std::function<std::size_t(proto::Bytes)>& write) {
    std::array<std::byte, 4096> frame{};
    const std::size_t used = write(frame);
    return {frame.begin() + proto::aoe_frame_header_bytes,
            frame.begin() + static_cast<std::ptrdiff_t>(used)};
}

Error aoe_error(const Administered& target, proto::AoeError error, std::string_view what) {
    Error made{.what = std::string(what), .why = error_name(error), .what_to_do = {}};
    switch (error) {
    case proto::AoeError::unrecognized_command:
    case proto::AoeError::unsupported_version:
        made.what_to_do = "it cannot be done with this target";
        break;
    case proto::AoeError::target_is_reserved:
        made.what_to_do =
            fmt::format("`uaoe reserve get {}` says for whom", proto::to_string(target.address));
        break;
    default:
        made.what_to_do = "see the target's log";
    }
    return made;
}

Error nonsense_error(std::string_view what) {
    return {.what = std::string(what),
            .why = "the target's answer contradicts itself",
            .what_to_do = "capture it with `tcpdump -i IF ether proto 0x88a2`"};
}

std::expected<initiator::AdminAnswer, Error>
ask_firmly(const Administered& target, initiator::AdminQuestion question, std::string_view what) {
    question.address = target.address;
    question.patience = target.patience;
    const bool is_change = question.is_change;
    auto answer = target.ask(std::move(question));
    if (!answer || !answer->is_silent) {
        return answer;
    }
    initiator::AdminQuestion hello{.address = target.address, .patience = target.patience};
    hello.argument = argument_of([](proto::Bytes out) {
        return proto::write_query_config(out, {}, {.version = proto::aoe_version, .string = {}});
    });
    const auto heard = target.ask(std::move(hello));
    if (!heard) {
        return heard;
    }
    if (heard->is_silent) {
        return std::unexpected(Error{
            .what = std::string(what),
            .why = is_change ? "no answer any more; it may be done or not" : "no answer any more",
            .what_to_do = "check the target, its MAC mask list, and the network",
            .exit_code = ExitCode::no_such_target});
    }
    return std::unexpected(Error{.what = std::string(what),
                                 .why = "the target answers Query Config, and not this",
                                 .what_to_do = is_change
                                                   ? "it may not support it; see whether it is done"
                                                   : "it may not support it"});
}

} // namespace uaoe::tools
