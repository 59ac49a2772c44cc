// The MAC mask list (AoEr11 3.3): whom a target listens to.
#include "tools/administration.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace uaoe::tools {

namespace {

using proto::MacMaskEntry;
using proto::MaskCommand;
using proto::MaskDirective;
using proto::MaskError;

constexpr std::size_t list_max = 255; // the count is one octet

bool contains(const MacList& list, const proto::MacAddress& mac) {
    return std::ranges::find(list, mac) != list.end();
}

bool same_set(MacList a, MacList b) {
    std::ranges::sort(a);
    std::ranges::sort(b);
    return a == b;
}

std::string name_of(const Administered& target) {
    return proto::to_string(target.address);
}

MacMaskEntry directive(MaskDirective what, const proto::MacAddress& mac) {
    return {.reserved = 0, .directive = static_cast<std::uint8_t>(what), .mac = mac};
}

initiator::AdminQuestion question(MaskCommand command, std::span<const MacMaskEntry> directives) {
    return {.command = proto::Command::mac_mask_list,
            .argument = argument_of([&](proto::Bytes out) {
                return proto::write_mac_mask(out, {}, command, MaskError::none, directives);
            }),
            .is_change = command == MaskCommand::edit};
}

// How many entries a frame of that MTU carries.
std::size_t entries_max(std::uint32_t mtu_bytes) {
    constexpr std::size_t header = sizeof(proto::AoeHeader) + sizeof(proto::MacMaskArgument);
    const std::size_t room = mtu_bytes > header ? (mtu_bytes - header) / sizeof(MacMaskEntry) : 0;
    return std::min(room, list_max);
}

std::string mask_error_text(MaskError error) {
    switch (error) {
    case MaskError::bad_directive:
        return "the target does not know the directive";
    case MaskError::list_full:
        return "the target's list is full";
    case MaskError::none:
    case MaskError::unspecified:
        break;
    }
    return "the target says that it failed";
}

// The list in an answer; of a failed edit, the error that names the directive it stopped at.
std::expected<MacList, Error> list_of(const Administered& target,
                                      const initiator::AdminAnswer& answer, std::string_view what,
                                      std::span<const MacMaskEntry> directives) {
    if (answer.is_error) {
        return std::unexpected(aoe_error(target, answer.error, what));
    }
    const auto fields = proto::parse_mac_mask(answer.argument);
    if (!fields) {
        return std::unexpected(nonsense_error(what));
    }
    if (fields->error != MaskError::none) {
        const std::size_t done = std::min<std::size_t>(fields->directive_count, directives.size());
        const std::string at =
            done < directives.size()
                ? fmt::format(" at number {} of {}, {}", done + 1, directives.size(),
                              proto::to_string(directives[done].mac))
                : "";
        return std::unexpected(
            Error{.what = std::string(what),
                  .why = mask_error_text(fields->error) + at,
                  .what_to_do = fmt::format("{} done; `uaoe mask list {}` shows what is there",
                                            done == 0   ? "nothing is"
                                            : done == 1 ? "the one before it is"
                                                        : "those before it are",
                                            name_of(target))});
    }
    if (fields->directives.size() / sizeof(MacMaskEntry) < fields->directive_count) {
        return std::unexpected(nonsense_error(what));
    }
    MacList list;
    for (std::size_t i = 0; i < fields->directive_count; ++i) {
        list.push_back(proto::mac_mask_entry(*fields, i).mac);
    }
    return list;
}

struct Reading {
    MacList list;
    std::size_t entries_max = 0; // of a frame
};

std::expected<Reading, Error> read(const Administered& target, std::string_view what) {
    const auto answer = ask_firmly(target, question(MaskCommand::read, {}), what);
    if (!answer) {
        return std::unexpected(answer.error());
    }
    auto list = list_of(target, *answer, what, {});
    if (!list) {
        return std::unexpected(list.error());
    }
    return Reading{.list = std::move(*list), .entries_max = entries_max(answer->mtu_bytes)};
}

// vblade up to 25 (aoe.c, addmask and rmmask) takes the list's length in octets for its length in
// entries: removing an entry of a short list ends the process, and adding to one of two or more
// overwrites another entry. Both are tried in tests/interop/mask.sh.
constexpr std::size_t vblade_entries_max = 2;

std::optional<Error> vblade_refusal(const MacList& before, const MacList& after,
                                    std::string_view what) {
    const bool removes =
        std::ranges::any_of(before, [&](const auto& mac) { return !contains(after, mac); });
    const bool adds =
        std::ranges::any_of(after, [&](const auto& mac) { return !contains(before, mac); });
    if (removes) {
        return Error{.what = std::string(what),
                     .why = "vblade up to version 25 crashes when an address is removed",
                     .what_to_do = "restart it with the list in its option -m"};
    }
    if (adds && after.size() > vblade_entries_max) {
        return Error{.what = std::string(what),
                     .why =
                         fmt::format("vblade up to version 25 damages its list when it gets more "
                                     "than {} addresses this way",
                                     vblade_entries_max),
                     .what_to_do = "restart it with the list in its option -m"};
    }
    return std::nullopt;
}

MacList expected_list(const MacList& before, const MaskEdit& edit) {
    MacList list;
    if (!edit.clear) {
        std::ranges::copy_if(before, std::back_inserter(list),
                             [&](const auto& mac) { return !contains(edit.remove, mac); });
        std::ranges::copy_if(edit.add, std::back_inserter(list),
                             [&](const auto& mac) { return !contains(list, mac); });
    }
    return list;
}

// What leads from one list to the other. This host goes first into a list and last out of it, so
// that it is heard until all is done, also when that takes several frames.
std::vector<MacMaskEntry> directives_of(const MacList& before, const MacList& after,
                                        const MacList& own_macs) {
    std::vector<MacMaskEntry> directives;
    const auto append = [&](MaskDirective what, const MacList& from, const MacList& other,
                            bool of_own) {
        for (const auto& mac : from) {
            if (!contains(other, mac) && contains(own_macs, mac) == of_own) {
                directives.push_back(directive(what, mac));
            }
        }
    };
    append(MaskDirective::add, after, before, true);
    append(MaskDirective::add, after, before, false);
    append(MaskDirective::remove, before, after, false);
    append(MaskDirective::remove, before, after, true);
    return directives;
}

std::optional<Error> refusal(const Administered& target, const MaskEdit& edit,
                             const MacList& before, const MacList& after,
                             std::size_t entries_of_frame, std::string_view what) {
    if (after.size() > list_max) {
        return Error{.what = std::string(what),
                     .why =
                         fmt::format("{} addresses, and the list holds {}", after.size(), list_max),
                     .what_to_do = "remove some first"};
    }
    if (after.size() > entries_of_frame) {
        return Error{.what = std::string(what),
                     .why = fmt::format("{} addresses, and a frame of this MTU holds {}: the "
                                        "target could not tell them any more",
                                        after.size(), entries_of_frame),
                     .what_to_do = "raise the MTU, or remove some first"};
    }
    if (target.damages_mask_lists) {
        if (auto refused = vblade_refusal(before, after, what)) {
            return refused;
        }
    }
    const bool is_locked_out =
        !after.empty() &&
        std::ranges::none_of(edit.own_macs, [&](const auto& mac) { return contains(after, mac); });
    if (is_locked_out && !edit.lock_out) {
        return Error{
            .what = std::string(what),
            .why = fmt::format("{} would not hear this host any more, as {} would not be in its "
                               "list",
                               name_of(target),
                               edit.own_macs.empty() ? std::string("it")
                                                     : proto::to_string(edit.own_macs.front())),
            .what_to_do = "add that, too, or say --force"};
    }
    return std::nullopt;
}

} // namespace

bool damages_mask_lists(const proto::Identify& identify) {
    const std::string_view firmware = identify.firmware.view();
    unsigned version = 0;
    return identify.model.view() == "Coraid EtherDrive vblade" && firmware.starts_with('V') &&
           std::from_chars(firmware.data() + 1, firmware.data() + firmware.size(), version).ec ==
               std::errc{} &&
           version <= 25;
}

std::expected<MacList, Error> read_masks(const Administered& target) {
    auto reading =
        read(target, fmt::format("cannot read the MAC mask list of {}", name_of(target)));
    if (!reading) {
        return std::unexpected(reading.error());
    }
    return std::move(reading->list);
}

std::expected<MacList, Error> edit_masks(const Administered& target, const MaskEdit& edit) {
    const std::string what = fmt::format("cannot change the MAC mask list of {}", name_of(target));
    const auto before = read(target, what);
    if (!before) {
        return std::unexpected(before.error());
    }
    const MacList after = expected_list(before->list, edit);
    if (const auto refused =
            refusal(target, edit, before->list, after, before->entries_max, what)) {
        return std::unexpected(*refused);
    }
    const std::vector<MacMaskEntry> all = directives_of(before->list, after, edit.own_macs);
    MacList now = before->list;
    for (std::span<const MacMaskEntry> rest = all; !rest.empty();) {
        const auto part = rest.first(std::min(rest.size(), before->entries_max));
        rest = rest.subspan(part.size());
        const auto answer = ask_firmly(target, question(MaskCommand::edit, part), what);
        if (!answer) {
            return std::unexpected(answer.error());
        }
        auto list = list_of(target, *answer, what, part);
        if (!list) {
            return std::unexpected(list.error());
        }
        now = std::move(*list);
    }
    if (!same_set(now, after)) {
        return std::unexpected(Error{
            .what = what,
            .why = "the target confirmed it, and its list is another one now",
            .what_to_do = fmt::format("`uaoe mask list {}` shows it; restart the target if it "
                                      "cannot be put right",
                                      name_of(target))});
    }
    return now;
}

} // namespace uaoe::tools
