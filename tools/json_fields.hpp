// Fields of JSON from elsewhere: what is missing, or of another type, is as if it were zero, empty
// or not there.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace uaoe::tools {

// Visible text; `otherwise` when there is none.
[[nodiscard]] std::string text_field(const nlohmann::ordered_json& json, const char* key,
                                     std::string_view otherwise = {});
[[nodiscard]] std::uint64_t number_field(const nlohmann::ordered_json& json, const char* key);

} // namespace uaoe::tools
