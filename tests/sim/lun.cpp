// What happens to a LUN, and what its requests may come to.
#include "tests/sim/lun.hpp"

#include "tests/sim/draw.hpp"

#include <algorithm>

namespace uaoe::sim {

using namespace std::chrono_literals;
using initiator::Operation;
using initiator::Request;
using initiator::Status;

Lun::Lun(const target::LunConfig& config, World& its_world)
    : world(its_world), disk(config.identify.sectors.value),
      other_disk(config.identify.sectors.value),
      model(std::make_unique<target::ModelTarget>(config, disk)) {
    target::LunConfig other = config;
    other.identify.serial.characters[0] = 'X';
    other_model = std::make_unique<target::ModelTarget>(other, other_disk);
}

bool Lun::is_broken(const Request& request) const {
    if (request.operation == Operation::flush) {
        return false;
    }
    const auto& bad = request.operation == Operation::read ? bad_for_reads_ : bad_for_writes_;
    const auto found = bad.lower_bound(request.lba.value);
    return found != bad.end() && *found < request.lba.value + request.sectors.value;
}

std::string Lun::judge(const Request& request, Time submitted_at) const {
    const auto& quirks = model->config().quirks;
    const bool wants_flush = request.operation == Operation::flush || request.fua;
    const bool cannot_flush = quirks.flush_aborts || quirks.flush_echoes_command;
    switch (request.status) {
    case Status::ok:
        return wants_flush && cannot_flush ? "the target cannot flush" : "";
    case Status::timed_out:
        return world.watch.judge_timeout(world.events.now(), address(), request, submitted_at);
    case Status::unsupported:
        return wants_flush && cannot_flush ? "" : "the target can do that";
    case Status::reserved:
    case Status::unavailable:
        return refuses_ || refused_at_ >= submitted_at ? "" : "the target refused nothing";
    case Status::io_error:
        return is_broken(request) || world.was_answered_short(address(), request)
                   ? ""
                   : "the disk is good there";
    case Status::out_of_range:
    case Status::read_only:
    case Status::invalid:
    case Status::cancelled:
        break;
    }
    return "that never happens here";
}

void Lun::break_sector(std::uint64_t lba, bool for_writes) {
    if (for_writes) {
        disk.break_for_writes(lba);
        bad_for_writes_.insert(lba);
    } else {
        disk.break_for_reads(lba);
        bad_for_reads_.insert(lba);
    }
}

void Lun::refuse(bool reserved, bool unavailable) {
    model->quirks().reserved_identify = reserved;
    model->quirks().unavailable = unavailable;
    refused_at_ = world.events.now();
    refuses_ = reserved || unavailable;
}

void Lun::cut_power() {
    for (TargetHost* host : hosts) {
        world.stop_host(*host);
        // It has forgotten what it had, so a frame of before must not find it back: no fence of the
        // engine stands against that.
        host->power_back_at = world.events.now() + linger;
    }
    disk.cut_power(world.random);
    if (workload) {
        workload->handle_power_cut();
    }
}

void Lun::restore_power() {
    for (TargetHost* host : hosts) {
        if (!host->up) {
            world.start_host(*host);
        }
    }
}

bool Lun::has_path_up() const {
    const auto target = world.engine != nullptr ? world.engine->target(address()) : std::nullopt;
    return target && std::ranges::any_of(target->paths, [](const auto& path) {
               return path.state == initiator::PathState::up;
           });
}

// Nobody can know of a disk that is exchanged between two frames, so this is done when the engine
// trusts no path, and what it sent before has died.
void Lun::exchange_disk() {
    const auto is_gone = [this] {
        return !has_path_up() &&
               std::ranges::none_of(hosts, [](const auto* host) { return host->up; });
    };
    if (!is_gone()) {
        return;
    }
    world.events.after(linger, [this, is_gone] {
        if (!is_gone()) {
            return;
        }
        for (TargetHost* host : hosts) {
            host->lun = other_model.get();
            host->is_other_disk = true;
            world.start_host(*host);
        }
    });
}

void Lun::end_faults() {
    refuse(false, false);
    model->quirks().mute_identify = false;
    for (TargetHost* host : hosts) {
        host->is_mute = false;
        world.resume_host(*host);
        if (host->is_other_disk) {
            world.stop_host(*host);
            host->lun = model.get();
            host->is_other_disk = false;
        }
        if (!host->up) {
            world.start_host(*host);
        }
    }
    disk.heal();
}

} // namespace uaoe::sim
