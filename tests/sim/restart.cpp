// Restarts.
#include "tests/sim/restart.hpp"

#include "initiator/tag.hpp"
#include "tests/sim/draw.hpp"

#include <algorithm>

namespace uaoe::sim {

using namespace std::chrono_literals;

void remember(const initiator::Engine& engine, proto::Address address,
              initiator::KnownDisk& known) {
    const auto target = engine.target(address);
    if (!target) {
        return;
    }
    if (target->state == initiator::TargetState::ready) {
        known.identify_data = target->identify_data;
    }
    for (const auto& path : target->paths) {
        if (std::ranges::find(known.target_macs, path.target_mac) == known.target_macs.end()) {
            known.target_macs.push_back(path.target_mac);
        }
    }
}

// Tags are drawn so that none is used twice: whose random ones fall on its predecessor's may take
// that one's answers for its own.
initiator::EngineConfig successor_of(initiator::EngineConfig config, Random& random) {
    if (random.chance(0.5)) {
        config.shard_index = (config.shard_index + 1) % initiator::tag_shards_max;
    }
    config.tag_generation_first += 4096;
    config.settle = linger;
    return config;
}

void Restarts::after(Duration delay, Phase phase, void (Restarts::*step)()) {
    phase_ = phase;
    world_.events.after(delay, [this, phase, step, count = count_] {
        if (phase_ == phase && count_ == count) {
            (this->*step)();
        }
    });
}

void Restarts::begin(const Plan& plan) {
    if (phase_ != Phase::runs) {
        return;
    }
    plan_ = plan;
    ++count_;
    for (const auto& lun : luns_) {
        lun->workload->hold();
    }
    phase_ = Phase::drains;
    drain(world_.events.now() + plan.grace);
}

void Restarts::drain(Time kill_at) {
    const bool in_flight =
        std::ranges::any_of(luns_, [](const auto& lun) { return lun->workload->is_in_flight(); });
    if (!in_flight || world_.events.now() >= kill_at) {
        kill();
        return;
    }
    world_.events.after(1ms, [this, kill_at, count = count_] {
        if (phase_ == Phase::drains && count_ == count) {
            drain(kill_at);
        }
    });
}

void Restarts::kill() {
    for (const auto& lun : luns_) {
        remember(*world_.engine, lun->address(), lun->known);
    }
    world_.kill_engine();
    after(plan_.absence, Phase::gone, &Restarts::start);
}

void Restarts::start() {
    initiator::EngineConfig config = successor_of(world_.config, world_.random);
    config.settle = settling_ ? config.settle : Duration{0};
    world_.start_engine(config);
    if (plan_.discover_ahead == Duration::zero()) {
        attach();
        return;
    }
    world_.engine->discover(world_.events.now());
    world_.pump();
    after(plan_.discover_ahead, Phase::discovers, &Restarts::attach);
}

void Restarts::attach() {
    phase_ = Phase::runs;
    for (const auto& lun : luns_) {
        const auto device = world_.engine->attach_known(
            world_.events.now(), lun->address(), lun->known, {.fail_after = lun->fail_after});
        if (!device) {
            throw Violation("a known LUN could not be attached");
        }
        lun->device = *device;
        lun->workload->reissue(*device);
    }
    if (world_.random.chance(0.5)) {
        world_.engine->discover(world_.events.now());
    }
    world_.pump();
}

void Restarts::end() {
    plan_.discover_ahead = Duration::zero();
    switch (phase_) {
    case Phase::runs:
        break;
    case Phase::drains:
        phase_ = Phase::runs;
        for (const auto& lun : luns_) {
            lun->workload->resume();
        }
        world_.pump();
        break;
    case Phase::gone:
        start();
        break;
    case Phase::discovers:
        attach();
        break;
    }
}

} // namespace uaoe::sim
