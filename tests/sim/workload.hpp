// Random requests on one device, checked against the oracle: overlapping on purpose, of every
// operation and size.
#pragma once

#include "tests/sim/oracle.hpp"
#include "tests/sim/world.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace uaoe::sim {

struct WorkloadOptions {
    std::uint32_t depth = 8;
    std::uint64_t requests_count = 200;
    std::uint64_t sectors_max = 64; // of one request
    std::uint64_t hot_sectors = 0;  // requests stay in the first so many; 0: anywhere
    bool may_fail = false;          // timed_out is a legal end
    Duration think{};               // between a completion and the next request
    // Why a request may not have ended as it did; empty: it may. Instead of may_fail.
    std::function<std::string(const initiator::Request&, Time submitted_at)> judge{};
};

class Workload {
  public:
    Workload(World& world, initiator::DeviceIndex device, const WorkloadOptions& options);

    void start();
    // No request is handed to the engine any more: they wait, as in the kernel's queue.
    void hold() { holds_ = true; }
    // Requests that are with the engine.
    [[nodiscard]] bool is_in_flight() const;
    // Those that waited are handed over.
    void resume();
    // After the engine's process has died, to its successor: what had no answer again, in any
    // order, and what waited.
    void reissue(initiator::DeviceIndex device);
    // From the world's handle_completion.
    [[nodiscard]] bool owns(const initiator::Request& request) const;
    void handle_completion(initiator::Request& request);

    [[nodiscard]] bool is_done() const { return completed_ == options_.requests_count; }
    [[nodiscard]] std::uint64_t completed() const { return completed_; }
    [[nodiscard]] std::uint64_t failed() const { return failed_; }
    // The disk lost what was not flushed.
    void handle_power_cut() { oracle_.cut_power(); }
    // Reads everything back, then looks at the disk itself, at last without power. The world must
    // be at peace.
    void verify(Disk& disk);

  private:
    struct Slot {
        initiator::Request request;
        std::vector<std::byte> buffer;
        std::uint64_t number = 0; // the oracle's
        Time submitted_at;
        bool lent = false;   // by its owner, to the kernel
        bool issued = false; // ... and handed to the engine
    };
    void judge(const Slot& slot) const;
    void submit(Slot& slot);
    void issue(Slot& slot);
    void draw(Slot& slot);

    World& world_;
    initiator::DeviceIndex device_;
    initiator::DeviceInfo info_;
    WorkloadOptions options_;
    Oracle oracle_;
    std::vector<std::unique_ptr<Slot>> slots_;
    std::uint64_t submitted_ = 0;
    std::uint64_t completed_ = 0;
    std::uint64_t failed_ = 0;
    bool verifying_ = false;
    bool holds_ = false;
};

} // namespace uaoe::sim
