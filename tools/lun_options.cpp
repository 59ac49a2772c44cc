// The words for front ends.
#include "tools/lun_options.hpp"

#include <array>
#include <utility>

namespace uaoe::tools {

namespace {

constexpr std::array<std::pair<FrontEndKind, std::string_view>, 4> front_end_texts{{
    {FrontEndKind::automatic, "auto"},
    {FrontEndKind::ublk, "ublk"},
    {FrontEndKind::nbd, "nbd"},
    {FrontEndKind::socket, "export"},
}};

} // namespace

std::string_view front_end_text(FrontEndKind kind) {
    for (const auto& [known, text] : front_end_texts) {
        if (known == kind) {
            return text;
        }
    }
    return "?";
}

std::optional<FrontEndKind> parse_front_end(std::string_view text) {
    for (const auto& [kind, known] : front_end_texts) {
        if (known == text) {
            return kind;
        }
    }
    return std::nullopt;
}

} // namespace uaoe::tools
