// Commands: one AoE command of a request each, or one of the engine's own (FLUSH, IDENTIFY,
// probes). They live in a fixed pool whose slot numbers are part of their tags.
//
// A slot is free, queued (to be sent, for the first time or again), in flight, or lingering:
// finished, but a copy of it may still reach the disk.
#pragma once

#include "initiator/fence.hpp"
#include "initiator/request.hpp"
#include "initiator/tag.hpp"

#include <boost/intrusive/list.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace uaoe::initiator {

struct Path;
struct Target;
struct DeviceEntry;

// One copy of a command on the wire.
struct Transmission {
    Path* path = nullptr;
    Time sent_at;
    std::uint32_t sectors =
        0; // of this copy; a later one may have been cut shorter for another path
    std::uint16_t generation = 0;
    bool answered = false;
    bool given_up = false;          // as lost; not when only a tail probe followed it
    std::uint32_t window_event = 0; // then: the decrease of the window it had a part in
    std::uint32_t ahead_count = 0;  // frames in flight on its path before it
    std::uint64_t order = 0;        // of sending on its path
};

enum class CommandKind : std::uint8_t {
    data,
    flush,
    identify,
    payload, // a READ that only proves what a path carries
};
enum class CommandPhase : std::uint8_t { free, queued, in_flight, lingering };

struct Command {
    // The newest copies. Of a command that was sent more often the oldest are forgotten: an answer
    // to one of those still ends the command, but tells no round-trip time and lifts no fence;
    // `forgotten_sent_at` keeps that up.
    static constexpr std::size_t transmissions_max = 8;

    boost::intrusive::list_member_hook<> queue_hook; // the one list it is in, by phase

    std::uint32_t slot = 0;
    std::uint16_t generation =
        0; // of the next transmission; survives from one use of the slot to the next
    std::uint16_t generation_first = 0; // of this use of the slot
    CommandKind kind = CommandKind::data;
    CommandPhase phase = CommandPhase::free;
    std::uint8_t attempts_count = 0;  // times it timed out: the back-off
    std::uint8_t overtaken_count = 0; // times it was given up because it was overtaken
    std::uint8_t refused_count = 0;   // times a target said that it is too large
    bool is_tail_probe = false;       // queued: to be sent on the path of its latest copy
    std::uint8_t backoff_level = 0;   // in flight: which of its path's queues it is in
    std::uint8_t transmissions_count = 0;
    Target* target = nullptr;
    DeviceEntry* device = nullptr; // data and flush
    Request* request = nullptr;    // data
    Operation operation = Operation::read;
    Lba lba;
    std::uint32_t sectors = 0;
    std::uint32_t sectors_max = 0; // of its longest copy
    std::uint64_t buffer_offset_bytes = 0;
    std::span<std::byte> scratch; // discard: its block of ranges
    Time first_sent_at;
    // What most commands need is above, and the first of these: slots take turns, so each is cold.
    std::array<Transmission, transmissions_max> transmissions; // oldest first
    std::optional<Time> forgotten_sent_at; // of the newest forgotten copy that had no answer
    Path* forgotten_path = nullptr;        // of all of those; nullptr: of several paths
    Fence fence;                           // lingering

    // Whether it takes room in a path's window, and waits in a device's queues.
    [[nodiscard]] bool is_windowed() const {
        return kind == CommandKind::data || kind == CommandKind::flush;
    }
    [[nodiscard]] Transmission& latest() { return transmissions[transmissions_count - 1U]; }

    Transmission* find(std::uint32_t wanted_generation) {
        for (std::size_t i = transmissions_count; i-- > 0;) {
            if (transmissions[i].generation == wanted_generation) {
                return &transmissions[i];
            }
        }
        return nullptr;
    }

    // Whether that is the generation of a forgotten copy.
    [[nodiscard]] bool has_forgotten(std::uint32_t wanted_generation) const {
        const auto age = [&](std::uint32_t of) {
            return (of - generation_first) & tag_generation_mask;
        };
        return transmissions_count == transmissions_max &&
               age(wanted_generation) < age(transmissions.front().generation);
    }

    Transmission& add_transmission(Path& path, Time now);
};

using CommandQueue = boost::intrusive::list<
    Command, boost::intrusive::member_hook<Command, boost::intrusive::list_member_hook<>,
                                           &Command::queue_hook>>;

// Slots are handed out in the order they came back, so that a tag is used again late: with the
// 16,384 generations of each not before 16 million frames (a minute, at 280,000 a second). The
// first slots go before all others, which are for when many are under way at once: going through
// all of them would leave nothing in the processor's cache.
class CommandPool {
  public:
    // `count`: 1..tag_slots_max.
    CommandPool(std::uint32_t count, std::uint32_t generation_first);
    ~CommandPool();
    CommandPool(const CommandPool&) = delete;
    CommandPool& operator=(const CommandPool&) = delete;

    // A command in phase queued and in no list; nullptr when no slot is free.
    Command* allocate();
    [[nodiscard]] std::size_t free_count() const { return free_.size() + reserve_.size(); }
    void release(Command& command); // in no list, not a fence
    Command* at(std::uint32_t slot) { return slot < slots_.size() ? &slots_[slot] : nullptr; }
    std::span<Command> slots() { return slots_; }

  private:
    void give_back(Command& command);

    std::vector<Command> slots_;
    static constexpr std::uint32_t first_slots = 1024;
    CommandQueue free_;    // of the first
    CommandQueue reserve_; // of the others
};

} // namespace uaoe::initiator
