// The interfaces that `aoe-interfaces` has chosen: a file in the folder of the control socket,
// which counts instead of the configuration until the machine starts anew, as the parameter of the
// kernel's driver does.
#pragma once

#include "initiator/linux/error.hpp"

#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace uaoe::tools {

// Tries to open them first: one that cannot be used would keep the next uaoed from starting. No
// names: all that are up.
[[nodiscard]] std::expected<void, Error> choose_interfaces(const std::string& folder,
                                                           const std::vector<std::string>& names);

// Nothing: nobody has chosen.
[[nodiscard]] std::optional<std::vector<std::string>> chosen_interfaces(const std::string& folder);

} // namespace uaoe::tools
