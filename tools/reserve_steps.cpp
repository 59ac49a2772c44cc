// Reserve/Release (AoEr11 3.4): for whom a target executes ATA commands.
#include "tools/administration.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace uaoe::tools {

namespace {

using proto::ReserveCommand;

initiator::AdminQuestion question(ReserveCommand command, const MacList& macs) {
    return {.command = proto::Command::reserve_release,
            .argument = argument_of(
                [&](proto::Bytes out) { return proto::write_reserve(out, {}, command, macs); }),
            .is_change = command != ReserveCommand::read};
}

bool same_set(MacList a, MacList b) {
    std::ranges::sort(a);
    std::ranges::sort(b);
    return a == b;
}

std::string list_text(const MacList& macs) {
    constexpr std::size_t shown_max = 3;
    std::string text;
    for (std::size_t i = 0; i < std::min(macs.size(), shown_max); ++i) {
        text += (i == 0 ? "" : ", ") + proto::to_string(macs[i]);
    }
    return macs.size() <= shown_max ? text
                                    : fmt::format("{} and {} more", text, macs.size() - shown_max);
}

// Nothing when the answer does not tell the list whole.
std::optional<MacList> list_of(const initiator::AdminAnswer& answer) {
    const auto fields = proto::parse_reserve(answer.argument);
    if (!fields || fields->macs.size() / sizeof(proto::MacAddress) < fields->mac_count) {
        return std::nullopt;
    }
    MacList list;
    for (std::size_t i = 0; i < fields->mac_count; ++i) {
        list.push_back(proto::reserve_mac(*fields, i));
    }
    return list;
}

} // namespace

std::expected<MacList, Error> read_reservation(const Administered& target) {
    const std::string what =
        fmt::format("cannot read the reservation of {}", proto::to_string(target.address));
    const auto answer = ask_firmly(target, question(ReserveCommand::read, {}), what);
    if (!answer) {
        return std::unexpected(answer.error());
    }
    if (answer->is_error) {
        return std::unexpected(aoe_error(target, answer->error, what));
    }
    auto list = list_of(*answer);
    if (!list) {
        return std::unexpected(nonsense_error(what));
    }
    return std::move(*list);
}

std::expected<void, Error> set_reservation(const Administered& target, const MacList& wanted,
                                           bool force) {
    const std::string name = proto::to_string(target.address);
    const std::string what =
        fmt::format("cannot {} {}", wanted.empty() ? "release" : "reserve", name);
    const auto command = force ? ReserveCommand::force_set : ReserveCommand::set;
    const auto answer = ask_firmly(target, question(command, wanted), what);
    if (!answer) {
        return std::unexpected(answer.error());
    }
    const bool is_refused =
        answer->is_error && answer->error == proto::AoeError::target_is_reserved;
    if (answer->is_error && !is_refused) {
        return std::unexpected(aoe_error(target, answer->error, what));
    }
    // The list in a refusal is not told by each target. It is the wanted one when an earlier copy
    // has set it, whose answer was lost, and this host is not in it.
    auto present = list_of(*answer);
    if (!present || (is_refused && present->empty())) {
        auto read = read_reservation(target);
        if (!read) {
            return std::unexpected(read.error());
        }
        present = std::move(*read);
    }
    if (same_set(*present, wanted)) {
        return {};
    }
    if (is_refused) {
        return std::unexpected(Error{
            .what = what,
            .why = fmt::format("it is reserved for {}", list_text(*present)),
            .what_to_do = wanted.empty()
                              ? fmt::format("`uaoe reserve release {} --force` releases it", name)
                              : fmt::format("`uaoe reserve force {}` takes it", name)});
    }
    return std::unexpected(
        Error{.what = what,
              .why = present->empty()
                         ? std::string("the target confirmed it, and is reserved for nobody now")
                         : fmt::format("the target confirmed it, and is reserved for {} now",
                                       list_text(*present)),
              .what_to_do = "somebody else may have reserved it at the same time"});
}

} // namespace uaoe::tools
