// The dice behind a seed's world.
#include "tests/sim/draw.hpp"

namespace uaoe::sim {

using namespace std::chrono_literals;

initiator::EngineConfig draw_config(Random& random, bool fencing) {
    initiator::EngineConfig config;
    config.tag_generation_first = static_cast<std::uint32_t>(random.next());
    config.commands_count_max = random.pick(64U, 64U, 256U, 4096U);
    config.rto_min = random.pick(Duration{1ms}, Duration{5ms}, Duration{20ms});
    config.rto_max = random.pick(Duration{200ms}, Duration{2s});
    config.linger = fencing ? linger : Duration{0};
    config.discover_interval = random.pick(Duration{0}, Duration{0}, Duration{2s}, Duration{60s});
    config.target_hold = fencing ? target_hold : Duration{0};
    config.settle = random.pick(Duration{0}, Duration{1s});
    return config;
}

Time draw_start(Random& random) {
    return Time{random.chance(0.5) ? Duration{1s} : Duration{1s} + random.up_to(240h)};
}

// Together with the time in a target's queue below the linger time, or fencing would promise too
// little.
Faults draw_faults(Random& random) {
    Faults faults;
    if (random.chance(0.7)) {
        faults.loss = random.pick(0.001, 0.01, 0.05, 0.2);
    }
    if (random.chance(0.2)) {
        faults.burst_loss = 0.002;
    }
    if (random.chance(0.4)) {
        faults.duplicate = random.pick(0.01, 0.1);
    }
    if (random.chance(0.5)) {
        faults.late = random.pick(0.001, 0.02, 0.1);
        faults.late_max = random.pick(Duration{10ms}, Duration{100ms}, Duration{500ms});
    }
    if (random.chance(0.3)) {
        faults.forge = 0.05;
    }
    if (random.chance(0.3)) {
        faults.inject = 0.05;
    }
    faults.loses = random.pick(Faults::Loses::all, Faults::Loses::all, Faults::Loses::requests,
                               Faults::Loses::answers);
    return faults;
}

// A full queue takes 42 ms to leave at most: part of how long a frame may live, see draw_faults().
void draw_wires(Random& random, Segment& segment) {
    if (!random.chance(0.15)) {
        return;
    }
    constexpr std::uint64_t megabit = 1'000'000;
    for (Wire* wire : {&segment.to_targets, &segment.to_ports}) {
        wire->bits_per_second = megabit * random.pick(100U, 1000U, 2500U, 10'000U);
        wire->queue_bytes_max = 1024 * random.pick(32U, 128U, 512U);
    }
}

proto::Identify draw_disk(Random& random, std::uint8_t number) {
    proto::Identify identify;
    identify.serial = {{'S', 'I', 'M', static_cast<char>('0' + number)}, 4};
    identify.model = {{'d', 'i', 's', 'k'}, 4};
    identify.sectors = {random.pick(256U, 1024U, 4096U)};
    identify.lba48 = random.chance(0.8);
    identify.flush_cache = random.chance(0.8);
    identify.flush_cache_ext = identify.flush_cache && identify.lba48 && random.chance(0.5);
    identify.trim = identify.lba48 && random.chance(0.4);
    identify.trim_blocks_max = 1;
    return identify;
}

target::LunConfig draw_lun(Random& random, proto::Address address,
                           const proto::Identify& identify) {
    target::LunConfig config;
    config.address = address;
    config.identify = identify;
    config.buffer_count = static_cast<std::uint16_t>(random.pick(0, 1, 2, 16, 16, 64, 256, 1024));
    config.quirks.pads_replies = random.chance(0.3);
    config.quirks.short_errors = random.chance(0.3);
    config.quirks.flush_aborts = random.chance(0.05);
    config.quirks.flush_echoes_command = random.chance(0.05);
    if (random.chance(0.15)) { // says more than it holds, as vblade does
        config.quirks.advertised_buffer_count =
            static_cast<std::uint16_t>(config.buffer_count * 2 + 1);
    }
    return config;
}

TargetHost draw_host(Random& random, const target::LunConfig& config) {
    TargetHost host;
    host.buffer_count = config.buffer_count;
    host.in_order = random.chance(0.5);
    // In order the queue's length counts, too.
    host.service_max = host.in_order ? random.pick(Duration{20us}, Duration{300us})
                                     : random.pick(Duration{20us}, Duration{5ms}, Duration{60ms});
    const bool cannot_flush =
        config.quirks.flush_aborts || config.quirks.flush_echoes_command; // says so at once
    if (random.chance(0.2) && !cannot_flush) {
        host.flush_service = random.pick(Duration{100ms}, Duration{1s}, Duration{4s});
    }
    return host;
}

} // namespace uaoe::sim
