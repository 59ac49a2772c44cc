// Ports and segments, and what is checked on every frame.
#include "tests/sim/world.hpp"

#include "initiator/request_state.hpp"

#include <algorithm>

namespace uaoe::sim {

using namespace std::chrono_literals;

World::World(std::uint64_t seed, const initiator::EngineConfig& engine_config, Time start)
    : events(start), random(seed), config(engine_config),
      engine(std::make_unique<initiator::Engine>(engine_config)) {}

void World::kill_engine() {
    engine.reset();
    timer_.reset();
}

void World::start_engine(const initiator::EngineConfig& its_config) {
    config = its_config;
    engine = std::make_unique<initiator::Engine>(its_config);
    watch.handle_restart();
    for (std::uint32_t i = 0; i < ports_.size(); ++i) {
        engine->handle_port(events.now(), {i}, ports_[i].state);
    }
}

void World::add_port_to(std::uint32_t mtu_bytes, std::uint32_t segment) {
    const auto index = static_cast<std::uint32_t>(ports_.size());
    ports_.push_back({.state = {.up = true,
                                .mtu_bytes = mtu_bytes,
                                .mac = {{2, 0, 0, 0, 1, static_cast<std::uint8_t>(index)}}},
                      .segment = segment});
    engine->handle_port(events.now(), {index}, ports_.back().state);
}

void World::add_port(std::uint32_t mtu_bytes, const Segment& segment) {
    segments.push_back(segment);
    add_port_to(mtu_bytes, static_cast<std::uint32_t>(segments.size() - 1));
}

void World::add_port_on(std::uint32_t mtu_bytes, PortIndex segment) {
    add_port_to(mtu_bytes, segment.value);
}

void World::record(const std::string& pcap_path) {
    pcap_ = std::make_unique<PcapWriter>(pcap_path);
}

void World::set_port_up(PortIndex index, bool up) {
    initiator::PortState& state = ports_[index.value].state;
    if (state.up == up) {
        return;
    }
    state.up = up;
    watch.handle_port(events.now(), !up);
    if (engine != nullptr) {
        engine->handle_port(events.now(), index, state);
    }
    pump();
}

void World::set_port_mtu(PortIndex index, std::uint32_t mtu_bytes) {
    initiator::PortState& state = ports_[index.value].state;
    state.mtu_bytes = mtu_bytes;
    if (engine != nullptr) {
        engine->handle_port(events.now(), index, state);
    }
    pump();
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
    const initiator::PortState& state = port(transmit.port);
    if (frame.size() > state.mtu_bytes + 14U || frame.size() < proto::ethernet_frame_bytes_min) {
        throw Violation("a frame of " + std::to_string(frame.size()) + " bytes");
    }
    if (!state.up) {
        throw Violation("a frame on a port that is down");
    }
    if (parsed->command == proto::Command::ata &&
        (parsed->destination.is_multicast() || parsed->address.is_broadcast())) {
        throw Violation("an ATA command to everybody");
    }
    if (!keeps_books) {
        return;
    }
    if (!tags_.insert(parsed->tag.value).second) {
        throw Violation("a tag was used twice");
    }
    watch.handle_sent(events.now(), *parsed);
}

void World::check_windows() {
    if (pumps_++ % 64 != 0) {
        return;
    }
    for (const auto& target : engine->targets()) {
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

void World::send(const initiator::Transmit& transmit) {
    Frame frame(transmit.header.begin(), transmit.header.begin() + transmit.header_bytes);
    frame.insert(frame.end(), transmit.payload.begin(), transmit.payload.end());
    check_sent(transmit, frame);
    note(frame);
    ++frames_sent;
    const std::uint32_t segment = ports_[transmit.port.value].segment;
    if (random.chance(segments[segment].faults.inject)) {
        inject(transmit.port, frame);
    }
    carry(segments[segment], std::move(frame), true,
          [this, segment](const auto& copy, unsigned copies) {
              arrive_at_hosts(segment, copy, copies);
          });
}

void World::pump() {
    if (engine == nullptr) {
        return;
    }
    bool again = true;
    while (again) {
        again = false;
        initiator::Transmit transmit;
        while (engine->poll_transmit(events.now(), transmit)) {
            send(transmit);
        }
        while (initiator::Request* request = engine->poll_completion()) {
            again = true;
            handle_completion(*request);
        }
        while (const auto event = engine->poll_event()) {
            watch.handle_event(events.now(), *event);
            if (handle_event) {
                handle_event(*event);
            }
        }
    }
    check_windows();
    watch.check_fail_after(events.now(), config.rto_max + 500ms);
    const auto due = engine->poll_timeout();
    if (due && (!timer_ || *due < *timer_)) {
        timer_ = *due;
        events.at(*due, [this, armed = *due] {
            if (timer_ == armed) {
                timer_.reset();
            }
            if (engine != nullptr && engine->poll_timeout() &&
                *engine->poll_timeout() <= events.now()) {
                engine->handle_timeout(events.now());
            }
            pump();
        });
    }
}

bool World::is_lost(Segment& segment, std::size_t frame_bytes, bool is_request) {
    const Faults& faults = segment.faults;
    if (faults.loses != Faults::Loses::all &&
        (faults.loses == Faults::Loses::requests) != is_request) {
        return false;
    }
    if (segment.burst_left > 0) {
        --segment.burst_left;
        return true;
    }
    if (random.chance(faults.burst_loss)) {
        segment.burst_left = static_cast<std::uint32_t>(random.between(1, 40));
    }
    return frame_bytes > faults.bytes_max || random.chance(faults.loss);
}

void World::carry(Segment& segment, Frame frame, bool is_request, const Deliver& deliver) {
    Faults& faults = segment.faults;
    Wire& wire = is_request ? segment.to_targets : segment.to_ports;
    const std::optional<Time> left_at = wire.take(events.now(), frame.size());
    if (!left_at) {
        return;
    }
    // What is lost from here on has had its time on the wire.
    if (is_lost(segment, frame.size(), is_request)) {
        return;
    }
    Duration delay = *left_at - events.now() + segment.latency + random.up_to(segment.jitter);
    if (faults.late_max > Duration::zero() && random.chance(faults.late)) {
        delay += random.up_to(faults.late_max);
    }
    unsigned copies = 1;
    if (random.chance(faults.duplicate)) {
        // A request that the network itself copies is executed twice in a row: a copy that came
        // later, after the answer to its original, nobody but the network could tell from a newer
        // write. Copies of answers may take their time.
        if (is_request) {
            copies = 2;
        } else {
            events.after(delay + 1ns + random.up_to(20s), [deliver, frame] { deliver(frame, 1); });
        }
    }
    events.after(delay, [deliver, copies, frame = std::move(frame)] { deliver(frame, copies); });
}

void World::arrive_at_ports(std::uint32_t segment, const Frame& frame, bool is_right_disk) {
    const auto parsed = proto::parse_frame(frame);
    for (std::uint32_t i = 0; i < ports_.size(); ++i) {
        const Port& receiver = ports_[i];
        const bool is_for_it = parsed->destination == receiver.state.mac ||
                               parsed->destination == proto::broadcast_mac;
        if (receiver.segment == segment && is_for_it && receiver.state.up &&
            frame.size() <= receiver.state.mtu_bytes + 14U) {
            if (engine != nullptr && keeps_books) {
                watch.handle_answer(events.now(), {i}, *parsed, is_right_disk);
            }
            arrive_at_engine({i}, frame);
        }
    }
}

void World::arrive_at_engine(PortIndex index, const Frame& frame) {
    if (!port(index).up || engine == nullptr) {
        return;
    }
    note(frame);
    engine->handle_frame(events.now(), index, frame);
    pump();
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

bool World::was_answered_short(proto::Address address, const initiator::Request& request) const {
    const auto [first, last] = short_reads_.equal_range(address);
    return request.operation == initiator::Operation::read &&
           std::any_of(first, last, [&](const auto& entry) {
               return initiator::overlaps({entry.second.lba}, {entry.second.sectors}, request.lba,
                                          request.sectors);
           });
}

} // namespace uaoe::sim
