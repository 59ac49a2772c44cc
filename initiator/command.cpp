// The command pool.
#include "initiator/command.hpp"

#include "proto/assert.hpp"

#include <algorithm>

namespace uaoe::initiator {

Transmission& Command::add_transmission(Path& path, Time now) {
    if (transmissions_count == transmissions_max) {
        if (!transmissions.front().answered) {
            const Transmission& oldest = transmissions.front();
            const bool is_first = !forgotten_sent_at;
            forgotten_path = is_first || forgotten_path == oldest.path ? oldest.path : nullptr;
            forgotten_sent_at = oldest.sent_at;
        }
        std::shift_left(transmissions.begin(), transmissions.end(), 1);
        --transmissions_count;
    }
    Transmission& transmission = transmissions[transmissions_count++];
    transmission = {.path = &path, .sent_at = now, .sectors = sectors, .generation = generation};
    sectors_max = std::max(sectors_max, sectors);
    generation = static_cast<std::uint16_t>((generation + 1U) & tag_generation_mask);
    return transmission;
}

CommandPool::CommandPool(std::uint32_t count, std::uint32_t generation_first) : slots_(count) {
    UAOE_ASSERT(count >= 1 && count <= tag_slots_max);
    for (std::uint32_t slot = 0; slot < count; ++slot) {
        slots_[slot].slot = slot;
        slots_[slot].generation =
            static_cast<std::uint16_t>(generation_first & tag_generation_mask);
        give_back(slots_[slot]);
    }
}

CommandPool::~CommandPool() {
    free_.clear();
    reserve_.clear();
}

void CommandPool::give_back(Command& command) {
    (command.slot < first_slots ? free_ : reserve_).push_back(command);
}

Command* CommandPool::allocate() {
    CommandQueue& queue = free_.empty() ? reserve_ : free_;
    if (queue.empty()) {
        return nullptr;
    }
    Command& command = queue.front();
    queue.pop_front();
    UAOE_ASSERT(command.phase == CommandPhase::free);
    command.phase = CommandPhase::queued;
    command.generation_first = command.generation;
    return &command;
}

void CommandPool::release(Command& command) {
    UAOE_ASSERT(!command.queue_hook.is_linked());
    UAOE_ASSERT(command.phase != CommandPhase::lingering || !command.fence.is_up());
    UAOE_ASSERT(command.phase != CommandPhase::free && command.scratch.empty());
    command.phase = CommandPhase::free;
    command.kind = CommandKind::data;
    command.attempts_count = 0;
    command.overtaken_count = 0;
    command.refused_count = 0;
    command.is_tail_probe = false;
    command.transmissions_count = 0;
    command.first_sent_at = {};
    command.forgotten_sent_at.reset();
    command.forgotten_path = nullptr;
    command.sectors_max = 0;
    command.operation = Operation::read;
    command.target = nullptr;
    command.device = nullptr;
    command.request = nullptr;
    give_back(command);
}

} // namespace uaoe::initiator
