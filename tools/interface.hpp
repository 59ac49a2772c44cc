// The local Ethernet interfaces as the commands see them. Not the engine's ports: those change by
// netlink while a shard runs.
#pragma once

#include "proto/ethernet.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace uaoe::tools {

struct Interface {
    std::string name;
    proto::MacAddress mac;
};

// Those named; one that does not exist gets a zero MAC (opening it fails later,
// with a better message). Without names: every Ethernet interface that is up and carries its own
// traffic, so no loopback, no port of a bridge and no member of a bond.
[[nodiscard]] std::vector<Interface> find_interfaces(const std::vector<std::string>& names);

// Whether the kernel lets an interface have that name (dev_valid_name() in net/core/dev.c): 1 to 15
// bytes without space, '/' and ':', not "." nor "..".
[[nodiscard]] bool is_interface_name(std::string_view name);

[[nodiscard]] std::vector<std::string> names_of(const std::vector<Interface>& interfaces);

} // namespace uaoe::tools
