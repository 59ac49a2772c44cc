// How values look to a person: sizes, states, targets as a table. Pure functions.
#pragma once

#include "initiator/status.hpp"
#include "tools/interface.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace uaoe::tools {

// Names from the network reach terminals: control characters, backslashes and what is not UTF-8
// become \xNN, everything else stays.
[[nodiscard]] std::string visible_text(std::string_view bytes);
// At most `characters_max` characters of it; what is cut is shown as "...".
[[nodiscard]] std::string shortened_text(std::string_view bytes, std::size_t characters_max);
[[nodiscard]] bool is_utf8(std::string_view bytes);
[[nodiscard]] std::string hex_text(std::string_view bytes); // "00ff"

[[nodiscard]] std::string size_text(std::uint64_t bytes);                  // "512 B", "1.50 TiB"
[[nodiscard]] std::string seconds_text(initiator::Duration duration);      // "3.2 s"
[[nodiscard]] std::string milliseconds_text(initiator::Duration duration); // "0.123 ms"
[[nodiscard]] std::uint64_t size_bytes_of(const proto::Identify& identify);

[[nodiscard]] std::string_view path_state_text(initiator::PathState state);
[[nodiscard]] std::string_view target_state_text(initiator::TargetState state);
[[nodiscard]] std::string_view device_state_text(initiator::DeviceState state);
// The target's state; "conflict" when another disk answers under its address.
[[nodiscard]] std::string_view state_text(const initiator::TargetStatus& target);

// Columns as wide as what is in them, two spaces between them.
class Table {
  public:
    enum class Align : std::uint8_t { left, right };
    struct Column {
        std::string title;
        Align align = Align::left;
    };

    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
    void add_row(std::vector<std::string> cells); // as many as columns, visible text
    [[nodiscard]] std::string to_text() const;

  private:
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

// `uaoe discover`.
[[nodiscard]] std::string discover_table(std::span<const initiator::TargetStatus> targets);

// `uaoe identify`.
[[nodiscard]] std::string identify_text(const initiator::TargetStatus& target);
// 256 words, eight a line, as `hdparm --Istdout` prints and `hdparm --Istdin` reads them.
[[nodiscard]] std::string
identify_words(std::span<const std::byte, proto::identify_bytes> identify_data);

// "eth1, eth2 and eth3"
[[nodiscard]] std::string list_text(const std::vector<std::string>& names);

} // namespace uaoe::tools
