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

// Of lines that nothing limits: in a pipe, nothing is cut.
inline constexpr std::size_t any_columns = SIZE_MAX;

// "0", "999", "1.2k", "12.3M", "1023G"; at most five characters.
[[nodiscard]] std::string count_text(double count);
[[nodiscard]] std::string scaled_bytes_text(double bytes); // the same, of 1024, without "iB"
[[nodiscard]] std::string time_text(double us);            // "154us", "12.3ms", "1.5s"
// Every digit, up to ten of them; then as count_text().
[[nodiscard]] std::string counter_text(std::uint64_t count);

// At most that many characters a line, broken at spaces; `first` before the first line, `indent`
// before the others. A longer word stays whole. With a newline at the end.
[[nodiscard]] std::string wrapped_text(std::string_view text, std::size_t columns_max,
                                       std::string_view first, std::string_view indent);

// Columns as wide as what is in them, two spaces between them. Where that is too wide, first those
// that may go are left out; then those that may be cut are, the widest first, down to `least`.
class Table {
  public:
    enum class Align : std::uint8_t { left, right };
    // At which end; of a serial number the end tells disks apart. "go": the whole column.
    enum class Cut : std::uint8_t { never, end, begin, go };
    struct Column {
        std::string title;
        Align align = Align::left;
        Cut cut = Cut::never;
        std::size_t least = 0; // characters; at least as many as the title's, at least 4
    };

    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
    void add_row(std::vector<std::string> cells); // as many as columns, visible text
    [[nodiscard]] std::string to_text(std::size_t columns_max = any_columns) const;

  private:
    [[nodiscard]] std::vector<std::size_t>
    fitted_widths(std::size_t columns_max) const; // 0: left out

    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

// `uaoe discover`.
[[nodiscard]] std::string discover_table(std::span<const initiator::TargetStatus> targets,
                                         std::size_t columns_max = any_columns);

// `uaoe identify`.
[[nodiscard]] std::string identify_text(const initiator::TargetStatus& target);
// 256 words, eight a line, as `hdparm --Istdout` prints and `hdparm --Istdin` reads them.
[[nodiscard]] std::string
identify_words(std::span<const std::byte, proto::identify_bytes> identify_data);

// "eth1, eth2 and eth3"
[[nodiscard]] std::string list_text(const std::vector<std::string>& names);

} // namespace uaoe::tools
