// What the daemon tells of its LUNs: `uaoe list` and `uaoe show`.
#include "tools/daemon/lun_table.hpp"

#include "tools/text.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace uaoe::tools {

namespace asio = boost::asio;

namespace {

// What one LUN's shard knows of it, for the list.
struct Seen {
    proto::Address address;
    initiator::DeviceState state{};
    std::vector<initiator::PortIndex> ports; // of its paths, in the order of the ports
    std::uint32_t payload_bytes = 0;
};

Seen seen_of(proto::Address address, const ShowStatus& status) {
    Seen seen{.address = address, .state = status.device.state, .ports = {}};
    for (const initiator::PathStatus& path : status.target.paths) {
        if (path.state == initiator::PathState::conflict) {
            continue;
        }
        seen.ports.push_back(path.port);
        seen.payload_bytes =
            std::max(seen.payload_bytes, path.sectors_per_frame * status.device.info.sector_bytes);
    }
    std::ranges::sort(seen.ports);
    const auto twice = std::ranges::unique(seen.ports);
    seen.ports.erase(twice.begin(), twice.end());
    return seen;
}

std::string without_newline(std::string text) {
    while (text.ends_with('\n')) {
        text.pop_back();
    }
    return text;
}

} // namespace

// One question to each shard, then one reply.
void LunTable::list(Reply reply) {
    struct Gathering {
        std::map<proto::Address, ListEntry> lines;
        std::size_t shards_left_count = 0;
        Reply reply;

        void finish() {
            std::vector<ListEntry> list;
            for (auto& [address, line] : lines) {
                list.push_back(std::move(line));
            }
            reply(without_newline(list_json(list)));
        }
    };
    auto gathering = std::make_shared<Gathering>();
    gathering->reply = std::move(reply);
    std::map<ShardHost*, std::vector<std::shared_ptr<Lun>>> questions;
    for (const auto& [address, entry] : entries_) {
        gathering->lines.emplace(address, line_of(entry));
        if (entry.phase == Phase::attached && entry.lun->is_usable()) {
            questions[entry.host].push_back(entry.lun);
        }
    }
    gathering->shards_left_count = questions.size();
    if (questions.empty()) {
        gathering->finish();
        return;
    }
    for (auto& [host, luns] : questions) {
        host->shard().post([this, host, luns = std::move(luns), gathering] {
            std::vector<Seen> all;
            for (const auto& lun : luns) {
                if (const auto status = lun->show_status()) {
                    all.push_back(seen_of(lun->state().address, *status));
                }
            }
            asio::post(environment_.context, [host, all = std::move(all), gathering] {
                for (const Seen& seen : all) {
                    ListEntry& line = gathering->lines.at(seen.address);
                    line.state = device_state_text(seen.state);
                    for (const initiator::PortIndex port : seen.ports) {
                        line.interfaces.push_back(host->interfaces().at(port.value).name);
                    }
                    line.payload_bytes = seen.payload_bytes;
                }
                if (--gathering->shards_left_count == 0) {
                    gathering->finish();
                }
            });
        });
    }
}

ListEntry LunTable::line_of(const Entry& entry) {
    ListEntry line{.address = entry.request.address,
                   .device = {},
                   .front_end = std::string(front_end_text(entry.request.options.front_end)),
                   .state = {},
                   .options = entry.request.options,
                   .info = {}};
    switch (entry.phase) {
    case Phase::waiting:
        line.state = "waiting";
        break;
    case Phase::opening:
        line.state = "attaching";
        break;
    case Phase::closing:
        line.state = "detaching";
        break;
    case Phase::attached:
        line.state = "stuck"; // unless its shard knows better
        break;
    }
    if (entry.left) {
        const std::string disk = kernel_name(*entry.left);
        line.device = disk.empty() ? "" : "/dev/" + disk;
    }
    if (entry.lun) {
        line.device = entry.lun->name();
        line.front_end = front_end_text(entry.lun->state().options.front_end);
        line.info = entry.lun->info();
    }
    return line;
}

Error LunTable::not_attached(proto::Address address) {
    return {.what = proto::to_string(address) + " is not attached",
            .why = "it waits for its target, or is being opened or ended",
            .what_to_do = "`uaoe list` shows its state",
            .exit_code = ExitCode::no_such_target};
}

void LunTable::show(const std::string& target, Reply reply) {
    const auto found = find(target);
    if (found == entries_.end()) {
        reply(std::unexpected(no_such_lun(target)));
        return;
    }
    const Error not_attached = LunTable::not_attached(found->first);
    if (found->second.phase != Phase::attached || !found->second.lun->is_usable()) {
        reply(std::unexpected(not_attached));
        return;
    }
    ShardHost& host = *found->second.host;
    host.shard().post([this, &host, lun = found->second.lun, not_attached, reply] {
        auto status = lun->show_status();
        asio::post(environment_.context, [&host, status = std::move(status), not_attached, reply] {
            if (status) {
                reply(without_newline(show_json(*status, host.interfaces())));
            } else {
                reply(std::unexpected(not_attached));
            }
        });
    });
}

} // namespace uaoe::tools
