// Restarts of the engine under load: what a supervisor, a state file and a kernel that issues
// requests again do about a daemon that was killed.
#pragma once

#include "tests/sim/lun.hpp"

#include <memory>
#include <vector>

namespace uaoe::sim {

// What a state file holds after the engine of that process has known the LUN, too: its identity,
// and every MAC that it or those before it had a path to.
void remember(const initiator::Engine& engine, proto::Address address, initiator::KnownDisk& known);

// Of an engine after one with `config`.
[[nodiscard]] initiator::EngineConfig successor_of(initiator::EngineConfig config, Random& random);

class Restarts {
  public:
    struct Plan {
        Duration grace{}; // 0: kill -9; else it may finish what is in flight, for so long
        Duration absence{};
        Duration discover_ahead{}; // what the new one hears before it attaches what it knows
    };

    // `settling = false`: successors that think they have no predecessor.
    Restarts(World& world, std::vector<std::unique_ptr<Lun>>& luns, bool settling)
        : world_(world), luns_(luns), settling_(settling) {}

    // Not during another one.
    void begin(const Plan& plan);
    // One that is under way comes to its end now.
    void end();

  private:
    enum class Phase : std::uint8_t { runs, drains, gone, discovers };
    void drain(Time kill_at);
    void kill();
    void start();
    void attach();
    void after(Duration delay, Phase phase, void (Restarts::*step)());

    World& world_;
    std::vector<std::unique_ptr<Lun>>& luns_;
    bool settling_;
    Phase phase_ = Phase::runs;
    std::uint64_t count_ = 0;
    Plan plan_;
};

} // namespace uaoe::sim
