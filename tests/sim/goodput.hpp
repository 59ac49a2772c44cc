// How much an engine gets through a SAN of known limits: requests of one size, of which so many
// are outstanding that only wires, targets, round trips and losses limit what is done.
#pragma once

#include "tests/sim/world.hpp"

#include <cstdint>
#include <deque>
#include <vector>

namespace uaoe::sim {

using namespace std::chrono_literals;

inline constexpr std::uint64_t gigabit = 1'000'000'000;

struct GoodputOptions {
    initiator::Operation operation = initiator::Operation::read;
    std::uint32_t paths_count = 1;   // each a port, a wire and a target process of its own
    std::uint16_t buffer_count = 64; // of each of them
    Duration round_trip = 200us;     // there and back; time on the wire and in the target is more
    std::uint64_t bits_per_second = 10 * gigabit; // of each wire and direction; 0: no limit
    std::uint32_t last_slower_by = 1;             // so many times, the wire of the last path
    std::uint64_t queue_bytes_max = Wire{}.queue_bytes_max;
    double loss = 0;   // of any frame, in each direction
    Duration jitter{}; // of any frame, in each direction
    std::uint64_t request_bytes = 65536;
    // Requests outstanding. 0: as many as all windows hold frames, so that there is work for each
    // window even when every frame under way is the last one of its request.
    std::uint32_t depth = 0;
    bool is_random = false; // else a request begins where the one before ends
    // No predecessor, so nothing of one to wait for.
    initiator::EngineConfig config{.settle = 0s};
};

// How long something is measured: till `commands_count` frames' worth of data is done, but not
// shorter than one time, nor longer than the other.
struct Span {
    Duration min{};
    Duration max{};
    std::uint64_t commands_count = 0;
};

struct Goodput {
    std::uint64_t bytes = 0; // of requests that ended well
    std::uint64_t requests = 0;
    std::uint64_t failed = 0;
    Duration duration{};
    Duration gap_max{};     // the longest time without the end of any request
    Duration latency_max{}; // of a request
    std::uint64_t sent = 0;
    std::uint64_t retransmitted = 0;
    std::uint64_t spurious = 0;

    [[nodiscard]] double bytes_per_second() const {
        return static_cast<double>(bytes) / std::chrono::duration<double>(duration).count();
    }
};

class GoodputScene {
  public:
    static constexpr std::uint32_t mtu_bytes = 9000;
    // What a frame of it carries: 17 sectors fit, 16 of them are whole pages.
    static constexpr std::uint64_t payload_bytes = 8192;
    // In the order of arrival: 8 GB/s for each path's process.
    static constexpr Duration service = 1us;

    explicit GoodputScene(const GoodputOptions& options);
    ~GoodputScene();
    GoodputScene(const GoodputScene&) = delete;
    GoodputScene& operator=(const GoodputScene&) = delete;

    // Each measurement begins where the one before ended; the load never stops.
    Goodput measure(const Span& span);
    Goodput measure(Duration length) { return measure({.min = length, .max = length}); }

    [[nodiscard]] initiator::PathStatus path(std::uint32_t port) const;
    // Nothing comes through any more, and nobody says so.
    void kill_path(std::uint32_t port);

    World world;

  private:
    // Of a target that is never the bottleneck, and of terabytes.
    class Storage final : public target::Storage {
      public:
        bool read(std::uint64_t /*offset*/, proto::Bytes /*out*/) override { return true; }
        bool write(std::uint64_t /*offset*/, proto::ConstBytes /*data*/) override { return true; }
        bool discard(std::uint64_t /*offset*/, std::uint64_t /*bytes*/) override { return true; }
        bool flush() override { return true; }
    };

    struct TimedRequest : initiator::Request {
        Time submitted_at;
    };

    void attach();
    void submit(TimedRequest& request);
    void handle_completion(initiator::Request& completed);
    [[nodiscard]] Goodput total() const;

    GoodputOptions options_;
    Storage storage_;
    target::ModelTarget model_;
    initiator::DeviceIndex device_;
    std::vector<std::byte> buffer_; // of all requests: nobody looks at what is read
    std::deque<TimedRequest> requests_;
    std::uint64_t lba_next_ = 0;
    Goodput done_;
    Time ended_at_; // the last request
};

// What wires, windows and targets allow without any loss, in payload bytes per second. All paths
// are alike.
[[nodiscard]] double goodput_limit(const GoodputOptions& options);

} // namespace uaoe::sim
