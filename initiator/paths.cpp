// Which of a target's paths a command takes.
//
// The one that is likely to answer first: by what a frame in flight costs there, times the frames
// it would be one of. Equal paths share alike, and a slow one gets what it can carry, whether there
// is much to send or little. A path that was not used for a while is tried with a frame, for it may
// have become better; the path that lost a command is not asked again while there is another.
#include "initiator/engine_state.hpp"

#include <algorithm>

namespace uaoe::initiator {

namespace {

constexpr Duration untried_max = std::chrono::milliseconds{100};

} // namespace

bool Engine::State::has_room(const Path& path, std::uint32_t sectors_min) {
    return path.state == PathState::up && path.sectors_per_frame >= sectors_min &&
           path.frames_in_flight() < path.window.cwnd() &&
           (path.target->paths.size() == 1 ||
            path.target->in_flight_to(path.target_mac) < path.window.limit());
}

Path* Engine::State::pick_path(Time now, Target& target, const Path* avoid,
                               std::uint32_t sectors_min) {
    const std::size_t count = target.paths.size();
    if (count == 1) {
        Path& path = *target.paths.front();
        return has_room(path, sectors_min) ? &path : nullptr;
    }
    Path* best = nullptr;
    Duration best_time = Duration::max();
    Path* fallback = nullptr;
    for (std::size_t i = 0; i < count; ++i) {
        Path& path = *target.paths[(target.path_next + i) % count];
        if (!has_room(path, sectors_min)) {
            continue;
        }
        if (&path == avoid) {
            fallback = &path;
            continue;
        }
        const bool is_untried = path.in_flight_count == 0 && now - path.last_sent > untried_max;
        const Duration likely{path.window.rtt_min() +
                              path.frame_cost * (path.in_flight_count + 1LL)};
        const Duration time = is_untried ? Duration{} : likely;
        if (best == nullptr || time < best_time) {
            best = &path;
            best_time = time;
        }
    }
    if (best == nullptr) {
        return fallback;
    }
    target.path_next = (target.path_next + 1) % count;
    return best;
}

} // namespace uaoe::initiator
