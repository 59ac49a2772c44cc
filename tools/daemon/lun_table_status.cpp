// What the daemon tells of its LUNs: `uaoe list` and `uaoe show`.
#include "tools/daemon/lun_table.hpp"

#include "tools/text.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

namespace uaoe::tools {

namespace asio = boost::asio;

namespace {

// What the paths of an attached LUN say of it.
void add_paths(ListEntry& entry, const ShowStatus& status, std::span<const Interface> interfaces) {
    std::vector<initiator::PortIndex> ports;
    for (const initiator::PathStatus& path : status.target.paths) {
        if (path.state == initiator::PathState::conflict) {
            continue;
        }
        ports.push_back(path.port);
        entry.payload_bytes =
            std::max(entry.payload_bytes, path.sectors_per_frame * status.device.info.sector_bytes);
    }
    std::ranges::sort(ports);
    const auto twice = std::ranges::unique(ports);
    ports.erase(twice.begin(), twice.end());
    for (const initiator::PortIndex port : ports) {
        entry.interfaces.push_back(interfaces[port.value].name);
    }
}

// For a reply, which is one line. JSON has no newline inside its strings.
std::string on_one_line(std::string json) {
    std::erase(json, '\n');
    return json;
}

} // namespace

void LunTable::list(Reply reply) {
    gather([reply = std::move(reply)](DaemonStatus status) {
        std::vector<ListEntry> entries;
        for (LunStatus& lun : status.luns) {
            entries.push_back(std::move(lun.entry));
        }
        reply(on_one_line(list_json(entries)));
    });
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
        line.missing = entry.missing;
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

void LunTable::show(const std::string& target, const Reply& reply) {
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
        auto status = lun->show_everything();
        asio::post(environment_.context, [&host, status = std::move(status), not_attached, reply] {
            if (status) {
                reply(on_one_line(show_json(*status, host.interfaces())));
            } else {
                reply(std::unexpected(not_attached));
            }
        });
    });
}

struct LunTable::Gathering {
    struct Question {
        std::size_t lun_index; // in status.luns
        std::shared_ptr<Lun> lun;
    };
    DaemonStatus status;
    std::vector<std::vector<Question>> questions; // by shard; those that are still to be asked
    std::size_t shards_left_count = 0;
    std::function<void(DaemonStatus)> done;
};

void LunTable::gather(std::function<void(DaemonStatus)> done) {
    auto gathering = std::make_shared<Gathering>();
    gathering->done = std::move(done);
    gathering->status.shards.resize(hosts_.size());
    gathering->questions.resize(hosts_.size());
    gathering->shards_left_count = hosts_.size();
    for (const auto& [address, entry] : entries_) {
        if (entry.phase == Phase::attached && entry.lun->is_usable()) {
            const auto host =
                std::ranges::find(hosts_, entry.host, &std::unique_ptr<ShardHost>::get);
            gathering->questions[static_cast<std::size_t>(host - hosts_.begin())].push_back(
                {.lun_index = gathering->status.luns.size(), .lun = entry.lun});
        }
        gathering->status.luns.push_back({.entry = line_of(entry), .show = std::nullopt});
    }
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
        gather_some(gathering, i);
    }
}

// A few LUNs of that shard, then it comes back here for the next ones; the shard itself at last.
void LunTable::gather_some(const std::shared_ptr<Gathering>& gathering, std::size_t shard_index) {
    constexpr std::size_t luns_at_once_max = 16;
    auto& waiting = gathering->questions[shard_index];
    const std::size_t count = std::min(waiting.size(), luns_at_once_max);
    std::vector<Gathering::Question> questions(
        std::make_move_iterator(waiting.end() - static_cast<std::ptrdiff_t>(count)),
        std::make_move_iterator(waiting.end()));
    waiting.resize(waiting.size() - count);
    initiator::Shard& shard = hosts_[shard_index]->shard();
    shard.post([this, &shard, gathering, shard_index, is_last = waiting.empty(),
                questions = std::move(questions)] {
        std::vector<std::optional<ShowStatus>> shown;
        for (const auto& question : questions) {
            shown.push_back(question.lun->show_status());
        }
        std::optional<ShardStatus> of_shard;
        if (is_last) {
            of_shard = ShardStatus{.counters = shard.engine().counters(),
                                   .targets_count = shard.engine().targets_count(),
                                   .ports = shard.port_statuses()};
        }
        asio::post(environment_.context, [this, gathering, shard_index, questions,
                                          shown = std::move(shown), of_shard]() mutable {
            const std::vector<Interface> interfaces = hosts_[shard_index]->interfaces();
            for (std::size_t i = 0; i < questions.size(); ++i) {
                LunStatus& lun = gathering->status.luns[questions[i].lun_index];
                if (shown[i]) {
                    lun.entry.state = device_state_text(shown[i]->device.state);
                    add_paths(lun.entry, *shown[i], interfaces);
                }
                lun.show = std::move(shown[i]);
            }
            if (!of_shard) {
                gather_some(gathering, shard_index);
                return;
            }
            gathering->status.shards[shard_index] = std::move(*of_shard);
            if (--gathering->shards_left_count == 0) {
                gathering->status.interfaces = hosts_.front()->interfaces();
                gathering->done(std::move(gathering->status));
            }
        });
    });
}

} // namespace uaoe::tools
