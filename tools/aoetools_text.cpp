// The formats of aoetools, as scripts expect them.
#include "tools/aoetools_text.hpp"

#include "tools/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <memory>
#include <regex.h>
#include <vector>

namespace uaoe::tools {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* not_known = "(NA)";

std::string size_of(std::uint64_t bytes) {
    constexpr std::uint64_t mega = 1'000'000;
    const std::uint64_t megabytes = bytes / mega;
    return bytes == 0 ? not_known : fmt::format("{}.{:03}GB", megabytes / 1000, megabytes % 1000);
}

std::string interfaces_of(const Json& entry) {
    std::string text;
    for (const Json& name : entry.at("interfaces")) {
        text += (text.empty() ? "" : ",") + visible_text(name.get<std::string>());
    }
    return text.empty() ? not_known : text;
}

std::string line_of(const Json& entry) {
    const auto payload_bytes = entry.at("payload_bytes").get<std::uint64_t>();
    const std::string state = entry.at("state").get<std::string>();
    // A target that is silent is still asked, and its requests wait: to the kernel's driver, too,
    // that is "up".
    const bool is_up = state == "up" || state == "silent";
    return fmt::format("{:>10} {:>15} {:>10} {:<5} {:<14}\n",
                       "e" + visible_text(entry.at("address").get<std::string>()),
                       size_of(entry.at("size_bytes").get<std::uint64_t>()), interfaces_of(entry),
                       payload_bytes == 0 ? not_known : std::to_string(payload_bytes),
                       is_up ? "up" : "down");
}

// Octets of ATA text come in pairs that are swapped.
std::string ata_text(proto::ConstBytes words, std::size_t first_word, std::size_t words_count) {
    std::string text;
    for (std::size_t i = 0; i < words_count; ++i) {
        text += static_cast<char>(words[2 * (first_word + i) + 1]);
        text += static_cast<char>(words[2 * (first_word + i)]);
    }
    std::ranges::replace(text, '\0', ' ');
    return visible_text(text);
}

unsigned word_of(proto::ConstBytes words, std::size_t index) {
    return std::to_integer<unsigned>(words[2 * index]) |
           (std::to_integer<unsigned>(words[2 * index + 1]) << 8U);
}

} // namespace

std::string aoe_stat_text(std::string_view list_json) {
    const Json entries = Json::parse(list_json, nullptr, false);
    if (!entries.is_array()) {
        return {};
    }
    std::vector<std::string> lines;
    try {
        for (const Json& entry : entries) {
            lines.push_back(line_of(entry));
        }
    } catch (const Json::exception&) {
        return {}; // a uaoed of another version
    }
    std::ranges::sort(lines);
    std::string text;
    for (const std::string& line : lines) {
        text += line;
    }
    return text;
}

std::optional<std::string> matching_lines(const std::string& text, const std::string& pattern) {
    regex_t compiled{};
    if (regcomp(&compiled, pattern.c_str(), REG_NOSUB) != 0) {
        return std::nullopt;
    }
    const std::unique_ptr<regex_t, decltype(&regfree)> owner(&compiled, regfree);
    std::string matching;
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t end = text.find('\n', at);
        const std::string line = text.substr(at, end - at);
        if (regexec(&compiled, line.c_str(), 0, nullptr, 0) == 0) {
            matching += line + "\n";
        }
        at = end == std::string::npos ? text.size() : end + 1;
    }
    return matching;
}

std::string octets_text(proto::ConstBytes bytes) {
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        text += fmt::format("{:02x} ", std::to_integer<unsigned>(bytes[i]));
        text += (i % 16 == 15 || i + 1 == bytes.size()) ? "\n" : "";
    }
    return text;
}

std::string identify_fields_text(proto::ConstBytes words) {
    std::string text;
    constexpr std::size_t vendor_specific_first = 7;
    for (std::size_t i = 0; i < 3; ++i) {
        text += fmt::format("vendor_specific_{}: 0x{:X}\n", i,
                            word_of(words, vendor_specific_first + i));
    }
    return text + fmt::format("serial_number: {}\nfirmware_rev: {}\nmodel: {}\n",
                              ata_text(words, 10, 10), ata_text(words, 23, 4),
                              ata_text(words, 27, 20));
}

std::string registers_text(const proto::AtaFields& answer) {
    std::string text = "ATA registers:\n";
    const auto line = [&](const char* name, std::uint64_t octet) {
        text += fmt::format("{:>20}: 0x{:02x}\n", name, octet & 0xffU);
    };
    line("Features", answer.error_feature);
    line("Sector Count", answer.sector_count);
    line("LBA Low", answer.lba.value);
    line("LBA Mid", answer.lba.value >> 8U);
    line("LBA High", answer.lba.value >> 16U);
    line("Status", answer.command_status);
    return text;
}

std::string config_line(const proto::Frame& answer, std::string_view string, bool with_address) {
    constexpr std::array errors = {"*GOK*",    "*badcmd*", "*badarg*",
                                   "*baddev*", "*badcfg*", "*badvers*"};
    const auto error = static_cast<std::size_t>(answer.error);
    const std::string text = !answer.is_error        ? visible_text(string)
                             : error < errors.size() ? std::string(errors.at(error))
                                                     : fmt::format("*error {}*", error);
    return (with_address ? fmt::format("{}\t", proto::to_string(answer.address)) : "") + text +
           "\n";
}

} // namespace uaoe::tools
