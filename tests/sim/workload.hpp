// Random requests on one device, checked against the oracle: overlapping on purpose, of every
// operation and size.
#pragma once

#include "tests/sim/oracle.hpp"
#include "tests/sim/world.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace uaoe::sim {

struct WorkloadOptions {
    std::uint32_t depth = 8;
    std::uint64_t requests_count = 200;
    std::uint64_t sectors_max = 64; // of one request
    std::uint64_t hot_sectors = 0;  // requests stay in the first so many; 0: anywhere
    bool may_fail = false;          // timed_out is a legal end
    Duration think{};               // between a completion and the next request
};

class Workload {
  public:
    Workload(World& world, initiator::DeviceIndex device, const WorkloadOptions& options);

    void start();
    // From the world's handle_completion.
    void handle_completion(initiator::Request& request);

    [[nodiscard]] bool is_done() const { return completed_ == options_.requests_count; }
    [[nodiscard]] std::uint64_t completed() const { return completed_; }
    [[nodiscard]] std::uint64_t failed() const { return failed_; }
    // Reads everything back, then looks at the disk itself. The world must be at peace.
    void verify(const Disk& disk);

  private:
    struct Slot {
        initiator::Request request;
        std::vector<std::byte> buffer;
        std::uint64_t number = 0; // the oracle's
        bool lent = false;
    };
    void submit(Slot& slot);
    void draw(Slot& slot);

    World& world_;
    initiator::DeviceIndex device_;
    WorkloadOptions options_;
    Oracle oracle_;
    std::vector<std::unique_ptr<Slot>> slots_;
    std::uint64_t submitted_ = 0;
    std::uint64_t completed_ = 0;
    std::uint64_t failed_ = 0;
    bool verifying_ = false;
};

} // namespace uaoe::sim
