// The world of one seed: an engine with its ports, a network segment behind each port, and target
// hosts on them. Frames travel in virtual time and meet the segment's faults on their way.
#pragma once

#include "initiator/engine.hpp"
#include "tests/sim/event_queue.hpp"
#include "tests/sim/oracle.hpp"
#include "tests/sim/pcap.hpp"
#include "tests/sim/random.hpp"
#include "tests/target/model_target.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <vector>

namespace uaoe::sim {

using initiator::PortIndex;

// What happens to frames on one segment, in each direction alike.
struct Faults {
    double loss = 0;
    double burst_loss = 0; // chance that a burst begins, in which the next frames are lost
    double duplicate = 0;  // a request is executed twice; an answer comes again, up to 20 s later
    double late = 0;       // held up for up to late_max: what a retransmission overtakes
    double forge = 0;      // an answer is followed by forged ones
    Duration late_max{};
    std::uint32_t bytes_max =
        65536; // longer frames are dropped silently, as a switch without jumbos does
};

struct Segment {
    Duration latency = std::chrono::microseconds{50};
    Duration jitter{}; // more than 0 reorders
    Faults faults;
    std::uint32_t burst_left = 0;
};

// A disk in memory that counts.
class Disk final : public target::Storage {
  public:
    explicit Disk(std::uint64_t sectors) : bytes_(sectors * 512) {}
    bool read(std::uint64_t offset, proto::Bytes out) override;
    bool write(std::uint64_t offset, proto::ConstBytes data) override;
    bool discard(std::uint64_t offset, std::uint64_t bytes) override;
    bool flush() override;
    [[nodiscard]] proto::ConstBytes bytes() const { return bytes_; }
    [[nodiscard]] std::uint64_t changes() const { return changes_; }

  private:
    std::vector<std::byte> bytes_;
    std::uint64_t changes_ = 0;
};

// A target port: one MAC on one segment, in front of a LUN. Holds at most buffer_count commands,
// drops more silently.
struct TargetHost {
    PortIndex segment;
    proto::MacAddress mac;
    std::uint32_t mtu_bytes = 1500;
    target::ModelTarget* lun = nullptr;
    std::uint32_t buffer_count = 16;
    Duration service_min = std::chrono::microseconds{5};
    Duration service_max = std::chrono::microseconds{20};
    bool in_order = true; // else each command takes its own time, as disks do
    bool up = true;
    std::uint32_t life = 0; // counted up by a restart: what it held is forgotten
    std::uint32_t held = 0;
    Time busy_until{};
};

class World {
  public:
    World(std::uint64_t seed, const initiator::EngineConfig& config);

    // ---- making it ----
    void add_port(std::uint32_t mtu_bytes, const Segment& segment);
    TargetHost& add_host(const TargetHost& host);
    void record(const std::string& pcap_path);

    // ---- making things happen ----
    void set_port_up(PortIndex port, bool up);
    void stop_host(TargetHost& host);  // held commands are lost
    void start_host(TargetHost& host); // advertises itself
    // Hands the engine's outputs on; after anything was done to the engine directly.
    void pump();
    void run_until(Time end);
    // Until `done` or `limit` has passed; false then.
    bool run_while_not(const std::function<bool()>& done, Duration limit);

    std::function<void(initiator::Request&)> handle_completion;
    std::function<void(const initiator::Event&)> handle_event;

    EventQueue events;
    Random random;
    initiator::Engine engine;
    std::vector<Segment> segments;
    std::vector<std::unique_ptr<TargetHost>> hosts;
    // A hash of every frame and when it arrived: equal runs have equal ones.
    std::uint64_t trace = 0xcbf29ce484222325;
    std::uint64_t frames_sent = 0;

  private:
    void check_sent(const initiator::Transmit& transmit, proto::ConstBytes frame);
    void check_windows();
    void note(proto::ConstBytes frame);
    using Deliver = std::function<void(const std::vector<std::byte>& frame, unsigned copies)>;
    // When and how often a frame arrives.
    void carry(Segment& segment, std::vector<std::byte> frame, bool is_request,
               const Deliver& deliver);
    void arrive_at_hosts(PortIndex segment, const std::vector<std::byte>& frame, unsigned copies);
    void serve(TargetHost& host, const std::vector<std::byte>& frame, unsigned copies);
    void answer(TargetHost& host, std::vector<std::byte> frame);
    void arrive_at_engine(PortIndex port, const std::vector<std::byte>& frame);
    void forge(PortIndex port, std::vector<std::byte> frame);

    std::vector<initiator::PortState> ports_;
    std::set<std::uint32_t> tags_;
    std::optional<Time> timer_;
    std::unique_ptr<PcapWriter> pcap_;
    std::uint64_t pumps_ = 0;
};

} // namespace uaoe::sim
