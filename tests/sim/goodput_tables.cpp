// What the tables measure, and how they look.
#include "tests/sim/goodput_tables.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace uaoe::sim {

using initiator::Operation;
using Shows = GoodputTable::Shows;

namespace {

constexpr double losses[] = {0, 0.001, 0.01, 0.05};
constexpr Duration round_trips[] = {50us, 200us, 2ms};
constexpr std::uint16_t buffer_counts[] = {16, 64, 256};
const std::vector<std::string> loss_columns{"no loss", "0.1 %", "1 %", "5 %"};

// Into the steady state, and long enough there for losses to average out: a thousand frames and
// more are lost where one in twenty is, some dozen where one in a thousand is. Without losses there
// is little to average.
GoodputCell steady(const GoodputOptions& options) {
    const Duration round_trips_40 = 40 * options.round_trip;
    GoodputCell cell{.options = options, .warm_up = {}, .span = {}, .result = {}, .complaint = {}};
    if (options.loss > 0) {
        cell.warm_up = {
            .min = std::max<Duration>(round_trips_40, 60ms), .max = 1s, .commands_count = 6000};
        cell.span = {
            .min = std::max<Duration>(round_trips_40, 60ms), .max = 5s, .commands_count = 20'000};
    } else {
        const Duration least = std::max<Duration>(round_trips_40, 10ms);
        cell.warm_up = {.min = least, .max = least, .commands_count = 0};
        cell.span = {.min = least, .max = 2s, .commands_count = 8000};
    }
    return cell;
}

std::string name_of(Duration duration) {
    return duration < 1ms ? fmt::format("{} us", duration / 1us)
                          : fmt::format("{} ms", duration / 1ms);
}

std::string name_of(Operation operation) {
    return operation == Operation::read ? "read" : "write";
}

GoodputTable make_main_table(Operation operation) {
    const bool is_read = operation == Operation::read;
    GoodputTable table{.name = is_read ? "reads" : "writes",
                       .title = is_read ? "Reads of 64 KiB, one after the other"
                                        : "Writes of 64 KiB, one after the other, without fences",
                       .label = "round trip  buffers  paths",
                       .columns = loss_columns,
                       .rows = {}};
    for (const Duration round_trip : round_trips) {
        for (const std::uint16_t buffer_count : buffer_counts) {
            for (const std::uint32_t paths_count : {1U, 2U, 4U}) {
                auto& row = table.rows.emplace_back();
                row.label = fmt::format("{:>10}  {:>7}  {:>5}", name_of(round_trip), buffer_count,
                                        paths_count);
                for (const double loss : losses) {
                    GoodputOptions options{.operation = operation,
                                           .paths_count = paths_count,
                                           .buffer_count = buffer_count,
                                           .round_trip = round_trip,
                                           .loss = loss};
                    if (!is_read) {
                        options.config.linger = options.config.target_hold = 0s;
                    }
                    row.cells.push_back(steady(options));
                }
            }
        }
    }
    return table;
}

// A finished write of which a copy was lost keeps its range, and what the engine remembers it with,
// for EngineConfig::linger: the steady state begins after more than that.
GoodputTable make_fence_table() {
    GoodputTable table{.name = "fences",
                       .title = "Writes of 64 KiB, one after the other, with fences as by default; "
                                "1.2 s after 1.2 s",
                       .label = "round trip  buffers  paths",
                       .columns = loss_columns,
                       .rows = {}};
    for (const std::uint16_t buffer_count : buffer_counts) {
        auto& row = table.rows.emplace_back();
        row.label = fmt::format("{:>10}  {:>7}  {:>5}", "200 us", buffer_count, 1);
        for (const double loss : losses) {
            const GoodputOptions options{
                .operation = Operation::write, .buffer_count = buffer_count, .loss = loss};
            row.cells.push_back(loss == 0 ? steady(options)
                                          : GoodputCell{.options = options,
                                                        .warm_up = {.min = 1200ms, .max = 1200ms},
                                                        .span = {.min = 1200ms, .max = 1200ms},
                                                        .result = {},
                                                        .complaint = {}});
        }
    }
    return table;
}

GoodputTable make_small_table() {
    GoodputTable table{.name = "small",
                       .title = "Reads of 4 KiB anywhere, 64 buffers, one path: requests a second",
                       .label = "round trip  outstanding",
                       .columns = loss_columns,
                       .shows = Shows::requests,
                       .rows = {}};
    for (const Duration round_trip : round_trips) {
        for (const std::uint32_t depth : {1U, 32U}) {
            auto& row = table.rows.emplace_back();
            row.label = fmt::format("{:>10}  {:>11}", name_of(round_trip), depth);
            for (const double loss : losses) {
                GoodputCell cell = steady({.round_trip = round_trip,
                                           .loss = loss,
                                           .request_bytes = 4096,
                                           .depth = depth,
                                           .is_random = true});
                cell.span.max = 20s; // one at a time, few are lost in 2 s
                row.cells.push_back(cell);
            }
        }
    }
    return table;
}

GoodputTable make_paths_table() {
    GoodputTable table{.name = "paths",
                       .title =
                           "Paths side by side, 64 buffers, 200 us, no loss; the slow one has a "
                           "quarter of the others' bandwidth",
                       .label = "operation  Gbit/s  outstanding",
                       .columns = {"one", "one and slow", "two", "four"},
                       .rows = {}};
    for (const Operation operation : {Operation::read, Operation::write}) {
        for (const std::uint64_t gigabits : {1U, 10U}) {
            for (const std::uint32_t depth : {1U, 8U, 32U, 256U}) {
                auto& row = table.rows.emplace_back();
                row.label =
                    fmt::format("{:>9}  {:>6}  {:>11}", name_of(operation), gigabits, depth);
                for (const auto& [paths_count, last_slower_by] :
                     {std::pair(1U, 1U), std::pair(2U, 4U), std::pair(2U, 1U), std::pair(4U, 1U)}) {
                    GoodputCell cell = steady({.operation = operation,
                                               .paths_count = paths_count,
                                               .bits_per_second = gigabits * gigabit,
                                               .last_slower_by = last_slower_by,
                                               .depth = depth});
                    const Duration length = 200ms / gigabits; // many turns of full queues
                    cell.warm_up = cell.span = {.min = length, .max = length};
                    row.cells.push_back(cell);
                }
            }
        }
    }
    return table;
}

GoodputTable make_reorder_table() {
    GoodputTable table{
        .name = "reorder",
        .title =
            "Frames that overtake each other: each is late by up to so much, in each "
            "direction; one path, no loss. That makes the\nround trip longer, which 16 buffers "
            "pay for. What was sent again, and needlessly, is the engine's.",
        .label = "operation  round trip  buffers",
        .columns = {"on time", "10 us", "50 us", "200 us"},
        .shows = Shows::retransmissions,
        .rows = {}};
    for (const Operation operation : {Operation::read, Operation::write}) {
        for (const Duration round_trip : {Duration{50us}, Duration{200us}}) {
            for (const std::uint16_t buffer_count : buffer_counts) {
                auto& row = table.rows.emplace_back();
                row.label = fmt::format("{:>9}  {:>10}  {:>7}", name_of(operation),
                                        name_of(round_trip), buffer_count);
                for (const Duration jitter :
                     {Duration{0}, Duration{10us}, Duration{50us}, Duration{200us}}) {
                    row.cells.push_back(steady({.operation = operation,
                                                .buffer_count = buffer_count,
                                                .round_trip = round_trip,
                                                .jitter = jitter}));
                }
            }
        }
    }
    return table;
}

std::string text_of(const GoodputCell& cell, const GoodputCell& first, Shows shows) {
    const auto value = [&](const Goodput& result) {
        return shows == Shows::requests ? static_cast<double>(result.requests) /
                                              std::chrono::duration<double>(result.duration).count()
                                        : result.bytes_per_second() / 1e6;
    };
    const double mine = value(cell.result);
    std::string text =
        shows == Shows::requests ? fmt::format("{:>10.0f}", mine) : fmt::format("{:>10.1f}", mine);
    if (&cell != &first) {
        text += fmt::format("{:>5.0f} %", 100 * mine / value(first.result));
    }
    if (shows == Shows::retransmissions) {
        text += fmt::format("{:>7} {:>7}", cell.result.retransmitted, cell.result.spurious);
    }
    return text;
}

} // namespace

void GoodputCell::run() {
    try {
        GoodputScene scene(options);
        scene.measure(warm_up);
        result = scene.measure(span);
        frames_sent = scene.world.frames_sent;
        complaint = result.failed > 0 ? "requests failed" : "";
    } catch (const Violation& violation) {
        complaint = violation.what();
    }
}

std::vector<GoodputTable> make_goodput_tables() {
    return {make_main_table(Operation::read),
            make_main_table(Operation::write),
            make_fence_table(),
            make_small_table(),
            make_paths_table(),
            make_reorder_table()};
}

std::string goodput_head() {
    return "What the engine gets through a simulated SAN (tests/sim/goodput.cpp), in virtual time "
           "and exactly. After a change\n"
           "of the engine, look at what became of it, and `aoe_goodput --snapshot "
           "tests/sim/goodput.txt --update`.\n"
           "\n"
           "MTU 9000, 8 KiB in a frame. Each path is a port, a wire of 10 Gbit/s in each "
           "direction (1241 MB/s of payload) with a\n"
           "queue that never overflows, and a target process that takes 1 us for a command. The "
           "round trip is without these\n"
           "times. Each frame is lost with the chance given, in each direction. There are as many "
           "requests outstanding as all\n"
           "windows hold frames, so there is always work for each window. MB/s are 10^6 bytes of "
           "requests that ended. Shares\n"
           "are of the first cell of the row.\n";
}

std::string text_of(const GoodputTable& table) {
    std::string text = table.title + "\n\n" + table.label;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
        const int width = (i > 0 ? 17 : 10) + (table.shows == Shows::retransmissions ? 15 : 0);
        text += fmt::format("{:>{}}", table.columns[i], width);
    }
    text += "\n";
    if (table.shows == Shows::retransmissions) {
        text += fmt::format("{:>{}}", "", table.label.size());
        for (std::size_t i = 0; i < table.columns.size(); ++i) {
            text += fmt::format("{:>{}}", "again needless", i > 0 ? 32 : 25);
        }
        text += "\n";
    }
    for (const auto& row : table.rows) {
        text += row.label;
        for (const auto& cell : row.cells) {
            text += text_of(cell, row.cells.front(), table.shows);
        }
        text += "\n";
    }
    return text;
}

} // namespace uaoe::sim
