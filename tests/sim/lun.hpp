// One LUN of a simulated world: its disk, the hosts in front of it, what is done to it, and what
// its requests may therefore come to.
#pragma once

#include "tests/sim/disk.hpp"
#include "tests/sim/workload.hpp"
#include "tests/sim/world.hpp"

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace uaoe::sim {

struct Lun {
    Lun(const target::LunConfig& config, World& its_world);

    [[nodiscard]] proto::Address address() const { return model->config().address; }
    // Why a request may not have ended so; empty: it may.
    [[nodiscard]] std::string judge(const initiator::Request& request, Time submitted_at) const;

    void break_sector(std::uint64_t lba, bool for_writes);
    // All ATA commands are refused with an AoE error until set back.
    void refuse(bool reserved, bool unavailable);
    // Everything it holds in memory is lost.
    void cut_power();
    void restore_power();
    // Another disk answers at the hosts' MACs, once the engine has noticed that they are silent.
    void exchange_disk();
    void end_faults();

    World& world;
    Disk disk;
    Disk other_disk; // behind the same address: must never be written
    std::unique_ptr<target::ModelTarget> model;
    std::unique_ptr<target::ModelTarget> other_model;
    std::vector<TargetHost*> hosts;
    std::vector<TargetHost*> other_hosts; // MACs of their own in front of other_disk
    std::unique_ptr<Workload> workload;
    initiator::DeviceIndex device;
    initiator::KnownDisk known; // in the state file of the daemon
    Duration fail_after{};

  private:
    [[nodiscard]] bool has_path_up() const;
    [[nodiscard]] bool is_broken(const initiator::Request& request) const;

    Time refused_at_;
    bool refuses_ = false;
    std::set<std::uint64_t> bad_for_reads_;
    std::set<std::uint64_t> bad_for_writes_;
};

} // namespace uaoe::sim
