// `uaoe discover`: who is there.
#include "tools/commands.hpp"
#include "tools/json_text.hpp"
#include "tools/output.hpp"
#include "tools/progress.hpp"
#include "tools/session.hpp"
#include "tools/target_wait.hpp"
#include "tools/text.hpp"

#include "initiator/linux/clock.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace uaoe::tools {

using namespace std::chrono_literals;

namespace {

std::size_t identifying_count(initiator::Shard& shard) {
    const auto targets = shard.engine().targets();
    return static_cast<std::size_t>(std::ranges::count(targets, initiator::TargetState::identifying,
                                                       &initiator::TargetStatus::state));
}

// Thousands of targets may take longer to identify than they were waited for: as long as their
// number goes down, go on.
void finish_identifying(Session& session, Progress& progress) {
    constexpr initiator::Duration step = 300ms;
    constexpr int steps_max = 100;
    std::size_t before = identifying_count(*session.shard);
    for (int i = 0; i < steps_max && before > 0; ++i) {
        session.shard->run_until([] { return false; }, step);
        progress.update([&] {
            return fmt::format("{}, {} not asked for their disks yet", targets_text(session),
                               before);
        });
        const std::size_t now = identifying_count(*session.shard);
        if (now >= before) {
            return;
        }
        before = now;
    }
}

CommandResult print(const std::vector<initiator::TargetStatus>& targets, const Session& session,
                    bool json) {
    const auto written = write_output(json ? discover_json(targets, session.interfaces)
                                           : discover_table(targets, output_columns()));
    if (!written) {
        return std::unexpected(written.error());
    }
    return ExitCode::done;
}

CommandResult discover_one(Session& session, const DiscoverOptions& options) {
    const auto found =
        wait_for_target(session, *options.address, WaitGoal::ready, options.wait, {}, {});
    if (found) {
        return print({**found}, session, options.json);
    }
    // It is there, but not as it should be: its line says how.
    if (const auto target = session.shard->engine().target(*options.address)) {
        return print({*target}, session, options.json);
    }
    return std::unexpected(found.error());
}

} // namespace

CommandResult run_discover(const DiscoverOptions& options) {
    initiator::EngineConfig config;
    config.discover_interval = initiator::Duration::zero();
    // So that a target that never answers IDENTIFY is known as such before the list is printed.
    config.identify_timeout =
        std::clamp<initiator::Duration>(options.wait * 6 / 10, 300ms, config.identify_timeout);
    auto session = open_session(options.interfaces, config);
    if (!session) {
        return std::unexpected(session.error());
    }
    const std::string on = list_text(session->interface_names());
    if (options.interfaces.empty()) {
        report("looking on " + on);
    }
    if (options.address) {
        return discover_one(*session, options);
    }
    Progress progress("looking on " + on, options.wait);
    search(*session, options.wait, [&] {
        progress.update([&] { return targets_text(*session); });
        return false;
    });
    finish_identifying(*session, progress);
    progress.clear();
    const auto targets = session->shard->engine().targets();
    if (targets.empty()) {
        report(fmt::format("uaoe: no target answered on {} for {}; check that the targets run, the "
                           "cables, and the VLAN",
                           on, seconds_text(options.wait)));
    }
    if (const auto dropped = session->shard->engine().counters().targets_dropped; dropped > 0) {
        report(fmt::format("uaoe: the list is not complete: it holds {} targets of {} paths each",
                           config.targets_count_max, config.paths_per_target_max));
    }
    return print(targets, *session, options.json);
}

} // namespace uaoe::tools
