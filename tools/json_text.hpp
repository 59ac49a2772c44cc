// `--json`: the stable form. snake_case keys, units in the names, addresses as "1.0". Pure
// functions; the JSON library stays behind them.
#pragma once

#include "initiator/linux/shard.hpp"
#include "initiator/status.hpp"
#include "tools/interface.hpp"
#include "tools/lun_options.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace uaoe::tools {

// An array, one object a line, with a newline at the end. Text that is not UTF-8 has its wrong
// bytes replaced by U+FFFD; a config string of that kind is also there as `config_string_hex`.
[[nodiscard]] std::string discover_json(std::span<const initiator::TargetStatus> targets,
                                        std::span<const Interface> interfaces);

// One line of `discover --watch`. `change`: "found", "lost", "changed", "path_up", "path_lost",
// "conflict". With `path` what it is about, otherwise the whole target.
[[nodiscard]] std::string watch_json(std::string_view change, const initiator::TargetStatus& target,
                                     std::optional<std::size_t> path_index,
                                     std::span<const Interface> interfaces);

[[nodiscard]] std::string identify_json(const initiator::TargetStatus& target, bool with_words);

struct ShowStatus {
    initiator::DeviceStatus device;
    initiator::TargetStatus target;
    initiator::EngineCounters counters;
    std::string front_end;                      // "nbd-socket"
    std::string device_name;                    // "/dev/ublkb0", or the URI
    std::vector<initiator::PortStatus> ports{}; // of its shard, by PortIndex; none: not asked for
};
// The keys of `uaoe show --json`, on one line.
[[nodiscard]] std::string show_json(const ShowStatus& status,
                                    std::span<const Interface> interfaces);

struct ListEntry {
    proto::Address address;
    std::string device; // empty: none yet
    std::string front_end;
    std::string state; // "up", "silent", "down"; "waiting", "attaching", "detaching", "stuck"
    LunOptions options;
    initiator::DeviceInfo info;            // zero sectors: not known yet
    std::vector<std::string> interfaces{}; // that have a path to it
    std::uint32_t payload_bytes = 0;       // the most that one of these carries; 0: there is none
    std::string missing{};                 // what it waits for, in words; empty: it does not
};
// `uaoe list --json`: an array, one object a line.
[[nodiscard]] std::string list_json(std::span<const ListEntry> entries);

// All that uaoed knows of itself at one moment.
struct LunStatus {
    ListEntry entry;
    std::optional<ShowStatus> show; // of an attached one, without its ports
};
struct ShardStatus {
    initiator::EngineCounters counters;
    std::size_t targets_count = 0; // discovered
    std::vector<initiator::PortStatus> ports;
};
struct DaemonStatus {
    std::vector<LunStatus> luns;       // by address
    std::vector<ShardStatus> shards;   // by number
    std::vector<Interface> interfaces; // by PortIndex
    std::chrono::nanoseconds uptime{};
};
// One object on one line: `luns` (as of show, or of list when it is not attached), `shards`, and
// `uptime_us`. What `uaoe top` asks for.
[[nodiscard]] std::string status_json(const DaemonStatus& status);

struct PingStatistics {
    std::string interface;
    std::string target_mac;
    std::uint64_t sent = 0;
    std::uint64_t answered = 0;
    double rtt_min_us = 0;
    double rtt_avg_us = 0;
    double rtt_max_us = 0;
    double rtt_mdev_us = 0;
};
[[nodiscard]] std::string ping_json(proto::Address address, std::span<const PingStatistics> paths);

} // namespace uaoe::tools
