// Administrative questions beside the data path: which paths carry one, and its frames and timer
// among the engine's.
#include "initiator/engine_state.hpp"

#include <algorithm>
#include <iterator>

namespace uaoe::initiator {

namespace {

// Not a path's own timeout, which may be 20 ms: nobody waits for these, and a copy that was not
// needed may be executed.
constexpr Duration timeout_first_min = 200ms;

} // namespace

std::expected<void, AskError> Engine::State::ask(Time now, AdminQuestion question) {
    const auto found = targets.find(question.address);
    if (found == targets.end()) {
        return std::unexpected(AskError::no_such_target);
    }
    // The disk that is known by IDENTIFY, the fastest path first; where none is (a target that is
    // reserved, or mute), whoever answers at the address.
    std::vector<const Path*> paths;
    const auto collect = [&](auto&& is_wanted) {
        for (const auto& path : found->second->paths) {
            if (ports[path->port.value].state.up && is_wanted(path->state)) {
                paths.push_back(path.get());
            }
        }
    };
    collect([](PathState state) { return state == PathState::up; });
    if (paths.empty()) {
        collect([](PathState state) {
            return state == PathState::unverified || state == PathState::suspect;
        });
    }
    if (paths.empty()) {
        return std::unexpected(AskError::no_path);
    }
    std::ranges::sort(paths, {}, [](const Path* path) { return path->rtt.srtt(); });
    const std::size_t bytes = sizeof(proto::AoeHeader) + question.argument.size();
    std::erase_if(
        paths, [&](const Path* path) { return ports[path->port.value].state.mtu_bytes < bytes; });
    if (paths.empty()) {
        return std::unexpected(AskError::too_large);
    }
    std::vector<Administration::Destination> destinations;
    std::ranges::transform(paths, std::back_inserter(destinations), [&](const Path* path) {
        const PortState& port = ports[path->port.value].state;
        return Administration::Destination{.port = path->port,
                                           .target_mac = path->target_mac,
                                           .local_mac = port.mac,
                                           .mtu_bytes = port.mtu_bytes};
    });
    const Duration timeout = std::max(timeout_first_min, paths.front()->rtt.rto());
    administration.ask(now, std::move(question), std::move(destinations), timeout);
    arm_administration_timer();
    return {};
}

bool Engine::State::transmit_administration(Time now, Transmit& transmit) {
    if (!administration.wants_transmit()) {
        return false;
    }
    administration.transmit(now, transmit);
    arm_administration_timer();
    return true;
}

void Engine::State::handle_administration(Time now, PortIndex port, const proto::Frame& frame) {
    switch (administration.handle_frame(now, port, frame)) {
    case Administration::Use::taken:
        break;
    case Administration::Use::late:
        ++counters.late;
        break;
    case Administration::Use::unknown_tag:
        ++counters.unknown_tag;
        break;
    case Administration::Use::mismatched:
        ++counters.mismatched;
        break;
    }
    arm_administration_timer();
}

void Engine::State::arm_administration_timer() {
    if (const auto deadline = administration.deadline()) {
        timers.arm(administration_timer, *deadline);
    } else {
        timers.disarm(administration_timer);
    }
}

} // namespace uaoe::initiator
