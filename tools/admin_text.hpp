// What `uaoe config`, `mask` and `reserve` print. Pure functions.
#pragma once

#include "tools/administration.hpp"
#include "tools/interface.hpp"

#include <span>
#include <string>

namespace uaoe::tools {

[[nodiscard]] std::string config_json(proto::Address address, const std::string& string);
[[nodiscard]] std::string config_test_json(proto::Address address, const ConfigTest& test);

// Addresses, and which of this host's interfaces has each.
[[nodiscard]] std::string macs_table(const MacList& macs, std::span<const Interface> interfaces);
[[nodiscard]] std::string macs_json(proto::Address address, std::string_view key,
                                    const MacList& macs, std::span<const Interface> interfaces);

} // namespace uaoe::tools
