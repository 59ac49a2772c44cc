// Draws and names of the lossy bridge's faults.
#include "tests/interop/bridge_faults.hpp"

#include <array>
#include <charconv>
#include <system_error>

namespace uaoe::bridge {

namespace {

constexpr std::uint64_t golden_gamma = 0x9e37'79b9'7f4a'7c15;

// splitmix64 (Steele, Lea, Flood 2014)
constexpr std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30U)) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ (z >> 27U)) * 0x94d0'49bb'1331'11eb;
    return z ^ (z >> 31U);
}

// The draws of one frame. Each frame's stream begins at a mixed state: begun at neighbouring ones,
// the first draw of a frame would be the second draw of the frame before.
class Draws {
  public:
    Draws(std::uint64_t seed, Direction direction, std::uint64_t frame_index)
        : state_(mix(mix(seed + golden_gamma * (1 + static_cast<std::uint64_t>(direction))) +
                     golden_gamma * frame_index)) {}

    std::uint64_t next() {
        state_ += golden_gamma;
        return mix(state_);
    }
    bool falls(double percent) {
        return static_cast<double>(next() >> 11U) * 0x1p-53 * 100.0 < percent; // 53 bits
    }

  private:
    std::uint64_t state_;
};

struct Percent {
    std::string_view name;
    double Faults::* value;
};
constexpr std::array<Percent, 4> percents{{
    {"loss", &Faults::loss_percent},
    {"duplicate", &Faults::duplicate_percent},
    {"late", &Faults::late_percent},
    {"reorder", &Faults::reorder_percent},
}};

struct Number {
    std::string_view name;
    std::uint32_t Faults::* value;
    std::uint32_t highest;
};
constexpr std::array<Number, 4> numbers{{
    {"late-max", &Faults::late_ms_max, 60'000},
    {"delay", &Faults::delay_us, 1'000'000},
    {"bytes-max-a-to-b", &Faults::bytes_max_a_to_b, 65'535},
    {"bytes-max-b-to-a", &Faults::bytes_max_b_to_a, 65'535},
}};

template <class T>
std::string parse_up_to(T highest, std::string_view name, std::string_view text, T& value) {
    T parsed{};
    const char* end = text.data() + text.size();
    const auto [after, error] = std::from_chars(text.data(), end, parsed);
    // Written so that "nan" does not pass.
    if (error != std::errc{} || after != end || !(parsed >= T{0} && parsed <= highest)) {
        return std::string(name) + ": expected a number from 0 to " +
               std::to_string(static_cast<std::uint64_t>(highest)) + ", got \"" +
               std::string(text) + "\"";
    }
    value = parsed;
    return {};
}

} // namespace

std::string set_fault(Faults& faults, std::string_view name, std::string_view value) {
    for (const Percent& percent : percents) {
        if (percent.name == name) {
            return parse_up_to(100.0, name, value, faults.*percent.value);
        }
    }
    for (const Number& number : numbers) {
        if (number.name == name) {
            return parse_up_to(number.highest, name, value, faults.*number.value);
        }
    }
    return "no such fault: " + std::string(name);
}

Fate draw_fate(const Faults& faults, Direction direction, std::uint64_t frame_index,
               std::size_t frame_bytes) {
    // All are drawn for every frame, in one order.
    Draws draws(faults.seed, direction, frame_index);
    const bool is_lost = draws.falls(faults.loss_percent);
    const bool is_doubled = draws.falls(faults.duplicate_percent);
    const bool is_late = draws.falls(faults.late_percent);
    const bool is_reordered = draws.falls(faults.reorder_percent);
    const std::uint64_t late_us = draws.next() % (std::uint64_t{faults.late_ms_max} * 1000 + 1);

    const std::uint32_t bytes_max =
        direction == Direction::a_to_b ? faults.bytes_max_a_to_b : faults.bytes_max_b_to_a;
    Fate fate;
    if (faults.is_cut) {
        fate.verdict = Verdict::cut;
    } else if (bytes_max > 0 && frame_bytes > bytes_max) {
        fate.verdict = Verdict::too_long;
    } else if (is_lost) {
        fate.verdict = Verdict::lost;
    }
    if (fate.verdict != Verdict::forward) {
        return fate;
    }
    fate.copies_count = is_doubled ? 2 : 1;
    fate.is_late = is_late;
    fate.is_reordered = is_reordered;
    fate.wait = std::chrono::microseconds{faults.delay_us};
    if (is_late) {
        fate.wait += std::chrono::microseconds{late_us};
    }
    if (is_reordered) {
        fate.wait += reorder_wait;
    }
    return fate;
}

} // namespace uaoe::bridge
