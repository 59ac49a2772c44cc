// Command lines that are taken, and that are refused as all are: with one line.
#pragma once

#include "tools/command_line.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <variant>
#include <vector>

namespace uaoe::tools {

template <class Options>
Options parsed(const std::vector<std::string>& arguments) {
    const auto result = parse_command_line(arguments);
    REQUIRE(result.has_value());
    REQUIRE(std::holds_alternative<Options>(*result));
    return std::get<Options>(*result);
}

inline std::string refusal(const std::vector<std::string>& arguments) {
    const auto result = parse_command_line(arguments);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().exit_code == ExitCode::usage);
    CHECK(result.error().output.empty());
    CHECK_FALSE(result.error().error.empty());
    CHECK(std::ranges::count(result.error().error, '\n') == 0);
    return result.error().error;
}

inline bool contains(const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
}

} // namespace uaoe::tools
