// Ports, segments, target hosts, and what is checked on every frame.
#include "tests/sim/world.hpp"

#include "proto/frame.hpp"

#include <algorithm>

namespace uaoe::sim {

using namespace std::chrono_literals;

bool Disk::read(std::uint64_t offset, proto::Bytes out) {
    std::ranges::copy(std::span(bytes_).subspan(offset, out.size()), out.begin());
    return true;
}
bool Disk::write(std::uint64_t offset, proto::ConstBytes data) {
    std::ranges::copy(data, bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
    ++changes_;
    return true;
}
bool Disk::discard(std::uint64_t offset, std::uint64_t bytes) {
    std::ranges::fill(std::span(bytes_).subspan(offset, bytes), std::byte{0});
    ++changes_;
    return true;
}
bool Disk::flush() {
    return true;
}

World::World(std::uint64_t seed, const initiator::EngineConfig& config)
    : random(seed), engine(config) {}

void World::add_port(std::uint32_t mtu_bytes, const Segment& segment) {
    const auto index = static_cast<std::uint32_t>(segments.size());
    segments.push_back(segment);
    ports_.push_back({.up = true,
                      .mtu_bytes = mtu_bytes,
                      .mac = {{2, 0, 0, 0, 1, static_cast<std::uint8_t>(index)}}});
    engine.handle_port(events.now(), {index}, ports_.back());
}

TargetHost& World::add_host(const TargetHost& host) {
    return *hosts.emplace_back(std::make_unique<TargetHost>(host));
}

void World::record(const std::string& pcap_path) {
    pcap_ = std::make_unique<PcapWriter>(pcap_path);
}

void World::set_port_up(PortIndex port, bool up) {
    ports_[port.value].up = up;
    engine.handle_port(events.now(), port, ports_[port.value]);
    pump();
}

void World::stop_host(TargetHost& host) {
    host.up = false;
    ++host.life;
    host.held = 0;
}

void World::start_host(TargetHost& host) {
    host.up = true;
    host.busy_until = events.now();
    std::vector<std::byte> frame(host.mtu_bytes + 14);
    frame.resize(host.lun->make_boot_advertisement(host.mac, host.mtu_bytes, frame));
    answer(host, std::move(frame));
}

void World::note(proto::ConstBytes frame) {
    const auto mix = [&](std::uint64_t value) { trace = (trace ^ value) * 0x100000001b3; };
    mix(static_cast<std::uint64_t>(events.now().time_since_epoch().count()));
    for (const std::byte b : frame.first(std::min<std::size_t>(frame.size(), 48))) {
        mix(std::to_integer<std::uint64_t>(b));
    }
    if (pcap_) {
        pcap_->write(events.now(), frame);
    }
}

// What holds for every frame the engine sends.
void World::check_sent(const initiator::Transmit& transmit, proto::ConstBytes frame) {
    const auto parsed = proto::parse_frame(frame);
    if (!parsed || parsed->is_response) {
        throw Violation("the engine sent something that is no AoE request");
    }
    const initiator::PortState& port = ports_[transmit.port.value];
    if (frame.size() > port.mtu_bytes + 14U || frame.size() < proto::ethernet_frame_bytes_min) {
        throw Violation("a frame of " + std::to_string(frame.size()) + " bytes");
    }
    if (!port.up) {
        throw Violation("a frame on a port that is down");
    }
    if (!tags_.insert(parsed->tag.value).second) {
        throw Violation("a tag was used twice");
    }
    if (parsed->command == proto::Command::ata &&
        (parsed->destination.is_multicast() || parsed->address.is_broadcast())) {
        throw Violation("an ATA command to everybody");
    }
}

void World::check_windows() {
    if (pumps_++ % 64 != 0) {
        return;
    }
    for (const auto& target : engine.targets()) {
        for (const auto& path : target.paths) {
            const std::uint32_t limit = std::max(path.buffer_count, 1U);
            if (path.in_flight > limit || path.cwnd > limit || path.cwnd == 0) {
                throw Violation("a window of " + std::to_string(path.cwnd) + " with " +
                                std::to_string(path.in_flight) + " in flight over " +
                                std::to_string(limit) + " buffers");
            }
        }
    }
}

void World::pump() {
    bool again = true;
    while (again) {
        again = false;
        initiator::Transmit transmit;
        while (engine.poll_transmit(events.now(), transmit)) {
            std::vector<std::byte> frame(transmit.header.begin(),
                                         transmit.header.begin() + transmit.header_bytes);
            frame.insert(frame.end(), transmit.payload.begin(), transmit.payload.end());
            check_sent(transmit, frame);
            note(frame);
            ++frames_sent;
            const PortIndex port = transmit.port;
            carry(segments[port.value], std::move(frame), true,
                  [this, port](const auto& copy, unsigned copies) {
                      arrive_at_hosts(port, copy, copies);
                  });
        }
        while (initiator::Request* request = engine.poll_completion()) {
            again = true;
            handle_completion(*request);
        }
        while (const auto event = engine.poll_event()) {
            if (handle_event) {
                handle_event(*event);
            }
        }
    }
    check_windows();
    const auto due = engine.poll_timeout();
    if (due && (!timer_ || *due < *timer_)) {
        timer_ = *due;
        events.at(*due, [this, armed = *due] {
            if (timer_ == armed) {
                timer_.reset();
            }
            if (engine.poll_timeout() && *engine.poll_timeout() <= events.now()) {
                engine.handle_timeout(events.now());
            }
            pump();
        });
    }
}

void World::carry(Segment& segment, std::vector<std::byte> frame, bool is_request,
                  const Deliver& deliver) {
    Faults& faults = segment.faults;
    if (segment.burst_left > 0) {
        --segment.burst_left;
        return;
    }
    if (random.chance(faults.burst_loss)) {
        segment.burst_left = static_cast<std::uint32_t>(random.between(1, 40));
    }
    if (frame.size() > faults.bytes_max || random.chance(faults.loss)) {
        return;
    }
    Duration delay = segment.latency;
    if (segment.jitter > Duration::zero()) {
        delay += Duration{static_cast<std::int64_t>(
            random.between(0, static_cast<std::uint64_t>(segment.jitter.count())))};
    }
    if (faults.late_max > Duration::zero() && random.chance(faults.late)) {
        delay += Duration{static_cast<std::int64_t>(
            random.between(0, static_cast<std::uint64_t>(faults.late_max.count())))};
    }
    unsigned copies = 1;
    if (random.chance(faults.duplicate)) {
        // A request that the network itself copies is executed twice in a row: a copy that came
        // later, after the answer to its original, nobody but the network could tell from a newer
        // write. Copies of answers may take their time.
        if (is_request) {
            copies = 2;
        } else {
            const Duration more{static_cast<std::int64_t>(
                random.between(1, static_cast<std::uint64_t>(Duration{20s}.count())))};
            events.after(delay + more, [deliver, frame] { deliver(frame, 1); });
        }
    }
    events.after(delay, [deliver, copies, frame = std::move(frame)] { deliver(frame, copies); });
}

void World::arrive_at_hosts(PortIndex segment, const std::vector<std::byte>& frame,
                            unsigned copies) {
    const auto parsed = proto::parse_frame(frame);
    for (const auto& host : hosts) {
        if (host->segment == segment && host->up &&
            (parsed->destination == host->mac || parsed->destination == proto::broadcast_mac) &&
            frame.size() <= host->mtu_bytes + 14U) {
            serve(*host, frame, copies);
        }
    }
}

void World::serve(TargetHost& host, const std::vector<std::byte>& frame, unsigned copies) {
    if (host.held >= std::max(host.buffer_count, 1U)) {
        return;
    }
    ++host.held;
    const Duration service{static_cast<std::int64_t>(
        random.between(static_cast<std::uint64_t>(host.service_min.count()),
                       static_cast<std::uint64_t>(host.service_max.count())))};
    Time done = events.now() + service;
    if (host.in_order) {
        done = std::max(host.busy_until, events.now()) + service;
        host.busy_until = done;
    }
    events.at(done, [this, &host, frame, copies, life = host.life] {
        if (life != host.life) {
            return;
        }
        --host.held;
        for (unsigned i = 0; i < copies; ++i) {
            std::vector<std::byte> reply(host.mtu_bytes + 14);
            reply.resize(host.lun->handle_frame(frame, host.mac, host.mtu_bytes, reply));
            if (!reply.empty()) {
                answer(host, std::move(reply));
            }
        }
    });
}

void World::answer(TargetHost& host, std::vector<std::byte> frame) {
    Segment& segment = segments[host.segment.value];
    const PortIndex port = host.segment;
    if (random.chance(segment.faults.forge)) {
        forge(port, frame);
    }
    carry(segment, std::move(frame), false,
          [this, port](const auto& copy, unsigned) { arrive_at_engine(port, copy); });
}

void World::arrive_at_engine(PortIndex port, const std::vector<std::byte>& frame) {
    if (!ports_[port.value].up) {
        return;
    }
    note(frame);
    engine.handle_frame(events.now(), port, frame);
    pump();
}

// Frames that look like an answer and are none: every one must be ignored.
void World::forge(PortIndex port, std::vector<std::byte> frame) {
    // A wrong bit in source, address, command or tag. Not in the flags: without R it is a request,
    // with E an error that a target could have sent.
    constexpr std::size_t places[] = {6, 9, 11, 16, 17, 18, 20};
    std::vector<std::byte> forged = frame;
    const std::size_t place = places[random.between(0, std::size(places) - 1)];
    forged[place] ^= static_cast<std::byte>(1U << random.between(3, 6));
    const bool is_boot = frame.size() > 23 && frame[20] == std::byte{0};
    if (forged[19] == std::byte{0} && !is_boot) { // of Query Config it would be a new target
        events.after(1us, [this, port, forged] { arrive_at_engine(port, forged); });
    }
    std::vector<std::byte> garbage(random.between(0, 100));
    for (std::byte& b : garbage) {
        b = static_cast<std::byte>(random.next());
    }
    events.after(2us, [this, port, garbage] { arrive_at_engine(port, garbage); });
    frame.resize(random.between(0, 35));
    events.after(3us, [this, port, frame] { arrive_at_engine(port, frame); });
}

void World::run_until(Time end) {
    while (events.step(end)) {
    }
}

bool World::run_while_not(const std::function<bool()>& done, Duration limit) {
    const Time end = events.now() + limit;
    while (!done()) {
        if (!events.step(end)) {
            return done();
        }
    }
    return true;
}

} // namespace uaoe::sim
