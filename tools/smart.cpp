// `uaoe smart`: the disk's health, and self-tests.
#include "tools/admin_session.hpp"
#include "tools/commands.hpp"
#include "tools/interrupt.hpp"
#include "tools/output.hpp"
#include "tools/progress.hpp"
#include "tools/smart_text.hpp"
#include "tools/text.hpp"

#include <fmt/format.h>
#include <poll.h>

namespace uaoe::tools {

namespace {

CommandResult print(const std::string& text) {
    if (auto written = write_output(text); !written) {
        return std::unexpected(written.error());
    }
    return ExitCode::done;
}

std::string_view name_of(proto::SmartTest test) {
    return test == proto::SmartTest::short_test ? "short" : "long";
}

// Looks each second. `whole`: how long the disk says that it takes; zero: it does not.
CommandResult follow(const Administered& target, std::chrono::minutes whole, bool json) {
    const InterruptGuard guard;
    const std::string name = proto::to_string(target.address);
    Progress progress("self-test of " + name,
                      whole.count() > 0 ? std::optional<initiator::Duration>(whole) : std::nullopt,
                      {.on_terminal = {}, .of_lines = {}});
    while (true) {
        const auto data = read_smart_data(target);
        if (!data) {
            return std::unexpected(data.error());
        }
        const std::uint8_t status = data->self_test_status;
        const std::string text = fmt::format("self-test of {}: {}", name, self_test_text(status));
        if (proto::self_test_result(status) != proto::self_test_running) {
            progress.clear();
            if (json) {
                return print(self_test_json(target.address, status));
            }
            if (proto::self_test_result(status) == 0) {
                return print(text + "\n");
            }
            return std::unexpected(
                Error{.what = text,
                      .why = {},
                      .what_to_do = fmt::format("`uaoe smart {} --log` shows where", name)});
        }
        progress.update([&] { return self_test_text(status); });
        ::poll(nullptr, 0, 1000); // a signal ends it
        if (InterruptGuard::interrupted()) {
            progress.clear();
            report(text + "; the disk goes on with it");
            return ExitCode::done;
        }
    }
}

CommandResult run_test(const Administered& target, const SmartOptions& options) {
    const auto before = start_self_test(target, *options.test);
    if (!before) {
        return std::unexpected(before.error());
    }
    const unsigned minutes = *options.test == proto::SmartTest::short_test
                                 ? before->short_test_minutes
                                 : before->extended_test_minutes;
    if (options.follow) {
        return follow(target, std::chrono::minutes{minutes}, options.admin.json);
    }
    if (*options.test == proto::SmartTest::abort || options.admin.json) {
        const auto data = read_smart_data(target);
        if (!data) {
            return std::unexpected(data.error());
        }
        return options.admin.json ? print(self_test_json(target.address, data->self_test_status))
                                  : ExitCode::done;
    }
    const std::string name = proto::to_string(target.address);
    return print(fmt::format("a {} self-test of {} runs{}; `uaoe smart {} --log` shows its end\n",
                             name_of(*options.test), name,
                             minutes > 0 ? fmt::format(", for about {} min", minutes) : "", name));
}

CommandResult show(const AdminSession& session, const Administered& target,
                   const SmartOptions& options) {
    const auto smart = read_smart(target);
    if (!smart) {
        return std::unexpected(smart.error());
    }
    const std::string name = proto::to_string(target.address);
    if (options.log && !smart->log) {
        return std::unexpected(Error{.what = fmt::format("cannot read the self-tests of {}", name),
                                     .why = "the disk keeps no log of them",
                                     .what_to_do = {}});
    }
    const auto printed = print(options.admin.json ? smart_json(session.status(), *smart)
                               : options.log      ? self_test_log_text(*smart->log)
                                                  : smart_text(session.status(), *smart));
    if (printed && smart->health == proto::SmartHealth::failing) {
        return std::unexpected(Error{.what = fmt::format("the disk of {} is failing", name),
                                     .why = "it says so itself",
                                     .what_to_do = "copy what is on it, and replace it"});
    }
    return printed;
}

} // namespace

CommandResult run_smart(const SmartOptions& options) {
    auto session = AdminSession::open(options.admin, true);
    if (!session) {
        return std::unexpected(session.error());
    }
    const Administered target = session->target();
    if (options.enable) {
        if (const auto enabled = enable_smart(target); !enabled) {
            return std::unexpected(enabled.error());
        }
        return options.admin.json ? show(*session, target, options) : ExitCode::done;
    }
    return options.test ? run_test(target, options) : show(*session, target, options);
}

} // namespace uaoe::tools
