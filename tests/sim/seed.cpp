// How a seed makes a world, and what happens in it.
#include "tests/sim/seed.hpp"

#include "tests/sim/draw.hpp"
#include "tests/sim/lun.hpp"
#include "tests/sim/restart.hpp"
#include "tests/sim/world.hpp"

#include <algorithm>
#include <set>

namespace uaoe::sim {

using namespace std::chrono_literals;

namespace {

// Until a command's turn has come, and the command is done.
Duration queue_time(const TargetHost& host) {
    return host.in_order ? host.service_max * std::max(host.buffer_count, 1U) : host.service_max;
}

class Run {
  public:
    Run(std::uint64_t seed, const SeedOptions& options)
        : draw_(seed), wire_draw_(seed ^ 0x317e), keeps_order_(Random(seed ^ 0x04de4).chance(0.15)),
          world_(seed ^ 0x5eed, draw_config(draw_, options.fencing), draw_start(draw_)),
          restarts_(world_, luns_, options.settling) {}

    SeedResult result(const std::string& pcap_path) {
        SeedResult result;
        if (!pcap_path.empty()) {
            world_.record(pcap_path);
        }
        const Time begin = world_.events.now();
        try {
            run();
        } catch (const Violation& violation) {
            result.violation = violation.what();
            world_.kill_engine(); // it must not keep requests of a workload that ends in the middle
        }
        result.trace = world_.trace;
        result.frames = world_.frames_sent;
        for (const auto& lun : luns_) {
            result.requests += lun->workload ? lun->workload->completed() : 0;
        }
        result.virtual_seconds = std::chrono::duration<double>(world_.events.now() - begin).count();
        return result;
    }

  private:
    void make_network();
    void make_lun(std::uint8_t number, bool share_macs);
    void attach();
    void make_workload(Lun& lun);

    // disturbances: at a drawn time, for a drawn length
    using Action = std::function<void()>;
    void during(Action begin, Action end);
    void disturb_after(Duration delay, Action action); // unless it is peace by then
    void disturb();
    void disturb_network();
    void flap_port(PortIndex port);
    void cut_port(PortIndex port);
    void disturb_lun(Lun& lun);
    void drop_large_frames();
    void compete(Lun& lun);
    void pause_hosts(Lun& lun);
    void refuse(Lun& lun);
    void change_mtu(Lun& lun);
    void kill_one_lun();
    void disturb_restarts();
    void delay_frames(Duration at, Duration length, Duration late_max);

    void wait_for_power();
    void end_faults();
    void run();
    void run_in_peace();
    [[nodiscard]] bool is_done() const;
    [[nodiscard]] Duration progress_limit(const Lun& lun) const;
    // How long a healthy LUN may get no answer because another is dead.
    [[nodiscard]] Duration healthy_limit(const Lun& lun) const {
        return 3s + world_.config.rto_max + 2 * (wire_time() + lun.hosts.front()->flush_service);
    }
    // There and back, when both queues are full.
    [[nodiscard]] Duration wire_time() const {
        Duration longest{};
        for (const Segment& segment : world_.segments) {
            longest = std::max(longest, segment.to_targets.queue_time_max() +
                                            segment.to_ports.queue_time_max());
        }
        return longest;
    }
    // Of a silent path until data flows over it again.
    [[nodiscard]] Duration recovery_time() const {
        return 4 * world_.config.rto_max + 4 * world_.config.probe_interval;
    }

    Random draw_;
    Random wire_draw_; // apart, so that a wire more or less changes nothing else of a seed
    bool keeps_order_; // the network and the targets do, and the engine is told; drawn apart, too
    World world_;
    std::vector<std::unique_ptr<Lun>> luns_;
    Restarts restarts_;
    std::uint32_t ports_count_ = 1;
    Lun* dead_lun_ = nullptr; // nothing is wrong but that this one is silent
    bool is_peace_ = false;   // disturbances are over
    bool has_restarts_ = false;
    bool has_long_outage_ = false;              // longer than the default fail-after
    std::set<std::uint32_t> cables_wanted_out_; // of ports
};

void Run::make_network() {
    ports_count_ = static_cast<std::uint32_t>(draw_.pick(1, 1, 2, 3));
    for (std::uint32_t i = 0; i < ports_count_; ++i) {
        const std::uint32_t mtu_bytes = draw_.pick(1500U, 4200U, 9000U);
        if (i > 0 && draw_.chance(0.2)) { // two NICs on one switch see the same MACs
            world_.add_port_on(mtu_bytes, {0});
            continue;
        }
        Segment segment;
        segment.latency = draw_.pick(Duration{10us}, Duration{100us}, Duration{2ms});
        segment.jitter = draw_.pick(Duration{0}, Duration{0}, Duration{50us}, Duration{3ms});
        segment.jitter = keeps_order_ ? Duration{} : segment.jitter;
        draw_wires(wire_draw_, segment);
        world_.add_port(mtu_bytes, segment);
    }
}

void Run::make_lun(std::uint8_t number, bool share_macs) {
    const target::LunConfig config =
        draw_lun(draw_, {3, static_cast<std::uint8_t>(7 + number)}, draw_disk(draw_, number));
    Lun& lun = *luns_.emplace_back(std::make_unique<Lun>(config, world_));
    TargetHost host = draw_host(draw_, config);
    if (keeps_order_ && !host.in_order) {
        host.in_order = true;
        host.service_max = std::min<Duration>(host.service_max, 300us);
    }
    host.lun = lun.model.get();
    host.disk = &lun.disk;
    const auto family = static_cast<std::uint8_t>(share_macs ? 0 : number);
    for (std::uint32_t segment = 0; segment < world_.segments.size(); ++segment) {
        const std::uint64_t macs = draw_.between(1, 2);
        for (std::uint64_t i = 0; i < macs; ++i) {
            host.segment = {segment};
            host.mac = {{2, 0, 0, static_cast<std::uint8_t>(16 + family),
                         static_cast<std::uint8_t>(segment), static_cast<std::uint8_t>(i)}};
            host.mtu_bytes = draw_.pick(1500U, 9000U);
            lun.hosts.push_back(&world_.add_host(host));
        }
    }
    if (draw_.chance(0.2)) {
        host.lun = lun.other_model.get();
        host.is_other_disk = true;
        host.segment = {0};
        host.mac = {{2, 0, 0, 2, 0, number}};
        host.up = false; // appears when the right one is attached
        lun.other_hosts.push_back(&world_.add_host(host));
    }
}

void Run::attach() {
    world_.handle_completion = [](initiator::Request&) {};
    world_.engine->discover(world_.events.now());
    world_.pump();
    const auto is_ready = [&] {
        return std::ranges::all_of(luns_, [&](const auto& lun) {
            const auto target = world_.engine->target(lun->address());
            return target && target->state == initiator::TargetState::ready;
        });
    };
    if (!world_.run_while_not(is_ready, 10s)) {
        throw Violation("a target was not found without any fault");
    }
    for (const auto& lun : luns_) {
        lun->fail_after = draw_.pick(Duration{0}, Duration{0}, Duration{0}, Duration{1s},
                                     Duration{3s}, Duration{180s}, Duration{180s});
        world_.watch.lun(lun->address()).fail_after = lun->fail_after;
        // One lost frame, or a split command whose parts have to wait for each other, is enough.
        const TargetHost& host = *lun->hosts.front();
        const Duration usual =
            2 * (queue_time(host) + wire_time() + host.flush_service + world_.config.rto_max) +
            16 * host.service_max;
        // Where more buffers are advertised than there are, so are tries in a row that find all of
        // them taken, by the commands beside it.
        const bool says_more = lun->model->config().quirks.advertised_buffer_count.has_value();
        const Duration tries =
            says_more ? 32 * (queue_time(host) + host.service_max) : Duration::zero();
        world_.watch.lun(lun->address()).is_slow = std::max(usual, tries) >= lun->fail_after;
        const auto device =
            world_.engine->attach(world_.events.now(), lun->address(),
                                  {.fail_after = lun->fail_after, .in_order = keeps_order_});
        if (!device) {
            throw Violation("attach failed");
        }
        lun->device = *device;
    }
}

void Run::make_workload(Lun& lun) {
    WorkloadOptions options;
    options.depth = draw_.pick(1U, 4U, 16U, 64U);
    options.requests_count = draw_.between(50, 250) / std::min<std::size_t>(luns_.size(), 2);
    options.sectors_max = draw_.pick(8U, 64U, 255U);
    options.hot_sectors = draw_.chance(0.5) ? 64 : 0;
    // In no time, or long enough to live through a disturbance.
    options.think = draw_.pick(Duration{0}, Duration{0}, Duration{1ms}, Duration{20ms},
                               Duration{100ms}, Duration{500ms});
    options.judge = [&lun](const initiator::Request& request, Time submitted_at) {
        return lun.judge(request, submitted_at);
    };
    if (has_restarts_) { // some of it is to be left for the successor, and to overwrite the rest
        options.think =
            std::max(options.think, draw_.pick(Duration{1ms}, Duration{20ms}, Duration{100ms}));
        options.sectors_max = draw_.pick(8U, 8U, 64U);
        options.hot_sectors = 64;
        options.requests_count += 300;
    }
    lun.workload = std::make_unique<Workload>(world_, lun.device, options);
}

void Run::disturb_after(Duration delay, Action action) {
    world_.events.after(delay, [this, action = std::move(action)] {
        if (!is_peace_) {
            action();
        }
    });
}

void Run::during(Action begin, Action end) {
    const Duration start = 1ms * draw_.pick(draw_.between(0, 20), draw_.between(0, 2000));
    const Duration length = 1ms * draw_.pick(1, 50, 500, 1500, 5000, 20000);
    disturb_after(start, std::move(begin));
    disturb_after(start + length, std::move(end));
}

void Run::disturb_network() {
    const bool may_be_short = std::ranges::all_of(
        luns_, [](const auto& lun) { return lun->fail_after == Duration::zero(); });
    for (Segment& segment : world_.segments) {
        segment.faults = draw_faults(draw_);
        segment.faults.late = keeps_order_ ? 0 : segment.faults.late;
        segment.faults.inject_short = may_be_short && draw_.chance(0.5);
        if (segment.latency > 1ms) {
            segment.faults.late_max = std::min<Duration>(segment.faults.late_max, 100ms);
        }
    }
    for (auto flaps = draw_.chance(0.2) ? draw_.between(1, 3) : 0; flaps > 0; --flaps) {
        const PortIndex port{static_cast<std::uint32_t>(draw_.between(0, ports_count_ - 1))};
        flap_port(port);
    }
    if (draw_.chance(0.15)) {
        drop_large_frames();
    }
    if (draw_.chance(0.1)) {
        const PortIndex port{static_cast<std::uint32_t>(draw_.between(0, ports_count_ - 1))};
        const std::uint32_t before = world_.port(port).mtu_bytes;
        const std::uint32_t meanwhile = draw_.pick(1500U, 9000U);
        during([this, port, meanwhile] { world_.set_port_mtu(port, meanwhile); },
               [this, port, before] { world_.set_port_mtu(port, before); });
    }
}

void Run::flap_port(PortIndex port) {
    during(
        [this, port] {
            cables_wanted_out_.insert(port.value);
            cut_port(port);
        },
        [this, port] {
            cables_wanted_out_.erase(port.value);
            world_.set_port_up(port, true);
        });
}

// A target that has been standing still for less than a timeout looks well to the engine, and when
// its cable is pulled then, what waits in it is not feared: the fences do not promise that
// (initiator/fences.cpp). So the cable stays until the silence has been noticed.
void Run::cut_port(PortIndex port) {
    if (is_peace_ || !cables_wanted_out_.contains(port.value)) {
        return;
    }
    Time noticed_at = world_.events.now();
    for (const auto& host : world_.hosts) {
        if (host->is_paused && host->segment == world_.segment_of(port)) {
            noticed_at = std::max(noticed_at, host->paused_at + 2 * world_.config.rto_max);
        }
    }
    if (noticed_at > world_.events.now()) {
        world_.events.at(noticed_at, [this, port] { cut_port(port); });
        return;
    }
    world_.set_port_up(port, false);
}

// A switch begins to drop large frames, of one direction perhaps. Small ones pass.
void Run::drop_large_frames() {
    const auto index = draw_.between(0, world_.segments.size() - 1);
    const std::uint32_t bytes_max = draw_.pick(1100U, 1600U, 4300U);
    const auto loses =
        draw_.pick(Faults::Loses::all, Faults::Loses::requests, Faults::Loses::answers);
    during(
        [this, index, bytes_max, loses] {
            world_.segments[index].faults.bytes_max = bytes_max;
            world_.segments[index].faults.loses = loses;
        },
        [this, index] { world_.segments[index].faults.bytes_max = Faults{}.bytes_max; });
}

// Another initiator uses the same target, and so its buffers.
void Run::compete(Lun& lun) {
    TargetHost& host = *lun.hosts[draw_.between(0, lun.hosts.size() - 1)];
    const auto frames_count = draw_.pick(1U, 8U, 64U);
    const Duration pause = draw_.pick(Duration{100us}, Duration{1ms}, Duration{20ms});
    const Duration start = 1ms * draw_.between(0, 2000);
    for (int i = 0; i < 100; ++i) {
        disturb_after(start + i * pause,
                      [this, &host, frames_count] { world_.compete(host, frames_count); });
    }
}

// A process is stopped, and goes on with what waits in its queue.
void Run::pause_hosts(Lun& lun) {
    TargetHost& host = *lun.hosts[draw_.between(0, lun.hosts.size() - 1)];
    const bool all = draw_.chance(0.3);
    during(
        [this, &lun, &host, all] {
            for (TargetHost* other : lun.hosts) {
                if (all || other == &host) {
                    world_.pause_host(*other);
                }
            }
        },
        [this, &lun] {
            for (TargetHost* other : lun.hosts) {
                world_.resume_host(*other);
            }
        });
}

// Somebody else has it reserved, or its disk is away; or IDENTIFY alone has no answer, or
// everything but IDENTIFY. With a restart, the engine asks for IDENTIFY before anything else.
void Run::refuse(Lun& lun) {
    const auto kind = draw_.between(0, 3);
    const bool restarts = kind != 3 && draw_.chance(0.6);
    during(
        [this, &lun, kind, restarts] {
            lun.refuse(kind == 0, kind == 1);
            lun.model->quirks().mute_identify = kind == 2;
            for (TargetHost* host : lun.hosts) {
                host->is_mute = kind == 3;
            }
            if (restarts) {
                for (TargetHost* host : lun.hosts) {
                    world_.stop_host(*host);
                    world_.start_host(*host);
                }
            }
        },
        [&lun] {
            lun.refuse(false, false);
            lun.model->quirks().mute_identify = false;
            for (TargetHost* host : lun.hosts) {
                host->is_mute = false;
            }
        });
}

void Run::change_mtu(Lun& lun) {
    TargetHost& host = *lun.hosts[draw_.between(0, lun.hosts.size() - 1)];
    const std::uint32_t mtu_bytes = draw_.pick(1500U, 4200U, 9000U);
    during([this, &host] { world_.stop_host(host); },
           [this, &host, mtu_bytes] {
               host.mtu_bytes = mtu_bytes;
               world_.start_host(host);
           });
}

void Run::disturb_lun(Lun& lun) {
    for (TargetHost* host : lun.other_hosts) {
        disturb_after(5ms, [this, host] { world_.start_host(*host); });
    }
    for (auto outages = draw_.chance(0.3) ? draw_.between(1, 3) : 0; outages > 0; --outages) {
        TargetHost& host = *lun.hosts[draw_.between(0, lun.hosts.size() - 1)];
        during([this, &host] { world_.stop_host(host); },
               [this, &host] { world_.start_host(host); });
    }
    for (auto pauses = draw_.chance(0.25) ? draw_.between(1, 2) : 0; pauses > 0; --pauses) {
        pause_hosts(lun);
    }
    if (draw_.chance(0.15)) {
        refuse(lun);
    }
    if (draw_.chance(0.1)) {
        compete(lun);
    }
    if (draw_.chance(0.1)) {
        change_mtu(lun);
    }
    for (auto cuts = draw_.chance(0.15) ? draw_.between(1, 3) : 0; cuts > 0; --cuts) {
        // No frame of before lives when it is back.
        during([&lun] { lun.cut_power(); },
               [this, &lun] { disturb_after(linger, [&lun] { lun.restore_power(); }); });
    }
    if (draw_.chance(0.08)) {
        during(
            [this, &lun] {
                for (TargetHost* host : lun.hosts) {
                    world_.stop_host(*host);
                }
            },
            [&lun] { lun.exchange_disk(); });
    }
    for (auto bad = draw_.chance(0.1) ? draw_.between(1, 4) : 0; bad > 0; --bad) {
        lun.break_sector(draw_.between(0, 63), draw_.chance(0.3));
    }
}

// One LUN is silent, and the others must not suffer.
void Run::kill_one_lun() {
    dead_lun_ = luns_[draw_.between(0, luns_.size() - 1)].get();
    const bool pauses = draw_.chance(0.5);
    disturb_after(1ms * draw_.pick(1, 20, 200), [this, pauses] {
        for (TargetHost* host : dead_lun_->hosts) {
            if (pauses) {
                world_.pause_host(*host);
            } else {
                world_.stop_host(*host);
            }
        }
    });
}

// The daemon is killed, or asked to go, and there is another after a while. Often frames are late
// at that time, or a host of each LUN stands still, with writes of the old one in its queue.
void Run::disturb_restarts() {
    for (auto count = has_restarts_ ? draw_.pick(1, 1, 2, 3) : 0; count > 0; --count) {
        const Duration at = 1ms * draw_.pick(draw_.between(20, 300), draw_.between(20, 3000));
        const Restarts::Plan plan{
            .grace = draw_.chance(0.7) ? Duration{0}
                                       : draw_.pick(Duration{10ms}, Duration{300ms}, Duration{2s}),
            .absence = draw_.pick(Duration{1ms}, Duration{50ms}, Duration{500ms}),
            .discover_ahead = draw_.pick(Duration{0}, Duration{0}, Duration{1ms}, Duration{50ms})};
        disturb_after(at, [this, plan] { restarts_.begin(plan); });
        if (dead_lun_ != nullptr) {
            continue;
        }
        const Duration before = std::min<Duration>(at, 1ms * draw_.between(1, 200));
        if (draw_.chance(0.4)) {
            delay_frames(at - before, before, draw_.pick(Duration{100ms}, Duration{500ms}));
        }
        if (draw_.chance(0.5)) {
            const Duration length = draw_.pick(Duration{500ms}, Duration{3s}, Duration{12s});
            for (const auto& lun : luns_) {
                TargetHost& host = *lun->hosts[draw_.between(0, lun->hosts.size() - 1)];
                disturb_after(at - before, [this, &host] { world_.pause_host(host); });
                disturb_after(at + length, [this, &host] { world_.resume_host(host); });
            }
        }
    }
}

// A third of all frames is late for a while.
void Run::delay_frames(Duration at, Duration length, Duration late_max) {
    for (Segment& segment : world_.segments) {
        const Faults usual = segment.faults;
        disturb_after(at, [this, &segment, late_max] {
            segment.faults.late = keeps_order_ ? 0 : 0.3;
            segment.faults.late_max = late_max;
        });
        disturb_after(at + length, [&segment, usual] { segment.faults = usual; });
    }
}

void Run::disturb() {
    if (luns_.size() > 1 && draw_.chance(0.25)) {
        kill_one_lun();
        disturb_restarts();
        return;
    }
    disturb_network();
    for (const auto& lun : luns_) {
        disturb_lun(*lun);
    }
    has_long_outage_ = draw_.chance(0.03);
    if (has_long_outage_) {
        disturb_after(1ms * draw_.pick(1, 100), [this] {
            for (TargetHost* host : luns_.front()->hosts) {
                world_.stop_host(*host);
            }
        });
    }
    disturb_restarts();
}

// The end of faults would start hosts whose power was cut just now.
void Run::wait_for_power() {
    const auto back_at = [&] {
        const auto last = std::ranges::max_element(
            world_.hosts, {}, [](const auto& host) { return host->power_back_at; });
        return (*last)->power_back_at;
    };
    while (back_at() > world_.events.now()) { // it may be cut again meanwhile
        world_.run_until(back_at());
    }
}

void Run::end_faults() {
    is_peace_ = true;
    restarts_.end();
    for (Segment& segment : world_.segments) {
        segment.faults = {};
        segment.burst_left = 0;
    }
    for (std::uint32_t port = 0; port < ports_count_; ++port) {
        world_.set_port_up({port}, true);
    }
    for (const auto& lun : luns_) {
        lun->end_faults();
        for (TargetHost* host : lun->other_hosts) {
            if (!host->up) {
                world_.start_host(*host);
            }
        }
    }
    // Otherwise nobody wakes an engine that forgot something.
    if (draw_.chance(0.3)) {
        world_.engine->discover(world_.events.now());
        world_.pump();
    }
}

bool Run::is_done() const {
    return std::ranges::all_of(luns_, [](const auto& lun) { return lun->workload->is_done(); });
}

// How long the answers to a LUN's commands may fail to come with nothing wrong: a silent path is
// asked again, the queue before a command is worked off, and a fence stands for a copy whose path
// has nothing else to do.
Duration Run::progress_limit(const Lun& lun) const {
    const TargetHost& host = *lun.hosts.front();
    return recovery_time() + 2 * (queue_time(host) + wire_time() + host.flush_service) +
           target_hold + linger;
}

void Run::run_in_peace() {
    const Time begin = world_.events.now();
    world_.watch.begin_peace(begin, recovery_time());
    const auto check = [&] {
        for (const auto& lun : luns_) {
            world_.watch.check_progress(world_.events.now(), lun->address(), begin,
                                        progress_limit(*lun));
        }
        return is_done();
    };
    // The slowest world: one command at a time, 60 ms each, every request cut into 128. But never
    // long without any answer.
    if (!world_.run_while_not(check, 3600s)) {
        check();
        throw Violation("requests do not end although nothing is wrong any more");
    }
}

void Run::run() {
    make_network();
    const auto luns_count = draw_.pick(1, 1, 1, 2, 3, 4);
    const bool share_macs = draw_.chance(0.5);
    for (int i = 0; i < luns_count; ++i) {
        make_lun(static_cast<std::uint8_t>(i), share_macs);
    }
    attach();
    has_restarts_ = draw_.chance(0.3);
    for (const auto& lun : luns_) {
        make_workload(*lun);
    }
    world_.handle_completion = [this](initiator::Request& request) {
        const auto owner = std::ranges::find_if(
            luns_, [&](const auto& lun) { return lun->workload->owns(request); });
        (*owner)->workload->handle_completion(request);
    };
    disturb();
    for (const auto& lun : luns_) {
        lun->workload->start();
    }
    // Safety with faults, then liveness without.
    const Duration length = has_long_outage_ ? Duration{200s} : 1ms * draw_.between(500, 25000);
    const auto check = [&, begin = world_.events.now()] {
        for (const auto& lun : luns_) {
            if (dead_lun_ != nullptr && lun.get() != dead_lun_) {
                world_.watch.check_progress(world_.events.now(), lun->address(), begin,
                                            healthy_limit(*lun));
            }
        }
        return is_done();
    };
    world_.run_while_not(check, length);
    wait_for_power();
    end_faults();
    run_in_peace();
    world_.run_until(world_.events.now() + linger + 21s); // late copies land
    for (const auto& lun : luns_) {
        lun->workload->verify(lun->disk);
        if (lun->other_disk.changes() != 0) {
            throw Violation("the other disk was written");
        }
    }
}

} // namespace

SeedResult run_seed(std::uint64_t seed, const SeedOptions& options) {
    return Run(seed, options).result(options.pcap_path);
}

} // namespace uaoe::sim
