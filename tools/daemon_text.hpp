// What a daemon answers in JSON, as a person reads it. Pure functions.
#pragma once

#include "proto/address.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace uaoe::tools {

// Of the array of `uaoe list --json`. Of an answer that is none, an empty text; the same goes for
// the next two.
[[nodiscard]] std::string list_table(std::string_view json, std::size_t columns_max);

// Of the object of `uaoe show --json`. 80 columns are enough for it.
[[nodiscard]] std::string show_text(std::string_view json, std::size_t columns_max);

// Of that array: what an attach of this LUN waits for, in words; empty when it does not.
[[nodiscard]] std::string waiting_text(std::string_view list_json, proto::Address address);

// The array with one object a line, as uaoe prints it.
[[nodiscard]] std::string list_lines(std::string_view json);

} // namespace uaoe::tools
