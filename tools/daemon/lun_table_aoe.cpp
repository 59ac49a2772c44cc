// What the names of aoetools need of the daemon: all targets that there are, and asking one again
// for its disk.
#include "tools/daemon/lun_table.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <utility>

namespace uaoe::tools {

using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

// Two broadcasts, because any frame may be lost, then time for the answers; longer while targets
// are still asked for their disks.
constexpr int broadcasts_count = 2;
constexpr std::chrono::milliseconds look_step = 400ms;
constexpr int looks_max = 12;

constexpr std::chrono::milliseconds identified_step = 10ms;
constexpr std::chrono::milliseconds identified_time_max = 2s;

bool is_asked_for_its_disk(const initiator::TargetStatus& target) {
    return target.state == initiator::TargetState::identifying ||
           std::ranges::any_of(target.paths, &initiator::PathStatus::is_identifying);
}

} // namespace

void LunTable::after(Clock::duration delay, std::function<void()> task) {
    auto timer = std::make_shared<asio::steady_timer>(environment_.context, delay);
    timer->async_wait([timer, task = std::move(task)](const boost::system::error_code& cancelled) {
        if (!cancelled) {
            task();
        }
    });
}

// The first shard's view: all of them are on the same interfaces.
void LunTable::sight_targets(std::function<void(std::vector<initiator::TargetStatus>)> done,
                             int looks_count) {
    ShardHost& host = *hosts_.front();
    host.shard().post([this, &host, done = std::move(done), looks_count]() mutable {
        if (looks_count < broadcasts_count) {
            host.shard().discover();
        }
        auto targets = host.shard().engine().targets();
        asio::post(environment_.context, [this, done = std::move(done), looks_count,
                                          targets = std::move(targets)]() mutable {
            const bool wants_more =
                looks_count <= broadcasts_count ||
                (looks_count < looks_max && std::ranges::any_of(targets, is_asked_for_its_disk));
            if (wants_more) {
                after(look_step, [this, done = std::move(done), looks_count]() mutable {
                    sight_targets(std::move(done), looks_count + 1);
                });
            } else {
                done(std::move(targets));
            }
        });
    });
}

void LunTable::revalidate(const std::string& target, const Reply& reply) {
    const auto found = find(target);
    if (found == entries_.end()) {
        reply(std::unexpected(no_such_lun(target)));
        return;
    }
    Entry& entry = found->second;
    if (entry.phase != Phase::attached || !entry.lun->is_usable()) {
        reply(std::unexpected(not_attached(found->first)));
        return;
    }
    ShardHost& host = *entry.host;
    host.shard().post([this, &host, lun = entry.lun, address = found->first, reply] {
        host.shard().engine().revalidate(host.shard().now(), address);
        asio::post(environment_.context, [this, &host, lun, reply] {
            await_identified(host, lun, reply, Clock::now() + identified_time_max);
        });
    });
}

// Whoever asks next, sees what it is now. A target that does not answer is no error: it may be
// away.
void LunTable::await_identified(ShardHost& host, const std::shared_ptr<Lun>& lun,
                                const Reply& reply, Clock::time_point deadline) {
    host.shard().post([this, &host, lun, reply, deadline] {
        const auto target = host.shard().engine().target(lun->state().address);
        const bool is_asked = target && is_asked_for_its_disk(*target);
        asio::post(environment_.context, [this, &host, lun, reply, deadline, is_asked] {
            if (is_asked && Clock::now() < deadline) {
                after(identified_step, [this, &host, lun, reply, deadline] {
                    await_identified(host, lun, reply, deadline);
                });
                return;
            }
            work([lun, reply]() -> std::function<void()> {
                lun->update_target();
                return [reply] { reply(std::string("null")); };
            });
        });
    });
}

} // namespace uaoe::tools
