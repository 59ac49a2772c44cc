// What the lossy bridge does to a frame, drawn from the seed, the direction and the frame's number
// and from nothing else: equal seeds and equal traffic draw equally, and a fault that is changed on
// the way moves no other. Knows no sockets and no clock.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace uaoe::bridge {

enum class Direction : std::uint8_t { a_to_b, b_to_a };

struct Faults {
    std::uint64_t seed = 1;
    double loss_percent = 0;
    double duplicate_percent = 0; // both copies at once, as a switch does it
    double late_percent = 0;      // held for up to late_ms_max more
    std::uint32_t late_ms_max = 100;
    double reorder_percent = 0;         // held for reorder_wait more: the next frames overtake it
    std::uint32_t delay_us = 0;         // of every frame
    std::uint32_t bytes_max_a_to_b = 0; // longer frames vanish, Ethernet header counted; 0: none
    std::uint32_t bytes_max_b_to_a = 0;
    bool is_cut = false; // every frame vanishes; both links stay up
};

constexpr std::chrono::microseconds reorder_wait{300};

// The names are those of the options without dashes: "loss", "late-max", "bytes-max-a-to-b" ...
// Returns what is wrong, for people; empty when the fault is set.
std::string set_fault(Faults& faults, std::string_view name, std::string_view value);

enum class Verdict : std::uint8_t { forward, cut, too_long, lost };

struct Fate {
    Verdict verdict = Verdict::forward;
    std::uint8_t copies_count = 1; // they travel together
    bool is_late = false;
    bool is_reordered = false;
    std::chrono::microseconds wait{0};
};

// `frame_index` counts every frame of its direction from 0.
Fate draw_fate(const Faults& faults, Direction direction, std::uint64_t frame_index,
               std::size_t frame_bytes);

} // namespace uaoe::bridge
