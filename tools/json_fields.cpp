// By nlohmann's JSON.
#include "tools/json_fields.hpp"

#include "tools/text.hpp"

#include <nlohmann/json.hpp>

namespace uaoe::tools {

using Json = nlohmann::ordered_json;

std::string text_field(const Json& json, const char* key, std::string_view otherwise) {
    return json.is_object() && json.contains(key) && json[key].is_string()
               ? visible_text(json[key].get<std::string>())
               : std::string(otherwise);
}

std::uint64_t number_field(const Json& json, const char* key) {
    return json.is_object() && json.contains(key) && json[key].is_number_unsigned()
               ? json[key].get<std::uint64_t>()
               : 0;
}

} // namespace uaoe::tools
