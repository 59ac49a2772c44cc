// What the names of aoetools print. Pure functions.
#pragma once

#include "proto/address.hpp"
#include "proto/frame.hpp"
#include "proto/wire.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace uaoe::tools {

// Of the array of `uaoe list --json`: a line for each LUN, in the columns of aoe-stat, sorted as
// sort(1) does in the locale C. A size in decimal gigabytes, cut behind three digits; what is not
// known is "(NA)". The payload is the most that one of its paths carries.
[[nodiscard]] std::string aoe_stat_text(std::string_view list_json);

// The lines of `text` that match a basic regular expression, as grep prints them; nothing: it is
// none.
[[nodiscard]] std::optional<std::string> matching_lines(const std::string& text,
                                                        const std::string& pattern);

// Sixteen octets a line, a space behind each.
[[nodiscard]] std::string octets_text(proto::ConstBytes bytes);

// aoeping -I; `words`: 512 bytes of IDENTIFY data.
[[nodiscard]] std::string identify_fields_text(proto::ConstBytes words);

// The registers of an answer to aoeping -S.
[[nodiscard]] std::string registers_text(const proto::AtaFields& answer);

// A line of aoecfg; with `with_address` the address is before it.
[[nodiscard]] std::string config_line(const proto::Frame& answer, std::string_view string,
                                      bool with_address);

} // namespace uaoe::tools
