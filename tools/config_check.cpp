// `uaoe config-check`.
#include "tools/commands.hpp"
#include "tools/daemon/config_file.hpp"
#include "tools/output.hpp"

#include <fmt/format.h>

namespace uaoe::tools {

namespace {

std::string counted(std::size_t count, std::string_view one, std::string_view several) {
    return fmt::format("{} {}", count, count == 1 ? one : several);
}

} // namespace

CommandResult run_config_check(const ConfigCheckOptions& options) {
    const bool is_named = !options.config_path.empty();
    const std::string path = is_named ? options.config_path : config_path_default;
    const ConfigCheck check = check_config(path, is_named);
    for (const ConfigMistake& mistake : check.mistakes) {
        report(mistake.text());
    }
    if (!check.mistakes.empty()) {
        return check.no_permission ? ExitCode::no_permission : ExitCode::failed;
    }
    const std::string text = fmt::format("{}: {}, {}, {}; no mistake\n", path,
                                         check.file_exists ? "read" : "there is none",
                                         counted(check.drop_ins_count, "drop-in", "drop-ins"),
                                         counted(check.config.luns.size(), "LUN", "LUNs"));
    if (auto written = write_output(text); !written) {
        return std::unexpected(written.error());
    }
    return ExitCode::done;
}

} // namespace uaoe::tools
