// Text for people.
#include "tools/text.hpp"

#include <algorithm>
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
    std::string text = visible_text(bytes);
    if (characters_of(text) <= characters_max) {
        return text;
    }
    std::size_t end = 0;
    for (std::size_t count = 0; count + 3 < characters_max && end < text.size(); ++count) {
        end += utf8_length(std::string_view(text).substr(end));
    }
    return text.substr(0, end) + "...";
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

std::string Table::to_text() const {
    std::vector<std::size_t> widths;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        std::size_t width = characters_of(columns_[i].title);
        for (const auto& row : rows_) {
            width = std::max(width, characters_of(row[i]));
        }
        widths.push_back(width);
    }
    std::string text;
    const auto add_line = [&](auto&& cell_of) {
        std::string line;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            const std::string& cell = cell_of(i);
            const std::string padding(widths[i] - characters_of(cell), ' ');
            line += i == 0 ? "" : "  ";
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

std::string discover_table(std::span<const initiator::TargetStatus> targets) {
    constexpr std::size_t config_characters_max = 24; // --json has it whole
    Table table({{.title = "ADDRESS"},
                 {.title = "SIZE", .align = Table::Align::right},
                 {.title = "MODEL"},
                 {.title = "SERIAL"},
                 {.title = "PATHS", .align = Table::Align::right},
                 {.title = "PAYLOAD", .align = Table::Align::right},
                 {.title = "BUFFERS", .align = Table::Align::right},
                 {.title = "STATE"},
                 {.title = "CONFIG"}});
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
    return table.to_text();
}

std::string list_text(const std::vector<std::string>& names) {
    std::string text;
    for (std::size_t i = 0; i < names.size(); ++i) {
        text += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i];
    }
    return text;
}

} // namespace uaoe::tools
