// aoe_goodput: measures what goodput_tables.cpp says, prints it, and compares it with the committed
// snapshot.
#include "tests/sim/goodput_tables.hpp"

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <atomic>
#include <ctime>
#include <fstream>
#include <iterator>
#include <numeric>
#include <optional>
#include <sstream>
#include <thread>

using uaoe::sim::GoodputCell;
using uaoe::sim::GoodputTable;

namespace {

struct Options {
    std::string table;
    std::string snapshot;
    bool update = false;
    unsigned jobs = 1;
};

void run_cells(const std::vector<GoodputCell*>& cells, unsigned jobs) {
    std::atomic<std::size_t> next = 0;
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < jobs; ++i) {
        threads.emplace_back([&] {
            for (std::size_t cell = next++; cell < cells.size(); cell = next++) {
                cells[cell]->run();
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
}

// Nothing when a measurement is none.
std::optional<std::string> measure(const Options& options) {
    std::vector<GoodputTable> tables = uaoe::sim::make_goodput_tables();
    std::vector<GoodputCell*> cells;
    if (!options.table.empty()) {
        std::erase_if(tables, [&](const auto& table) { return table.name != options.table; });
    }
    for (GoodputTable& table : tables) {
        for (auto& row : table.rows) {
            for (GoodputCell& cell : row.cells) {
                cells.push_back(&cell);
            }
        }
    }
    run_cells(cells, std::max(options.jobs, 1U));
    for (const GoodputCell* cell : cells) {
        if (!cell->complaint.empty()) {
            fmt::print(stderr, "aoe_goodput: {}\n", cell->complaint);
            return {};
        }
    }
    const std::uint64_t frames = std::accumulate(
        cells.begin(), cells.end(), std::uint64_t{0},
        [](std::uint64_t sum, const GoodputCell* cell) { return sum + cell->frames_sent; });
    fmt::print(stderr, "{} frames sent, {:.1f} s of processor time\n", frames,
               static_cast<double>(std::clock()) / CLOCKS_PER_SEC);
    std::string text = options.table.empty() ? uaoe::sim::goodput_head() : "";
    for (const GoodputTable& table : tables) {
        text += (text.empty() ? "" : "\n") + text_of(table);
    }
    return text;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::istringstream stream(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(line);
    }
    return lines;
}

// Line by line: the tables keep their form, only figures differ.
int compare(const Options& options, const std::string& text) {
    std::ifstream file(options.snapshot);
    const std::string expected{std::istreambuf_iterator<char>(file), {}};
    if (text == expected) {
        return 0;
    }
    std::vector<std::string> before = lines_of(expected);
    std::vector<std::string> now = lines_of(text);
    const std::size_t count = std::max(before.size(), now.size());
    before.resize(count);
    now.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        if (before[i] != now[i]) {
            fmt::print("{}:{}\n-{}\n+{}\n", options.snapshot, i + 1, before[i], now[i]);
        }
    }
    fmt::print("Goodput differs from {}. If it is meant to: aoe_goodput --snapshot {} --update\n",
               options.snapshot, options.snapshot);
    return 1;
}

int run(const Options& options) {
    const std::optional<std::string> measured = measure(options);
    if (!measured) {
        return 1;
    }
    const std::string& text = *measured;
    if (options.snapshot.empty()) {
        fmt::print("{}", text);
        return 0;
    }
    if (!options.update) {
        return compare(options, text);
    }
    std::ofstream file(options.snapshot);
    file << text;
    file.close();
    if (!file) {
        fmt::print(stderr, "aoe_goodput: cannot write {}\n", options.snapshot);
        return 1;
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("Measures the engine's goodput in simulated SANs of known limits");
    Options options;
    auto* table = app.add_option("--table", options.table,
                                 "only this one: reads, writes, fences, small, paths or reorder");
    auto* snapshot =
        app.add_option("--snapshot", options.snapshot, "compare with this file instead of printing")
            ->excludes(table);
    app.add_flag("--update", options.update, "write the file instead")->needs(snapshot);
    app.add_option("--jobs", options.jobs, "threads; worlds share nothing")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    return run(options);
}
