// The formats of aoetools, as scripts expect them.
#include "tools/aoetools_text.hpp"

#include "tools/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <memory>
#include <regex.h>
#include <set>
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

constexpr std::string_view rule = "==========================================\n";

// The interfaces that reach it, each once, by name.
std::vector<std::size_t> interfaces_reaching(const SanReport& report, const CheckedTarget& target) {
    std::vector<std::size_t> indexes;
    for (const CheckedPath& path : target.paths) {
        if (std::ranges::find(indexes, path.interface_index) == indexes.end()) {
            indexes.push_back(path.interface_index);
        }
    }
    std::ranges::sort(indexes, {}, [&](std::size_t i) { return report.interfaces[i].name; });
    return indexes;
}

std::string mac_digits(const proto::MacAddress& mac) {
    std::string text;
    for (const std::uint8_t octet : mac.octets) {
        text += fmt::format("{:02x}", octet);
    }
    return text;
}

// What does not fit on one of the interfaces that reach a target.
std::string interface_warnings(const SanReport& report, const CheckedTarget& target,
                               std::size_t index) {
    const CheckedInterface& interface = report.interfaces[index];
    const std::string name = visible_text(interface.name);
    std::uint32_t mtu_max_bytes = 0;
    std::string text;
    bool is_too_small = false;
    for (const CheckedPath& path : target.paths) {
        mtu_max_bytes = std::max(mtu_max_bytes, report.interfaces[path.interface_index].mtu_bytes);
        if (path.interface_index != index) {
            continue;
        }
        is_too_small |= path.mtu_payload_bytes < path.advertised_bytes;
        if (path.is_proven && path.payload_bytes < path.mtu_payload_bytes) {
            text += fmt::format("   The path {}->{} is only capable of {} byte payloads\n", name,
                                mac_digits(path.target_mac), path.payload_bytes);
        }
    }
    if (is_too_small) {
        text += fmt::format("   {}: MTU ({}) not set optimally for device's capable payload\n",
                            name, interface.mtu_bytes);
    }
    if (interface.mtu_bytes < mtu_max_bytes) {
        text += fmt::format("   {}: MTU different from other interfaces ({} vs. {})\n", name,
                            interface.mtu_bytes, mtu_max_bytes);
    }
    return text;
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

std::optional<std::string> aoe_stat_text(std::string_view list_json) {
    const Json entries = Json::parse(list_json, nullptr, false);
    if (!entries.is_array()) {
        return std::nullopt;
    }
    std::vector<std::string> lines;
    try {
        for (const Json& entry : entries) {
            lines.push_back(line_of(entry));
        }
    } catch (const Json::exception&) {
        return std::nullopt; // a uaoed of another version
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

std::string aoe_version_text(std::string_view installed_driver, std::string_view running_driver,
                             std::string_view uaoe) {
    constexpr std::string_view aoetools_version = "36"; // of Debian, whose output these names have
    std::string text;
    const auto line = [&](std::string_view name, std::string_view version) {
        text += fmt::format("{:>22}:\t{}\n", name,
                            version.empty() ? "(unknown)" : visible_text(version));
    };
    line("aoetools", aoetools_version);
    line("installed aoe driver", installed_driver);
    line("running aoe driver", running_driver);
    line("uaoe", uaoe);
    return text;
}

std::string sancheck_interfaces_text(const std::vector<SancheckInterface>& list) {
    std::string text =
        fmt::format("{}INTERFACE SUMMARY\n{}Name\tStatus\tMTU\tPCI ID\n", rule, rule);
    for (const SancheckInterface& one : list) {
        text += fmt::format("{}\t{}\t{}\t{}\n", visible_text(one.name), one.is_up ? "UP" : "DN",
                            one.mtu_bytes, one.pci_id);
    }
    return text;
}

std::string sancheck_devices_text(const SanReport& report) {
    std::string text =
        fmt::format("{}DEVICE SUMMARY\n{}Device\tMacs\tPayload\tLocal Interfaces\n", rule, rule);
    for (const CheckedTarget& target : report.targets) {
        std::set<proto::MacAddress> macs;
        std::uint32_t payload_bytes = 0;
        for (const CheckedPath& path : target.paths) {
            macs.insert(path.target_mac);
            payload_bytes = std::max(payload_bytes, path.advertised_bytes);
        }
        const auto reaching = interfaces_reaching(report, target);
        std::string names;
        for (const std::size_t index : reaching) {
            names += (names.empty() ? "" : ",") + visible_text(report.interfaces[index].name);
        }
        text += fmt::format("e{}\t{:>4}\t{}\t{}\n", proto::to_string(target.address), macs.size(),
                            payload_bytes, names);
        if (reaching.size() != macs.size()) {
            text += "   Mismatched number of local vs remote interfaces\n";
        }
        for (const std::size_t index : reaching) {
            text += interface_warnings(report, target, index);
        }
    }
    return text;
}

std::string sancheck_raw_text(const std::vector<SancheckInterface>& list, const SanReport& report) {
    std::string text;
    for (const SancheckInterface& one : list) {
        text += visible_text(one.name) + ":\n";
        for (const CheckedTarget& target : report.targets) {
            for (const CheckedPath& path : target.paths) {
                if (report.interfaces[path.interface_index].name == one.name) {
                    text += fmt::format("e{} {} {}\n", proto::to_string(target.address),
                                        mac_digits(path.target_mac), path.payload_bytes / 512);
                }
            }
        }
        text += "\n";
    }
    return text;
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
