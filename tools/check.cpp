// `uaoe check`: what is wrong with a SAN.
#include "tools/commands.hpp"
#include "tools/output.hpp"
#include "tools/san_survey.hpp"
#include "tools/text.hpp"

namespace uaoe::tools {

CommandResult run_check(const CheckOptions& options) {
    const auto found = survey_san(options);
    if (!found) {
        return std::unexpected(found.error());
    }
    if (found->targets.empty()) {
        std::vector<std::string> names;
        for (const CheckedInterface& interface : found->interfaces) {
            names.push_back(interface.name);
        }
        return std::unexpected(
            Error{.what = "no target answered on " + list_text(names),
                  .why = "nothing came within " + seconds_text(options.wait),
                  .what_to_do = "check that the targets run, the cables, and the VLAN",
                  .exit_code = ExitCode::no_such_target});
    }
    const std::vector<Finding> findings = find_faults(*found);
    const auto written =
        write_output(options.json ? check_json(*found, findings)
                                  : check_text(*found, findings, output_columns()));
    if (!written) {
        return std::unexpected(written.error());
    }
    return findings.empty() ? ExitCode::done : ExitCode::failed;
}

} // namespace uaoe::tools
