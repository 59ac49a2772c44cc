// The commands: each runs to its end, prints its result, and says how it ended.
#pragma once

#include "initiator/linux/error.hpp"
#include "tools/command_line.hpp"

#include <expected>

namespace uaoe::tools {

using CommandResult = std::expected<ExitCode, Error>;

[[nodiscard]] CommandResult run_discover(const DiscoverOptions& options);
[[nodiscard]] CommandResult run_watch(const DiscoverOptions& options); // discover --watch
[[nodiscard]] CommandResult run_serve(const ServeOptions& options);
[[nodiscard]] CommandResult run_check(const CheckOptions& options);
[[nodiscard]] CommandResult run_config_check(const ConfigCheckOptions& options);
[[nodiscard]] CommandResult run_identify(const IdentifyOptions& options);
[[nodiscard]] CommandResult run_ping(const PingOptions& options);
[[nodiscard]] CommandResult run_smart(const SmartOptions& options);
[[nodiscard]] CommandResult run_config(const ConfigOptions& options);
[[nodiscard]] CommandResult run_mask(const MaskOptions& options);
[[nodiscard]] CommandResult run_reserve(const ReserveOptions& options);

// These ask a running uaoed.
[[nodiscard]] CommandResult run_attach(const AttachOptions& options);
[[nodiscard]] CommandResult run_detach(const DetachOptions& options);
[[nodiscard]] CommandResult run_list(const ListOptions& options);
[[nodiscard]] CommandResult run_show(const ShowOptions& options);
[[nodiscard]] CommandResult run_top(const TopOptions& options);
[[nodiscard]] CommandResult run_events(const EventsOptions& options);
[[nodiscard]] CommandResult run_metrics(const MetricsOptions& options);

} // namespace uaoe::tools
