// What uaoed is told by its configuration, and the TOML that says it. No files: see
// config_file.hpp.
#pragma once

#include "initiator/linux/busy_poll.hpp"
#include "initiator/linux/error.hpp"
#include "initiator/linux/link_kind.hpp"
#include "tools/daemon/metrics_endpoint.hpp"
#include "tools/lun_options.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace uaoe::tools {

struct DaemonConfig {
    std::vector<std::string> interfaces; // none: every Ethernet interface that is up
    std::uint32_t shards_count = 1;      // threads that move data, 1..8
    std::size_t buffer_mib = 64;         // of each shard, 16..4096
    // Of each shard; see initiator/linux/busy_poll.hpp. 0 (never) to its time_max_limit.
    std::chrono::microseconds busy_poll = initiator::BusyPoll::time_max_default;
    initiator::LinkKind link = initiator::LinkKind::packet; // of each shard
    // Who else than root may ask on the control socket: nothing: the group "uaoe", if there is one;
    // empty: nobody.
    std::optional<std::string> control_group;
    bool control_group_changes = false;            // and not only look
    std::optional<MetricsEndpoint> metrics_listen; // nothing: metrics are not served
    LunOptions defaults;                           // of `uaoe attach`, and of [[lun]] entries
    std::map<proto::Address, LunOptions> luns;
};

// One that an editor can jump to.
struct ConfigMistake {
    std::string file;
    std::uint32_t line = 0; // 0: the file itself, which cannot be read
    std::uint32_t column = 0;
    std::string why;

    // "/etc/uaoe/uaoe.toml:4:3: ..."
    [[nodiscard]] std::string text() const;
};

// Adds what `text` says to `config`; where there are mistakes, nothing of it, and all of them come
// back, by place. TOML that is none is one mistake: what is behind it cannot be told. `file` is for
// the mistakes.
[[nodiscard]] std::vector<ConfigMistake> add_config(std::string_view text, const std::string& file,
                                                    DaemonConfig& config);

// The same, with the first mistake alone.
[[nodiscard]] std::expected<void, Error>
parse_config(std::string_view text, const std::string& file, DaemonConfig& config);

// Which keys differ of those that a running uaoed does not follow: they count from its next start.
[[nodiscard]] std::vector<std::string> keys_of_next_start(const DaemonConfig& running,
                                                          const DaemonConfig& wanted);

// What of `config` a process with these interfaces and shards was started with; no LUNs.
[[nodiscard]] std::string config_text(const DaemonConfig& config);

} // namespace uaoe::tools
