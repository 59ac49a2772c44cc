// The workload.
#include "tests/sim/workload.hpp"

#include <algorithm>

namespace uaoe::sim {

using namespace std::chrono_literals;
using initiator::Operation;
using initiator::Request;
using initiator::Status;

Workload::Workload(World& world, initiator::DeviceIndex device, const WorkloadOptions& options)
    : world_(world), device_(device), info_(world.engine->device_info(device)), options_(options),
      oracle_(info_.sectors.value) {
    for (std::uint32_t i = 0; i < options.depth; ++i) {
        slots_.push_back(std::make_unique<Slot>());
    }
}

void Workload::start() {
    for (const auto& slot : slots_) {
        if (submitted_ < options_.requests_count) {
            submit(*slot);
        }
    }
    world_.pump();
}

void Workload::draw(Slot& slot) {
    Random& random = world_.random;
    const initiator::DeviceInfo& info = info_;
    Request& request = slot.request;
    request.fua = false;
    const std::uint64_t kind = random.between(0, 99);
    if (kind < 3 && info.can_flush) {
        request.operation = Operation::flush;
        request.sectors = {0};
        return;
    }
    request.operation = kind < 45                        ? Operation::read
                        : kind < 90                      ? Operation::write
                        : kind < 95 || !info.can_discard ? Operation::write_zeroes
                                                         : Operation::discard;
    const std::uint64_t room = options_.hot_sectors > 0 ? options_.hot_sectors : info.sectors.value;
    const std::uint64_t count =
        random.between(1, std::min(room, random.chance(0.5) ? 8 : options_.sectors_max));
    request.sectors = {count};
    request.lba = {random.between(0, room - count)};
    request.fua = info.can_flush && request.operation != Operation::read && random.chance(0.03);
}

void Workload::submit(Slot& slot) {
    draw(slot);
    Request& request = slot.request;
    const std::uint64_t lba = request.lba.value;
    const std::uint64_t count = request.sectors.value;
    const bool has_buffer =
        request.operation == Operation::read || request.operation == Operation::write;
    slot.buffer.assign(has_buffer ? count * Oracle::sector_bytes : 0, std::byte{0xee});
    request.buffer = slot.buffer;
    if (request.operation == Operation::read) {
        slot.number = oracle_.begin_read(lba, count);
    } else if (request.operation == Operation::flush) {
        slot.number = oracle_.begin_flush();
    } else {
        slot.number = oracle_.begin_write(lba, count, request.operation != Operation::write);
        oracle_.fill(slot.number, lba, slot.buffer);
    }
    slot.lent = true;
    ++submitted_;
    if (!holds_) {
        issue(slot);
    }
}

void Workload::issue(Slot& slot) {
    slot.issued = true;
    slot.submitted_at = world_.events.now();
    world_.watch.handle_submit(world_.events.now(), info_.address, slot.request);
    world_.engine->submit(world_.events.now(), device_, slot.request);
}

bool Workload::is_in_flight() const {
    return std::ranges::any_of(slots_, [](const auto& slot) { return slot->issued; });
}

void Workload::resume() {
    holds_ = false;
    std::vector<Slot*> waiting;
    for (const auto& slot : slots_) {
        if (slot->lent && !slot->issued) {
            waiting.push_back(slot.get());
        }
    }
    while (!waiting.empty()) {
        const auto next = waiting.begin() +
                          static_cast<std::ptrdiff_t>(world_.random.between(0, waiting.size() - 1));
        issue(**next);
        waiting.erase(next);
    }
}

void Workload::reissue(initiator::DeviceIndex device) {
    device_ = device;
    for (const auto& slot : slots_) {
        slot->issued = false;
    }
    resume();
}

bool Workload::owns(const Request& request) const {
    return std::ranges::any_of(slots_,
                               [&](const auto& slot) { return &slot->request == &request; });
}

void Workload::judge(const Slot& slot) const {
    const Request& request = slot.request;
    std::string complaint;
    if (options_.judge) {
        complaint = options_.judge(request, slot.submitted_at);
    } else if (request.status != Status::ok &&
               !(options_.may_fail && request.status == Status::timed_out)) {
        complaint = "it should not have failed";
    }
    if (!complaint.empty()) {
        throw Violation("a request (operation " +
                        std::to_string(static_cast<int>(request.operation)) + ", sectors " +
                        std::to_string(request.lba.value) + "+" +
                        std::to_string(request.sectors.value) + ") of " +
                        proto::to_string(info_.address) + " ended with status " +
                        std::to_string(static_cast<int>(request.status)) + ": " + complaint);
    }
}

void Workload::handle_completion(Request& request) {
    const auto found =
        std::ranges::find_if(slots_, [&](const auto& slot) { return &slot->request == &request; });
    if (found == slots_.end() || !(*found)->lent) {
        throw Violation("a request completed twice");
    }
    Slot& slot = **found;
    slot.lent = false;
    slot.issued = false;
    const bool ok = request.status == Status::ok;
    judge(slot);
    world_.watch.handle_complete(info_.address, request);
    failed_ += ok ? 0 : 1;
    if (request.operation == Operation::read) {
        oracle_.end_read(slot.number, ok, slot.buffer);
    } else if (request.operation == Operation::flush) {
        oracle_.end_flush(slot.number, ok);
    } else {
        oracle_.end_write(slot.number, ok, request.fua);
    }
    ++completed_;
    if (verifying_ || submitted_ >= options_.requests_count) {
        return;
    }
    // A failed request is followed after a pause, as by a file system that retries, or a dead
    // target would use up the workload in no time.
    const Duration pause = request.status == Status::timed_out ? Duration{500ms} : options_.think;
    if (pause == Duration::zero()) {
        submit(slot);
        return;
    }
    world_.events.after(pause, [this, &slot] {
        if (submitted_ >= options_.requests_count) {
            return;
        }
        submit(slot);
        world_.pump();
    });
}

void Workload::verify(Disk& disk) {
    verifying_ = true;
    const std::uint64_t sectors = info_.sectors.value;
    Slot& slot = *slots_.front();
    for (std::uint64_t lba = 0; lba < sectors;) {
        const std::uint64_t count = std::min<std::uint64_t>(sectors - lba, 256);
        slot.buffer.assign(count * Oracle::sector_bytes, std::byte{0xee});
        slot.request.operation = Operation::read;
        slot.request.fua = false;
        slot.request.lba = {lba};
        slot.request.sectors = {count};
        slot.request.buffer = slot.buffer;
        slot.number = oracle_.begin_read(lba, count);
        slot.lent = true;
        issue(slot);
        world_.pump();
        if (!world_.run_while_not([&] { return !slot.lent; }, 60s)) {
            throw Violation("a read in peace does not end");
        }
        lba += count;
    }
    oracle_.check_disk(disk.bytes());
    disk.cut_power(world_.random);
    oracle_.cut_power();
    oracle_.check_disk(disk.bytes());
}

} // namespace uaoe::sim
