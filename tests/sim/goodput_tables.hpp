// The tables of goodput.txt: which worlds they measure, and their text.
#pragma once

#include "tests/sim/goodput.hpp"

#include <string>
#include <vector>

namespace uaoe::sim {

struct GoodputCell {
    GoodputOptions options;
    Span warm_up;
    Span span;
    Goodput result;
    std::uint64_t frames_sent = 0; // warm-up too: what it cost to measure
    std::string complaint;         // of what should not have happened
    void run();
};

struct GoodputTable {
    enum class Shows : std::uint8_t { megabytes, requests, retransmissions };
    struct Row {
        std::string label;
        std::vector<GoodputCell> cells; // the others are given as a share of the first
    };
    std::string name; // for --table
    std::string title;
    std::string label;                // above the rows' labels, and as wide
    std::vector<std::string> columns; // above the cells
    Shows shows = Shows::megabytes;
    std::vector<Row> rows;
};

[[nodiscard]] std::vector<GoodputTable> make_goodput_tables();
[[nodiscard]] std::string goodput_head();
[[nodiscard]] std::string text_of(const GoodputTable& table);

} // namespace uaoe::sim
