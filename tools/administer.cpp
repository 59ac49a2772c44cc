// `uaoe config`, `uaoe mask` and `uaoe reserve`: their steps, with a target on the network.
#include "tools/admin_session.hpp"
#include "tools/admin_text.hpp"
#include "tools/commands.hpp"
#include "tools/output.hpp"
#include "tools/text.hpp"

#include <fmt/format.h>

namespace uaoe::tools {

namespace {

CommandResult print(const std::string& text) {
    if (auto written = write_output(text); !written) {
        return std::unexpected(written.error());
    }
    return ExitCode::done;
}

CommandResult test(const Administered& target, const ConfigOptions& options) {
    const auto tested = test_config_string(target, options.string, options.is_prefix);
    if (!tested) {
        return std::unexpected(tested.error());
    }
    if (options.admin.json) {
        const auto printed = print(config_test_json(target.address, *tested));
        return printed && !tested->matches ? ExitCode::failed : printed;
    }
    if (tested->matches) {
        return ExitCode::done;
    }
    return std::unexpected(Error{
        .what = fmt::format("the config string of {} {} \"{}\"", proto::to_string(target.address),
                            options.is_prefix ? "does not begin with" : "is not",
                            visible_text(options.string)),
        .why = fmt::format("it is \"{}\"", visible_text(tested->present)),
        .what_to_do = {}});
}

// Changes are silent, as in most tools; --json tells what is there then.
CommandResult print_macs(const AdminSession& session, const AdminOptions& options,
                         std::string_view key, const MacList& macs, bool was_asked_for,
                         const char* empty_text) {
    if (options.json) {
        return print(macs_json(options.address, key, macs, session.interfaces()));
    }
    if (!was_asked_for) {
        return ExitCode::done;
    }
    if (macs.empty()) {
        report(proto::to_string(options.address) + empty_text);
        return ExitCode::done;
    }
    return print(macs_table(macs, session.interfaces()));
}

} // namespace

CommandResult run_config(const ConfigOptions& options) {
    using Verb = ConfigOptions::Verb;
    auto session = AdminSession::open(options.admin, false);
    if (!session) {
        return std::unexpected(session.error());
    }
    const Administered target = session->target();
    if (options.verb == Verb::test) {
        return test(target, options);
    }
    if (options.verb == Verb::get) {
        const auto string = read_config_string(target);
        if (!string) {
            return std::unexpected(string.error());
        }
        return print(options.admin.json ? config_json(target.address, *string)
                                        : visible_text(*string) + "\n");
    }
    const bool is_clear = options.verb == Verb::clear;
    const std::string wanted = is_clear ? std::string() : options.string;
    if (const auto set = set_config_string(target, wanted, is_clear || options.force); !set) {
        return std::unexpected(set.error());
    }
    return options.admin.json ? print(config_json(target.address, wanted)) : ExitCode::done;
}

CommandResult run_mask(const MaskOptions& options) {
    using Verb = MaskOptions::Verb;
    auto session = AdminSession::open(options.admin, false);
    if (!session) {
        return std::unexpected(session.error());
    }
    const Administered target = session->target();
    const bool is_list = options.verb == Verb::list;
    const auto macs =
        is_list
            ? read_masks(target)
            : edit_masks(target, {.add = options.verb == Verb::add ? options.macs : MacList{},
                                  .remove = options.verb == Verb::remove ? options.macs : MacList{},
                                  .clear = options.verb == Verb::clear,
                                  .own_macs = session->own_macs(),
                                  .lock_out = options.force});
    if (!macs) {
        return std::unexpected(macs.error());
    }
    return print_macs(*session, options.admin, "mask_list", *macs, is_list,
                      ": its MAC mask list is empty, it listens to everybody");
}

CommandResult run_reserve(const ReserveOptions& options) {
    using Verb = ReserveOptions::Verb;
    auto session = AdminSession::open(options.admin, false);
    if (!session) {
        return std::unexpected(session.error());
    }
    const Administered target = session->target();
    MacList macs;
    if (options.verb == Verb::get) {
        auto read = read_reservation(target);
        if (!read) {
            return std::unexpected(read.error());
        }
        macs = std::move(*read);
    } else {
        if (options.verb != Verb::release) {
            macs = options.macs.empty() ? session->own_macs() : options.macs;
        }
        const bool force = options.verb == Verb::force || options.force;
        if (const auto set = set_reservation(target, macs, force); !set) {
            return std::unexpected(set.error());
        }
    }
    return print_macs(*session, options.admin, "reserved_for", macs, options.verb == Verb::get,
                      " is reserved for nobody");
}

} // namespace uaoe::tools
