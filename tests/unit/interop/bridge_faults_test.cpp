// What the lossy bridge draws for its frames, and the names of its faults.
#include "tests/interop/bridge_faults.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

using namespace uaoe::bridge;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t frames_count = 100'000;
constexpr std::size_t frame_bytes = 1060;

std::vector<bool> losses(const Faults& faults, Direction direction) {
    std::vector<bool> lost;
    for (std::uint64_t i = 0; i < frames_count; ++i) {
        lost.push_back(draw_fate(faults, direction, i, frame_bytes).verdict == Verdict::lost);
    }
    return lost;
}

std::ptrdiff_t both_count(const std::vector<bool>& a, const std::vector<bool>& b,
                          std::size_t shift = 0) {
    std::ptrdiff_t count = 0;
    for (std::size_t i = shift; i < a.size(); ++i) {
        count += a[i] && b[i - shift] ? 1 : 0;
    }
    return count;
}

} // namespace

TEST_CASE("frames are lost as often as asked, equally for equal seeds, each on its own") {
    const Faults faults{.seed = 7, .loss_percent = 5};
    const auto lost = losses(faults, Direction::a_to_b);
    const std::ptrdiff_t count = both_count(lost, lost);
    CHECK(count > 4800);
    CHECK(count < 5200);
    CHECK(losses(faults, Direction::a_to_b) == lost);

    // Independent draws agree in 5 % of 5 %: 250 of 100,000, with a standard deviation of 16.
    const auto check_independent = [&](const std::vector<bool>& other, std::size_t shift) {
        CHECK(both_count(lost, other, shift) > 170);
        CHECK(both_count(lost, other, shift) < 330);
    };
    check_independent(losses(faults, Direction::b_to_a), 0);
    check_independent(losses({.seed = 8, .loss_percent = 5}, Direction::a_to_b), 0);
    check_independent(lost, 1); // the frame before
    check_independent(lost, 2);
}

TEST_CASE("a fault that is changed moves no other") {
    const Faults faults{.seed = 7, .loss_percent = 5};
    Faults more = faults;
    more.duplicate_percent = 50;
    more.late_percent = 30;
    more.late_ms_max = 5;
    more.reorder_percent = 20;
    more.delay_us = 10;
    CHECK(losses(more, Direction::a_to_b) == losses(faults, Direction::a_to_b));

    // Whoever was lost at 5 % is lost at 10 %, too.
    const auto lost = losses(faults, Direction::a_to_b);
    more.loss_percent = 10;
    CHECK(both_count(losses(more, Direction::a_to_b), lost) == both_count(lost, lost));
}

TEST_CASE("waits add up, within what was asked") {
    const Faults faults{.duplicate_percent = 20,
                        .late_percent = 10,
                        .late_ms_max = 5,
                        .reorder_percent = 30,
                        .delay_us = 40};
    std::uint64_t doubled_count = 0;
    std::uint64_t late_count = 0;
    std::uint64_t reordered_count = 0;
    std::chrono::microseconds late_wait_max{0};
    for (std::uint64_t i = 0; i < frames_count; ++i) {
        const Fate fate = draw_fate(faults, Direction::b_to_a, i, frame_bytes);
        REQUIRE(fate.verdict == Verdict::forward);
        doubled_count += fate.copies_count - 1U;
        late_count += fate.is_late ? 1 : 0;
        reordered_count += fate.is_reordered ? 1 : 0;
        auto wait = fate.wait - 40us;
        wait -= fate.is_reordered ? reorder_wait : 0us;
        CHECK(wait >= 0us);
        CHECK((fate.is_late || wait == 0us));
        late_wait_max = std::max(late_wait_max, wait);
    }
    CHECK(doubled_count > 19'000);
    CHECK(doubled_count < 21'000);
    CHECK(late_count > 9'500);
    CHECK(late_count < 10'500);
    CHECK(reordered_count > 29'000);
    CHECK(reordered_count < 31'000);
    CHECK(late_wait_max <= 5ms);
    CHECK(late_wait_max > 4900us);
}

TEST_CASE("without faults every frame goes on at once") {
    for (std::uint64_t i = 0; i < 1000; ++i) {
        const Fate fate = draw_fate({}, Direction::a_to_b, i, frame_bytes);
        CHECK(fate.verdict == Verdict::forward);
        CHECK(fate.copies_count == 1);
        CHECK(fate.wait == 0us);
    }
}

TEST_CASE("a cut and a limit of the length take what they are for") {
    Faults faults{.bytes_max_b_to_a = 1600};
    const auto verdict = [&](Direction direction, std::size_t bytes) {
        return draw_fate(faults, direction, 0, bytes).verdict;
    };
    CHECK(verdict(Direction::b_to_a, 1600) == Verdict::forward);
    CHECK(verdict(Direction::b_to_a, 1601) == Verdict::too_long);
    CHECK(verdict(Direction::a_to_b, 9014) == Verdict::forward);
    faults.is_cut = true;
    CHECK(verdict(Direction::b_to_a, 9014) == Verdict::cut);
    CHECK(verdict(Direction::a_to_b, 60) == Verdict::cut);
}

TEST_CASE("faults have the names of their options") {
    Faults faults;
    CHECK(set_fault(faults, "loss", "0.5").empty());
    CHECK(set_fault(faults, "duplicate", "1").empty());
    CHECK(set_fault(faults, "late", "100").empty());
    CHECK(set_fault(faults, "late-max", "900").empty());
    CHECK(set_fault(faults, "reorder", "2").empty());
    CHECK(set_fault(faults, "delay", "70").empty());
    CHECK(set_fault(faults, "bytes-max-a-to-b", "1600").empty());
    CHECK(set_fault(faults, "bytes-max-b-to-a", "1500").empty());
    CHECK(faults.loss_percent == 0.5);
    CHECK(faults.duplicate_percent == 1);
    CHECK(faults.late_percent == 100);
    CHECK(faults.late_ms_max == 900);
    CHECK(faults.reorder_percent == 2);
    CHECK(faults.delay_us == 70);
    CHECK(faults.bytes_max_a_to_b == 1600);
    CHECK(faults.bytes_max_b_to_a == 1500);

    for (const char* bad : {"", "x", "-1", "100.1", "5%", " 5", "nan", "1e9"}) {
        CHECK_FALSE(set_fault(faults, "loss", bad).empty());
    }
    for (const char* bad : {"", "1.5", "-1", "65536", "1600 "}) {
        CHECK_FALSE(set_fault(faults, "bytes-max-a-to-b", bad).empty());
    }
    CHECK_FALSE(set_fault(faults, "seed", "2").empty());
    CHECK_FALSE(set_fault(faults, "", "1").empty());
    CHECK(faults.loss_percent == 0.5); // as it was
    CHECK(faults.bytes_max_a_to_b == 1600);
}
