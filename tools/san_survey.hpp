// What a SAN is like: looks at every target and path, and proves what each path carries. It reads,
// and changes nothing.
#pragma once

#include "initiator/linux/error.hpp"
#include "tools/command_line.hpp"
#include "tools/san_check.hpp"

#include <expected>

namespace uaoe::tools {

// Takes `options.wait`, and as long as the proofs need. It says how far it is, and where it looks
// when nobody named interfaces; not with `options.is_quiet`. An error when the one target that was
// asked for is not there; no targets at all are none.
[[nodiscard]] std::expected<SanReport, Error> survey_san(const CheckOptions& options);

} // namespace uaoe::tools
