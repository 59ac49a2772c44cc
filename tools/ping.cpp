// `uaoe ping`: round trips of Query Config on every path.
#include "tools/commands.hpp"
#include "tools/interrupt.hpp"
#include "tools/json_text.hpp"
#include "tools/output.hpp"
#include "tools/ping_text.hpp"
#include "tools/round_trips.hpp"
#include "tools/session.hpp"
#include "tools/target_wait.hpp"

#include "initiator/linux/clock.hpp"

#include <algorithm>
#include <map>

namespace uaoe::tools {

using namespace std::chrono_literals;

namespace {

using PathKey = std::pair<initiator::PortIndex, proto::MacAddress>;

class Ping {
  public:
    Ping(Session& session, const PingOptions& options) : session_(session), options_(options) {}

    CommandResult run();

  private:
    void send();
    void handle(const initiator::Event& event);
    [[nodiscard]] bool all_answered() const { return awaited_count_ == 0; }
    void wait(initiator::Duration duration, bool until_answered);
    [[nodiscard]] std::vector<PingStatistics> statistics() const;

    Session& session_;
    const PingOptions& options_;
    std::uint64_t round_ = 0;
    std::size_t awaited_count_ = 0;
    std::map<PathKey, RoundTrips> paths_;
    std::expected<void, Error> written_;
};

// Paths that are there now; one that is answered late counts as lost, as its probe is forgotten
// when the next one leaves.
void Ping::send() {
    ++round_;
    awaited_count_ = 0;
    const auto target = session_.shard->engine().target(options_.address);
    for (const auto& path : target->paths) {
        if (path.state != initiator::PathState::down) {
            paths_[{path.port, path.target_mac}].count_sent();
            ++awaited_count_;
        }
    }
    session_.shard->engine().probe(initiator::clock_now(), options_.address);
}

void Ping::handle(const initiator::Event& event) {
    if (event.kind != initiator::EventKind::probe_answered || event.address != options_.address) {
        return;
    }
    paths_[{event.port, event.target_mac}].add(event.duration);
    awaited_count_ -= awaited_count_ > 0 ? 1 : 0;
    if (!options_.json && written_) {
        written_ = write_output(ping_answer_text(options_.address,
                                                 session_.shard->interface_name(event.port),
                                                 event.target_mac, round_, event.duration));
    }
}

void Ping::wait(initiator::Duration duration, bool until_answered) {
    const initiator::Time end = initiator::clock_now() + duration;
    const auto done = [&] {
        return InterruptGuard::interrupted() || !written_ || (until_answered && all_answered());
    };
    while (!done()) {
        const initiator::Time now = initiator::clock_now();
        if (now >= end) {
            return;
        }
        session_.shard->run_until(done, std::min<initiator::Duration>(end - now, 100ms));
    }
}

std::vector<PingStatistics> Ping::statistics() const {
    std::vector<PingStatistics> all;
    for (const auto& [key, trips] : paths_) {
        all.push_back({.interface = session_.shard->interface_name(key.first),
                       .target_mac = proto::to_string(key.second),
                       .sent = trips.sent_count(),
                       .answered = trips.answered_count(),
                       .rtt_min_us = trips.min_us(),
                       .rtt_avg_us = trips.average_us(),
                       .rtt_max_us = trips.max_us(),
                       .rtt_mdev_us = trips.deviation_us()});
    }
    return all;
}

CommandResult Ping::run() {
    const InterruptGuard guard;
    session_.shard->set_event_handler([this](const initiator::Event& event) { handle(event); });
    while (true) {
        send();
        const bool is_last = options_.count != 0 && round_ >= options_.count;
        wait(is_last ? std::max<initiator::Duration>(options_.interval, 1s)
                     : initiator::Duration(options_.interval),
             is_last);
        if (is_last || InterruptGuard::interrupted() || !written_) {
            break;
        }
    }
    session_.shard->set_event_handler({});
    if (written_) {
        written_ = write_output(options_.json ? ping_json(options_.address, statistics())
                                              : ping_text(options_.address, statistics()));
    }
    if (!written_) {
        return std::unexpected(written_.error());
    }
    for (const auto& [key, trips] : paths_) {
        if (trips.answered_count() > 0) {
            return ExitCode::done;
        }
    }
    return std::unexpected(Error{.what = "no answer from " + proto::to_string(options_.address),
                                 .why = "it was there a moment ago",
                                 .what_to_do = "check the target and the network"});
}

} // namespace

CommandResult run_ping(const PingOptions& options) {
    initiator::EngineConfig config;
    config.discover_interval = initiator::Duration::zero();
    auto session = open_session(options.interfaces, config);
    if (!session) {
        return std::unexpected(session.error());
    }
    const auto found = wait_for_target(*session, options.address, WaitGoal::answers, options.wait,
                                       wait_patience, {});
    if (!found) {
        return std::unexpected(found.error());
    }
    return Ping(*session, options).run();
}

} // namespace uaoe::tools
