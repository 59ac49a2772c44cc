// `uaoe identify`: what a target says about its disk.
#include "tools/commands.hpp"
#include "tools/json_text.hpp"
#include "tools/output.hpp"
#include "tools/session.hpp"
#include "tools/target_wait.hpp"
#include "tools/text.hpp"

namespace uaoe::tools {

CommandResult run_identify(const IdentifyOptions& options) {
    initiator::EngineConfig config;
    config.discover_interval = initiator::Duration::zero();
    auto session = open_session(options.interfaces, config);
    if (!session) {
        return std::unexpected(session.error());
    }
    const auto found = wait_for_target(*session, options.address, WaitGoal::ready, options.wait,
                                       wait_patience, {});
    if (!found) {
        return std::unexpected(found.error());
    }
    const initiator::TargetStatus& target = **found;
    const auto written = write_output(options.json  ? identify_json(target, options.raw)
                                      : options.raw ? identify_words(target.identify_data)
                                                    : identify_text(target));
    if (!written) {
        return std::unexpected(written.error());
    }
    return ExitCode::done;
}

} // namespace uaoe::tools
