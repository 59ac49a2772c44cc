// Bytes as readable text, for literals in tests: hex digits, spaces ignored, "5a*512" repeats.
#pragma once

#include "proto/wire.hpp"

#include <charconv>
#include <cstddef>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace uaoe::target::test {

inline std::vector<std::byte> from_hex(std::string_view text) {
    std::vector<std::byte> bytes;
    std::istringstream words{std::string(text)};
    for (std::string word; words >> word;) {
        const auto star = word.find('*');
        std::size_t times = 1;
        if (star != std::string::npos) {
            times = std::stoul(word.substr(star + 1));
            word.resize(star);
        }
        UAOE_ASSERT(word.size() % 2 == 0);
        for (std::size_t time = 0; time < times; ++time) {
            for (std::size_t i = 0; i < word.size(); i += 2) {
                unsigned value = 0;
                const auto [end, error] =
                    std::from_chars(word.data() + i, word.data() + i + 2, value, 16);
                UAOE_ASSERT(error == std::errc{} && end == word.data() + i + 2);
                bytes.push_back(static_cast<std::byte>(value));
            }
        }
    }
    return bytes;
}

// The same way round: runs of 8 and more are shortened.
inline std::string to_hex(proto::ConstBytes bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    constexpr std::size_t run_min = 8;
    std::string text;
    bool needs_space = false;
    for (std::size_t i = 0; i < bytes.size();) {
        std::size_t run = 1;
        while (i + run < bytes.size() && bytes[i + run] == bytes[i]) {
            ++run;
        }
        const auto value = std::to_integer<unsigned>(bytes[i]);
        const std::string octet{digits[value >> 4U], digits[value & 0xfU]};
        if (run >= run_min) {
            text += (text.empty() ? "" : " ") + octet + "*" + std::to_string(run);
            needs_space = true;
            i += run;
        } else {
            text += (needs_space ? " " : "") + octet;
            needs_space = false;
            ++i;
        }
    }
    return text;
}

} // namespace uaoe::target::test
