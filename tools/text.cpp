// Text for people.
#include "tools/text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <optional>

namespace uaoe::tools {

namespace {

// Bytes of the UTF-8 character that `bytes` begins with; 0 when it is none (RFC 3629: no overlong
// forms, no surrogates, nothing above U+10FFFF).
std::size_t utf8_length(std::string_view bytes) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    const unsigned char lead = at(0);
    if (lead < 0x80) {
        return 1;
    }
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || bytes.size() < length) {
        return 0;
    }
    for (std::size_t i = 1; i < length; ++i) {
        if ((at(i) & 0xc0U) != 0x80) {
            return 0;
        }
    }
    const unsigned char second = at(1);
    const bool is_wrong = (lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
                          (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f);
    return is_wrong ? 0 : length;
}

// C0, DEL, and C1 (U+0080..U+009F), which terminals obey too.
bool is_control(std::string_view character) {
    const auto first = static_cast<unsigned char>(character[0]);
    return first < 0x20 || first == 0x7f ||
           (first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0);
}

std::size_t characters_of(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80; }));
}

// Of valid UTF-8: at most so many characters, "..." where some are missing.
std::string cut_text(const std::string& text, std::size_t characters_max, bool at_begin) {
    constexpr std::string_view mark = "...";
    const std::size_t count = characters_of(text);
    if (count <= characters_max) {
        return text;
    }
    const std::size_t kept = characters_max > mark.size() ? characters_max - mark.size() : 0;
    std::size_t at = 0;
    for (std::size_t i = 0; i < (at_begin ? count - kept : kept); ++i) {
        at += utf8_length(std::string_view(text).substr(at));
    }
    return at_begin ? std::string(mark) + text.substr(at) : text.substr(0, at) + std::string(mark);
}

constexpr std::string_view gap = "  "; // between two columns

// At most five characters.
std::string scaled_text(double value, double base, const std::array<const char*, 5>& units) {
    std::size_t unit = 0;
    while (value >= base - 0.5 && unit + 1 < units.size()) {
        value /= base;
        ++unit;
    }
    constexpr double tenths_max = 99.95;
    return unit == 0 || value >= tenths_max ? fmt::format("{:.0f}{}", value, units[unit])
                                            : fmt::format("{:.1f}{}", value, units[unit]);
}

std::string paths_text(const initiator::TargetStatus& target) {
    const auto up =
        std::ranges::count(target.paths, initiator::PathState::up, &initiator::PathStatus::state);
    const auto all = std::ssize(target.paths);
    return up == all ? fmt::format("{}", all) : fmt::format("{}/{}", up, all);
}

// Bytes of data a frame carries: what the paths do, or the span of it.
std::string payload_text(const initiator::TargetStatus& target) {
    const std::uint64_t sector_bytes = target.identify.logical_sector_bytes;
    std::optional<std::uint64_t> low;
    std::uint64_t high = 0;
    for (const auto& path : target.paths) {
        const std::uint64_t bytes = path.sectors_per_frame * sector_bytes;
        low = std::min(low.value_or(bytes), bytes);
        high = std::max(high, bytes);
    }
    return low.value_or(0) == high ? fmt::format("{}", high) : fmt::format("{}-{}", *low, high);
}

bool is_identified(const initiator::TargetStatus& target) {
    return target.state == initiator::TargetState::ready;
}

} // namespace

std::string visible_text(std::string_view bytes) {
    std::string text;
    while (!bytes.empty()) {
        std::size_t length = utf8_length(bytes);
        if (length == 0 || is_control(bytes.substr(0, length)) || bytes[0] == '\\') {
            length = std::max<std::size_t>(length, 1);
            for (const char c : bytes.substr(0, length)) {
                text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
            }
        } else {
            text += bytes.substr(0, length);
        }
        bytes.remove_prefix(length);
    }
    return text;
}

std::string shortened_text(std::string_view bytes, std::size_t characters_max) {
    return cut_text(visible_text(bytes), characters_max, false);
}

bool is_utf8(std::string_view bytes) {
    while (!bytes.empty()) {
        const std::size_t length = utf8_length(bytes);
        if (length == 0) {
            return false;
        }
        bytes.remove_prefix(length);
    }
    return true;
}

std::string hex_text(std::string_view bytes) {
    std::string text;
    for (const char c : bytes) {
        text += fmt::format("{:02x}", static_cast<unsigned char>(c));
    }
    return text;
}

std::string size_text(std::uint64_t bytes) {
    if (bytes < 1024) {
        return fmt::format("{} B", bytes);
    }
    constexpr std::string_view units = "KMGTPE";
    auto value = static_cast<double>(bytes) / 1024;
    std::size_t unit = 0;
    // 1023.995 would be printed as 1024.00
    while (value >= 1023.995 && unit + 1 < units.size()) {
        value /= 1024;
        ++unit;
    }
    return fmt::format("{:.{}f} {}iB", value,
                       value < 9.995   ? 2
                       : value < 99.95 ? 1
                                       : 0,
                       units[unit]);
}

std::string seconds_text(initiator::Duration duration) {
    return fmt::format("{:.1f} s", std::chrono::duration<double>(duration).count());
}

std::string milliseconds_text(initiator::Duration duration) {
    return fmt::format("{:.3f} ms", std::chrono::duration<double, std::milli>(duration).count());
}

std::string count_text(double count) {
    return scaled_text(count, 1000, {"", "k", "M", "G", "T"});
}

std::string scaled_bytes_text(double bytes) {
    return scaled_text(bytes, 1024, {"", "K", "M", "G", "T"});
}

std::string time_text(double us) {
    constexpr double us_per_ms = 1000;
    constexpr double us_per_s = 1e6;
    return us < us_per_ms  ? fmt::format("{:.0f}us", us)
           : us < us_per_s ? fmt::format("{:.{}f}ms", us / us_per_ms, us < 99'950 ? 1 : 0)
                           : fmt::format("{:.1f}s", us / us_per_s);
}

std::string counter_text(std::uint64_t count) {
    constexpr std::uint64_t exact_max = 9'999'999'999;
    return count <= exact_max ? fmt::format("{}", count) : count_text(static_cast<double>(count));
}

std::string wrapped_text(std::string_view text, std::size_t columns_max, std::string_view first,
                         std::string_view indent) {
    std::string wrapped(first);
    std::size_t line_columns = first.size();
    bool is_empty = true; // the line so far
    while (!text.empty()) {
        const std::string_view word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(word.size() + 1, text.size()));
        const std::size_t columns = characters_of(word);
        if (!is_empty && columns >= columns_max - std::min(line_columns, columns_max)) {
            wrapped += '\n';
            wrapped += indent;
            line_columns = indent.size();
            is_empty = true;
        }
        wrapped += is_empty ? "" : " ";
        wrapped += word;
        line_columns += columns + (is_empty ? 0 : 1);
        is_empty = false;
    }
    return wrapped + '\n';
}

std::uint64_t size_bytes_of(const proto::Identify& identify) {
    return identify.sectors.value * identify.logical_sector_bytes;
}

std::string_view path_state_text(initiator::PathState state) {
    switch (state) {
    case initiator::PathState::unverified:
        return "unverified";
    case initiator::PathState::up:
        return "up";
    case initiator::PathState::suspect:
        return "suspect";
    case initiator::PathState::conflict:
        return "conflict";
    case initiator::PathState::down:
        break;
    }
    return "down";
}

std::string_view target_state_text(initiator::TargetState state) {
    switch (state) {
    case initiator::TargetState::identifying:
        return "identifying";
    case initiator::TargetState::ready:
        return "ready";
    case initiator::TargetState::mute:
        return "mute";
    case initiator::TargetState::reserved:
        return "reserved";
    case initiator::TargetState::unavailable:
        return "unavailable";
    case initiator::TargetState::failed:
        break;
    }
    return "failed";
}

std::string_view device_state_text(initiator::DeviceState state) {
    switch (state) {
    case initiator::DeviceState::up:
        return "up";
    case initiator::DeviceState::silent:
        return "silent";
    case initiator::DeviceState::down:
        break;
    }
    return "down";
}

std::string_view state_text(const initiator::TargetStatus& target) {
    const bool conflict = std::ranges::any_of(target.paths, [](const auto& path) {
        return path.state == initiator::PathState::conflict;
    });
    return conflict ? "conflict" : target_state_text(target.state);
}

void Table::add_row(std::vector<std::string> cells) {
    cells.resize(columns_.size());
    rows_.push_back(std::move(cells));
}

std::vector<std::size_t> Table::fitted_widths(std::size_t columns_max) const {
    std::vector<std::size_t> widths;
    std::size_t sum = 0;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        std::size_t width = characters_of(columns_[i].title);
        for (const auto& row : rows_) {
            width = std::max(width, characters_of(row[i]));
        }
        widths.push_back(width);
        sum += width + (i == 0 ? 0 : gap.size());
    }
    for (std::size_t i = 0; i < columns_.size() && sum > columns_max; ++i) {
        if (columns_[i].cut == Cut::go) {
            sum -= widths[i] + gap.size();
            widths[i] = 0;
        }
    }
    for (; sum > columns_max; --sum) {
        std::size_t* widest = nullptr;
        std::size_t most = 0; // over its least
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            const bool may_cut = columns_[i].cut == Cut::end || columns_[i].cut == Cut::begin;
            if (may_cut && widths[i] > columns_[i].least + most) {
                most = widths[i] - columns_[i].least;
                widest = &widths[i];
            }
        }
        if (widest == nullptr) {
            break;
        }
        --*widest;
    }
    return widths;
}

std::string Table::to_text(std::size_t columns_max) const {
    const std::vector<std::size_t> widths = fitted_widths(columns_max);
    std::string text;
    const auto add_line = [&](auto&& cell_of) {
        std::string line;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            if (widths[i] == 0) {
                continue;
            }
            const std::string cell = cut_text(cell_of(i), widths[i], columns_[i].cut == Cut::begin);
            const std::string padding(widths[i] - characters_of(cell), ' ');
            line += line.empty() ? "" : gap;
            line += columns_[i].align == Align::right ? padding + cell : cell + padding;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + "\n";
    };
    add_line([&](std::size_t i) -> const std::string& { return columns_[i].title; });
    for (const auto& row : rows_) {
        add_line([&](std::size_t i) -> const std::string& { return row[i]; });
    }
    return text;
}

std::string discover_table(std::span<const initiator::TargetStatus> targets,
                           std::size_t columns_max) {
    constexpr std::size_t config_characters_max = 24; // --json has it whole
    Table table({{.title = "ADDRESS"},
                 {.title = "SIZE", .align = Table::Align::right},
                 {.title = "MODEL", .cut = Table::Cut::end, .least = 5},
                 {.title = "SERIAL", .cut = Table::Cut::begin, .least = 7},
                 {.title = "PATHS", .align = Table::Align::right},
                 {.title = "PAYLOAD", .align = Table::Align::right},
                 {.title = "BUFS", .align = Table::Align::right},
                 {.title = "STATE"},
                 {.title = "CONFIG", .cut = Table::Cut::end, .least = 6}});
    for (const auto& target : targets) {
        const bool known = is_identified(target);
        table.add_row({proto::to_string(target.address),
                       known ? size_text(size_bytes_of(target.identify)) : "-",
                       known ? visible_text(target.identify.model.view()) : "-",
                       known ? visible_text(target.identify.serial.view()) : "-",
                       paths_text(target), payload_text(target),
                       fmt::format("{}", target.buffer_count), std::string(state_text(target)),
                       shortened_text(target.config_string, config_characters_max)});
    }
    return table.to_text(columns_max);
}

std::string list_text(const std::vector<std::string>& names) {
    std::string text;
    for (std::size_t i = 0; i < names.size(); ++i) {
        text += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i];
    }
    return text;
}

} // namespace uaoe::tools
