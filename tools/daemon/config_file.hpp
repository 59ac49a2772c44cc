// The configuration of uaoed: uaoe.toml, and the drop-ins that `uaoe attach --persist` writes
// beside it. Whoever reads it gets all of it or an error that names file, line and column.
#pragma once

#include "initiator/linux/busy_poll.hpp"
#include "initiator/linux/error.hpp"
#include "initiator/linux/link_kind.hpp"
#include "tools/lun_options.hpp"

#include <cstddef>
#include <expected>
#include <map>
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
    LunOptions defaults; // of `uaoe attach`, and of [[lun]] entries
    std::map<proto::Address, LunOptions> luns;
};

// Adds what `text` says to `config`. `name` is for errors: "/etc/uaoe/uaoe.toml".
[[nodiscard]] std::expected<void, Error>
parse_config(std::string_view text, const std::string& name, DaemonConfig& config);

// `path`, then "*.toml" of its drop-in folder, by name; of one LUN the last word counts. Where
// `required` is false, a missing file is an empty one.
[[nodiscard]] std::expected<DaemonConfig, Error> read_config(const std::string& path,
                                                             bool required);

// What of `config` a process with these interfaces and shards was started with; no LUNs.
[[nodiscard]] std::string config_text(const DaemonConfig& config);

// "/etc/uaoe/uaoe.toml" -> "/etc/uaoe/uaoe.d"
[[nodiscard]] std::string drop_in_folder(const std::string& config_path);

// A drop-in with one LUN, whole or not at all.
[[nodiscard]] std::expected<void, Error>
write_drop_in(const std::string& config_path, proto::Address address, const LunOptions& options);
// Does nothing when there is none.
[[nodiscard]] std::expected<void, Error> remove_drop_in(const std::string& config_path,
                                                        proto::Address address);

} // namespace uaoe::tools
