// `uaoe discover --watch`: a line for each change, until it is interrupted.
//
// A target that no device uses sends nothing by itself, so each path is asked every round; one that
// misses several rounds is lost.
#include "tools/commands.hpp"
#include "tools/interrupt.hpp"
#include "tools/json_text.hpp"
#include "tools/output.hpp"
#include "tools/session.hpp"
#include "tools/text.hpp"

#include "initiator/linux/clock.hpp"

#include <algorithm>
#include <ctime>
#include <fmt/format.h>
#include <map>

namespace uaoe::tools {

using namespace std::chrono_literals;

namespace {

constexpr initiator::Duration round_time = 2s;
constexpr initiator::Duration step_time = 100ms;
constexpr std::size_t steps_per_round = round_time / step_time;
constexpr unsigned missed_rounds_max = 3;

using PathKey = std::pair<initiator::PortIndex, proto::MacAddress>;

struct WatchedPath {
    unsigned missed_rounds_count = 0;
    bool lost = false;
};

struct WatchedTarget {
    bool shown = false; // its "found" line was printed, and no "lost" line since
    std::map<PathKey, WatchedPath> paths;
};

class Watch {
  public:
    Watch(Session& session, const DiscoverOptions& options)
        : session_(session), options_(options) {}
    CommandResult run();

  private:
    void ask(std::size_t step);
    void ask_target(const initiator::TargetStatus& target);
    void handle(const initiator::Event& event);
    void handle_sign_of_life(const initiator::TargetStatus& target, const PathKey& key);
    void print(std::string_view change, const initiator::TargetStatus& target,
               const PathKey* path = nullptr);
    [[nodiscard]] bool is_wanted(proto::Address address) const {
        return !options_.address || *options_.address == address;
    }

    Session& session_;
    const DiscoverOptions& options_;
    std::map<proto::Address, WatchedTarget> watched_;
    std::expected<void, Error> written_;
};

std::string clock_text() {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    localtime_r(&now, &local);
    return fmt::format("{:02}:{:02}:{:02}", local.tm_hour, local.tm_min, local.tm_sec);
}

std::string target_line(const initiator::TargetStatus& target) {
    if (target.state != initiator::TargetState::ready) {
        return std::string(state_text(target));
    }
    return fmt::format(
        "{}, {}, {}, serial {}", state_text(target), size_text(size_bytes_of(target.identify)),
        visible_text(target.identify.model.view()), visible_text(target.identify.serial.view()));
}

void Watch::print(std::string_view change, const initiator::TargetStatus& target,
                  const PathKey* path) {
    if (!written_) {
        return;
    }
    if (options_.json) {
        std::optional<std::size_t> index;
        for (std::size_t i = 0; path != nullptr && i < target.paths.size(); ++i) {
            if (PathKey{target.paths[i].port, target.paths[i].target_mac} == *path) {
                index = i;
            }
        }
        written_ = write_output(watch_json(change, target, index, session_.interfaces));
        return;
    }
    std::string words(change);
    std::ranges::replace(words, '_', ' ');
    const std::string about =
        path == nullptr ? target_line(target)
                        : fmt::format("{} at {}", session_.shard->interface_name(path->first),
                                      proto::to_string(path->second));
    written_ = write_output(fmt::format("{} {} {}: {}\n", clock_text(), words,
                                        proto::to_string(target.address), about));
}

// A share of the targets each step, so that thousands are not asked in one burst.
void Watch::ask(std::size_t step) {
    if (step == 0) {
        session_.shard->discover();
    }
    const auto targets = session_.shard->engine().targets();
    for (std::size_t i = step; i < targets.size(); i += steps_per_round) {
        if (is_wanted(targets[i].address)) {
            ask_target(targets[i]);
        }
    }
}

void Watch::ask_target(const initiator::TargetStatus& target) {
    WatchedTarget& watched = watched_[target.address];
    for (const auto& path : target.paths) {
        const PathKey key{path.port, path.target_mac};
        WatchedPath& entry = watched.paths[key];
        if (++entry.missed_rounds_count > missed_rounds_max && !entry.lost) {
            entry.lost = true;
            print("path_lost", target, &key);
        }
    }
    const bool all_lost =
        std::ranges::all_of(watched.paths, [](const auto& entry) { return entry.second.lost; });
    if (watched.shown && !watched.paths.empty() && all_lost) {
        watched.shown = false;
        print("lost", target);
    }
    session_.shard->engine().probe(initiator::clock_now(), target.address);
}

void Watch::handle_sign_of_life(const initiator::TargetStatus& target, const PathKey& key) {
    WatchedTarget& watched = watched_[target.address];
    WatchedPath& path = watched.paths[key];
    path.missed_rounds_count = 0;
    if (path.lost) {
        path.lost = false;
        print("path_up", target, &key);
    }
    if (!watched.shown && target.state != initiator::TargetState::identifying) {
        watched.shown = true;
        print("found", target);
    }
}

void Watch::handle(const initiator::Event& event) {
    const auto target = session_.shard->engine().target(event.address);
    if (!target || !is_wanted(event.address)) {
        return;
    }
    const PathKey key{event.port, event.target_mac};
    WatchedTarget& watched = watched_[event.address];
    switch (event.kind) {
    case initiator::EventKind::target_changed:
        print(watched.shown ? "changed" : "found", *target);
        watched.shown = true;
        break;
    case initiator::EventKind::path_changed:
        if (event.path_state == initiator::PathState::up) {
            watched.paths[key] = {};
            print("path_up", *target, &key);
        } else if (event.path_state == initiator::PathState::down && !watched.paths[key].lost) {
            watched.paths[key].lost = true;
            print("path_lost", *target, &key);
        }
        break;
    case initiator::EventKind::identity_conflict:
        print("conflict", *target, &key);
        break;
    case initiator::EventKind::probe_answered:
        handle_sign_of_life(*target, key);
        break;
    case initiator::EventKind::target_found: // nothing is known of it yet
    case initiator::EventKind::device_changed:
    case initiator::EventKind::payload_changed: // of attached LUNs
    case initiator::EventKind::capacity_changed:
        break;
    }
}

CommandResult Watch::run() {
    const InterruptGuard guard;
    session_.shard->set_event_handler([this](const initiator::Event& event) { handle(event); });
    const auto done = [this] { return InterruptGuard::interrupted() || !written_; };
    for (std::size_t step = 0; !done(); step = (step + 1) % steps_per_round) {
        ask(step);
        session_.shard->run_until(done, step_time);
    }
    session_.shard->set_event_handler({});
    if (!written_) {
        return std::unexpected(written_.error());
    }
    return ExitCode::done;
}

} // namespace

CommandResult run_watch(const DiscoverOptions& options) {
    initiator::EngineConfig config;
    config.discover_interval = initiator::Duration::zero(); // it has rounds of its own
    config.identify_timeout = 3s;
    auto session = open_session(options.interfaces, config);
    if (!session) {
        return std::unexpected(session.error());
    }
    report("watching " + list_text(session->interface_names()) + "; Ctrl-C ends it");
    return Watch(*session, options).run();
}

} // namespace uaoe::tools
