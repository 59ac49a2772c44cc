// How a seed makes a world.
#include "tests/sim/seed.hpp"

#include "tests/sim/workload.hpp"
#include "tests/sim/world.hpp"

#include <algorithm>

namespace uaoe::sim {

using namespace std::chrono_literals;

namespace {

constexpr proto::Address lun{3, 7};
constexpr Duration linger = 1s;

initiator::EngineConfig draw_config(Random& random, bool fencing) {
    initiator::EngineConfig config;
    config.tag_generation_first = static_cast<std::uint32_t>(random.next());
    config.commands_count_max = random.pick(64U, 256U, 4096U);
    config.rto_min = random.pick(Duration{1ms}, Duration{5ms}, Duration{20ms});
    config.rto_max = random.pick(Duration{200ms}, Duration{2s});
    if (!fencing) {
        config.linger = config.target_hold = Duration{0};
    }
    config.settle = random.pick(Duration{0}, Duration{1s});
    config.discover_interval = random.pick(Duration{2s}, Duration{60s});
    return config;
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
    return faults;
}

proto::Identify draw_disk(Random& random) {
    proto::Identify identify;
    identify.serial = {{'S', 'I', 'M'}, 3};
    identify.model = {{'d', 'i', 's', 'k'}, 4};
    identify.sectors = {random.pick(256U, 1024U, 4096U)};
    identify.lba48 = random.chance(0.8);
    identify.flush_cache = random.chance(0.8);
    identify.flush_cache_ext = identify.flush_cache && identify.lba48 && random.chance(0.5);
    identify.trim = identify.lba48 && random.chance(0.4);
    identify.trim_blocks_max = 1;
    return identify;
}

class Run {
  public:
    Run(std::uint64_t seed, bool fencing)
        : draw_(seed), world_(seed ^ 0x5eed, draw_config(draw_, fencing)),
          identify_(draw_disk(draw_)), disk_(identify_.sectors.value),
          other_disk_(identify_.sectors.value) {}

    SeedResult result(const std::string& pcap_path) {
        SeedResult result;
        if (!pcap_path.empty()) {
            world_.record(pcap_path);
        }
        try {
            run();
        } catch (const Violation& violation) {
            result.violation = violation.what();
            take_back_requests();
        }
        const Duration now = world_.events.now().time_since_epoch();
        result.trace = world_.trace;
        result.frames = world_.frames_sent;
        result.requests = workload_ ? workload_->completed() : 0;
        result.virtual_seconds = std::chrono::duration<double>(now).count();
        return result;
    }

  private:
    // The engine must not keep requests of a workload that ends in the middle.
    void take_back_requests() {
        if (workload_) {
            world_.engine.detach(world_.events.now(), device_);
            while (world_.engine.poll_completion() != nullptr) {
            }
        }
    }
    void make_network();
    void make_targets();
    void attach();
    void disturb();
    void end_faults();
    void run();

    Random draw_;
    World world_;
    proto::Identify identify_;
    Disk disk_;
    Disk other_disk_; // behind the same address: must never be written
    std::unique_ptr<target::ModelTarget> lun_;
    std::unique_ptr<target::ModelTarget> other_lun_;
    std::unique_ptr<Workload> workload_;
    initiator::DeviceIndex device_;
    bool may_fail_ = false;
    std::uint32_t ports_count_ = 1;
};

void Run::make_network() {
    ports_count_ = static_cast<std::uint32_t>(draw_.pick(1, 1, 2, 3));
    for (std::uint32_t i = 0; i < ports_count_; ++i) {
        Segment segment;
        segment.latency = draw_.pick(Duration{10us}, Duration{100us}, Duration{2ms});
        segment.jitter = draw_.pick(Duration{0}, Duration{0}, Duration{50us}, Duration{3ms});
        world_.add_port(draw_.pick(1500U, 4200U, 9000U), segment);
    }
}

void Run::make_targets() {
    target::LunConfig config;
    config.address = lun;
    config.identify = identify_;
    config.buffer_count = static_cast<std::uint16_t>(draw_.pick(0, 1, 2, 16, 16, 64, 256));
    config.quirks.pads_replies = draw_.chance(0.3);
    lun_ = std::make_unique<target::ModelTarget>(config, disk_);
    TargetHost host;
    host.lun = lun_.get();
    host.buffer_count = config.buffer_count;
    host.in_order = draw_.chance(0.5);
    // In order the queue's length counts, too.
    host.service_max = host.in_order ? draw_.pick(Duration{20us}, Duration{300us})
                                     : draw_.pick(Duration{20us}, Duration{5ms}, Duration{60ms});
    for (std::uint32_t port = 0; port < ports_count_; ++port) {
        const auto macs = draw_.between(1, 2);
        for (std::uint64_t i = 0; i < macs; ++i) {
            host.segment = {port};
            host.mac = {
                {2, 0, 0, 1, static_cast<std::uint8_t>(port), static_cast<std::uint8_t>(i)}};
            host.mtu_bytes = draw_.pick(1500U, 9000U);
            world_.add_host(host);
        }
    }
    if (draw_.chance(0.2)) {
        config.identify.serial.characters[0] = 'X';
        other_lun_ = std::make_unique<target::ModelTarget>(config, other_disk_);
        host.lun = other_lun_.get();
        host.segment = {0};
        host.mac = {{2, 0, 0, 2, 0, 0}};
        host.up = false; // appears when the right one is attached
        world_.add_host(host);
    }
}

void Run::attach() {
    world_.handle_completion = [](initiator::Request&) {};
    world_.engine.discover(world_.events.now());
    world_.pump();
    const auto is_ready = [&] {
        const auto target = world_.engine.target(lun);
        return target && target->state == initiator::TargetState::ready;
    };
    if (!world_.run_while_not(is_ready, 10s)) {
        throw Violation("the target was not found without any fault");
    }
    may_fail_ = draw_.chance(0.2);
    const auto device = world_.engine.attach(
        world_.events.now(), lun, {.fail_after = may_fail_ ? Duration{3s} : Duration{0}});
    if (!device) {
        throw Violation("attach failed");
    }
    device_ = *device;
}

// Outages at drawn times: hosts restart, ports flap.
void Run::disturb() {
    for (Segment& segment : world_.segments) {
        segment.faults = draw_faults(draw_);
        if (segment.latency > 1ms) {
            segment.faults.late_max = std::min<Duration>(segment.faults.late_max, 100ms);
        }
    }
    if (other_lun_) {
        world_.events.after(5ms, [this] { world_.start_host(*world_.hosts.back()); });
    }
    const auto outages = draw_.chance(0.4) ? draw_.between(1, 4) : 0;
    for (std::uint64_t i = 0; i < outages; ++i) {
        const Duration begin = 1ms * draw_.between(0, 2000);
        const Duration length = 1ms * draw_.pick(1, 50, 500, 5000);
        if (draw_.chance(0.5)) {
            TargetHost& host = *world_.hosts[draw_.between(0, world_.hosts.size() - 1)];
            world_.events.after(begin, [this, &host] { world_.stop_host(host); });
            world_.events.after(begin + length, [this, &host] { world_.start_host(host); });
        } else {
            const PortIndex port{static_cast<std::uint32_t>(draw_.between(0, ports_count_ - 1))};
            world_.events.after(begin, [this, port] { world_.set_port_up(port, false); });
            world_.events.after(begin + length, [this, port] { world_.set_port_up(port, true); });
        }
    }
}

void Run::end_faults() {
    for (Segment& segment : world_.segments) {
        segment.faults = {};
        segment.burst_left = 0;
    }
    for (const auto& host : world_.hosts) {
        if (!host->up) {
            world_.start_host(*host);
        }
    }
    for (std::uint32_t port = 0; port < ports_count_; ++port) {
        world_.set_port_up({port}, true);
    }
    // Everybody is heard of again.
    world_.engine.discover(world_.events.now());
    world_.pump();
}

void Run::run() {
    make_network();
    make_targets();
    attach();
    WorkloadOptions options;
    options.depth = draw_.pick(1U, 4U, 16U, 64U);
    options.requests_count = draw_.between(50, 250);
    options.sectors_max = draw_.pick(8U, 64U, 255U);
    options.hot_sectors = draw_.chance(0.5) ? 64 : 0;
    options.may_fail = may_fail_;
    options.think = draw_.pick(Duration{0}, Duration{0}, Duration{1ms});
    workload_ = std::make_unique<Workload>(world_, device_, options);
    world_.handle_completion = [this](initiator::Request& request) {
        workload_->handle_completion(request);
    };
    disturb();
    workload_->start();
    // Safety with faults, then liveness without.
    world_.run_while_not([&] { return workload_->is_done(); }, 1ms * draw_.between(500, 20000));
    end_faults();
    // The slowest world: one command at a time, 60 ms each, every request cut into 128.
    if (!world_.run_while_not([&] { return workload_->is_done(); }, 3600s)) {
        throw Violation("requests do not end although nothing is wrong any more: " +
                        std::to_string(workload_->completed()) + " of " +
                        std::to_string(options.requests_count));
    }
    world_.run_until(world_.events.now() + linger + 21s); // late copies land
    workload_->verify(disk_);
    if (other_disk_.changes() != 0) {
        throw Violation("the other disk was written");
    }
}

} // namespace

SeedResult run_seed(std::uint64_t seed, const SeedOptions& options) {
    return Run(seed, options.fencing).result(options.pcap_path);
}

} // namespace uaoe::sim
