// The world of one seed: an engine with its ports, network segments, and target hosts on them.
// Frames travel in virtual time and meet the segment's faults on their way.
#pragma once

#include "initiator/engine.hpp"
#include "tests/sim/event_queue.hpp"
#include "tests/sim/network.hpp"
#include "tests/sim/oracle.hpp"
#include "tests/sim/pcap.hpp"
#include "tests/sim/random.hpp"
#include "tests/sim/watch.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

namespace uaoe::sim {

class World {
  public:
    World(std::uint64_t seed, const initiator::EngineConfig& config,
          Time start = Time{std::chrono::seconds{1}});

    // ---- making it ----
    // A port on a segment of its own, or beside another on that one's.
    void add_port(std::uint32_t mtu_bytes, const Segment& segment);
    void add_port_on(std::uint32_t mtu_bytes, PortIndex segment);
    TargetHost& add_host(const TargetHost& host);
    void record(const std::string& pcap_path);

    // ---- making things happen ----
    void set_port_up(PortIndex port, bool up);
    void set_port_mtu(PortIndex port, std::uint32_t mtu_bytes);
    void stop_host(TargetHost& host);   // held commands are lost
    void start_host(TargetHost& host);  // advertises itself; once its power is back
    void pause_host(TargetHost& host);  // SIGSTOP, swapped out: its queue waits, and still fills
    void resume_host(TargetHost& host); // and works off its queue, in order, before anything newer
    // Another initiator's reads take room in the host's queue.
    void compete(TargetHost& host, unsigned frames_count);
    // kill -9: nothing is completed, and what it sent lives on.
    void kill_engine();
    // Another in its place, which knows nothing but the ports.
    void start_engine(const initiator::EngineConfig& its_config);
    // Hands the engine's outputs on; after anything was done to the engine directly.
    void pump();
    void run_until(Time end);
    // Until `done` or `limit` has passed; false then.
    bool run_while_not(const std::function<bool()>& done, Duration limit);

    [[nodiscard]] const initiator::PortState& port(PortIndex index) const {
        return ports_[index.value].state;
    }
    [[nodiscard]] PortIndex segment_of(PortIndex index) const {
        return {ports_[index.value].segment};
    }
    // A read was answered with too little data, so it may fail.
    [[nodiscard]] bool was_answered_short(proto::Address address,
                                          const initiator::Request& request) const;

    std::function<void(initiator::Request&)> handle_completion;
    std::function<void(const initiator::Event&)> handle_event;

    EventQueue events;
    Random random;
    initiator::EngineConfig config;
    std::unique_ptr<initiator::Engine> engine; // nullptr: its process was killed
    Watch watch;
    std::vector<Segment> segments;
    std::vector<std::unique_ptr<TargetHost>> hosts;
    // Off: no command is followed by its frames (`watch`, tags used twice): for measurements, which
    // last long.
    bool keeps_books = true;
    // A hash of every frame and when it arrived: equal runs have equal ones.
    std::uint64_t trace = 0xcbf29ce484222325;
    std::uint64_t frames_sent = 0;

  private:
    struct Port {
        initiator::PortState state;
        std::uint32_t segment = 0;
    };
    using Frame = std::vector<std::byte>;

    void check_sent(const initiator::Transmit& transmit, proto::ConstBytes frame);
    void check_windows();
    void note(proto::ConstBytes frame);
    void add_port_to(std::uint32_t mtu_bytes, std::uint32_t segment);
    void send(const initiator::Transmit& transmit);
    using Deliver = std::function<void(const Frame& frame, unsigned copies)>;
    bool is_lost(Segment& segment, std::size_t frame_bytes, bool is_request);
    // When and how often a frame arrives.
    void carry(Segment& segment, Frame frame, bool is_request, const Deliver& deliver);
    void arrive_at_ports(std::uint32_t segment, const Frame& frame, bool is_right_disk);
    void arrive_at_engine(PortIndex port, const Frame& frame);

    // ---- hosts.cpp ----
    void arrive_at_hosts(std::uint32_t segment, const Frame& frame, unsigned copies);
    void check_host_window(const TargetHost& host, std::uint32_t tag) const;
    void serve(TargetHost& host, const Frame& frame, unsigned copies);
    void start_next(TargetHost& host);
    void handle_service_end(TargetHost& host, std::uint64_t sequence);
    void execute(TargetHost& host, const TargetHost::Waiting& waiting);
    Duration draw_service(const TargetHost& host, const Frame& frame);
    void answer(TargetHost& host, Frame frame);

    // ---- inject.cpp ----
    void forge(std::uint32_t segment, Frame frame);
    void inject(PortIndex port, const Frame& request);
    void inject_for_other_initiator(PortIndex port, const proto::Frame& request);
    void inject_for_kernel(PortIndex port, const proto::Frame& request);
    void inject_error(PortIndex port, const proto::Frame& request);
    void inject_short(PortIndex port, const proto::Frame& request);

    std::vector<Port> ports_;
    std::set<std::uint32_t> tags_;
    std::optional<Time> timer_;
    std::unique_ptr<PcapWriter> pcap_;
    std::uint64_t pumps_ = 0;
    std::uint64_t arrivals_ = 0;
    std::multimap<proto::Address, Question> short_reads_;
};

} // namespace uaoe::sim
