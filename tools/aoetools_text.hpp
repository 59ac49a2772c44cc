// What the names of aoetools print. Pure functions.
#pragma once

#include "proto/address.hpp"
#include "proto/frame.hpp"
#include "proto/wire.hpp"
#include "tools/san_check.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace uaoe::tools {

// Of the array of `uaoe list --json`: a line for each LUN, in the columns of aoe-stat, sorted as
// sort(1) does in the locale C. A size in decimal gigabytes, cut behind three digits; what is not
// known is "(NA)". The payload is the most that one of its paths carries. Nothing: it is no such
// array.
[[nodiscard]] std::optional<std::string> aoe_stat_text(std::string_view list_json);

// The lines of `text` that match a basic regular expression, as grep prints them; nothing: it is
// none.
[[nodiscard]] std::optional<std::string> matching_lines(const std::string& text,
                                                        const std::string& pattern);

// The three lines of aoe-version, of the aoetools that the names stand for, and one of uaoe. Empty:
// not known.
[[nodiscard]] std::string aoe_version_text(std::string_view installed_driver,
                                           std::string_view running_driver, std::string_view uaoe);

// An Ethernet interface of aoe-sancheck, up or not.
struct SancheckInterface {
    std::string name;
    bool is_up = false;
    std::uint32_t mtu_bytes = 0;
    std::string pci_id; // "8086:1533"; empty: it is none of PCI
};
// The first of its tables; the second one, with what does not fit below each device; and, for -v,
// for each interface who answers there and how many sectors were proven.
[[nodiscard]] std::string sancheck_interfaces_text(const std::vector<SancheckInterface>& list);
[[nodiscard]] std::string sancheck_devices_text(const SanReport& report);
[[nodiscard]] std::string sancheck_raw_text(const std::vector<SancheckInterface>& list,
                                            const SanReport& report);

// Sixteen octets a line, a space behind each.
[[nodiscard]] std::string octets_text(proto::ConstBytes bytes);

// aoeping -I; `words`: 512 bytes of IDENTIFY data.
[[nodiscard]] std::string identify_fields_text(proto::ConstBytes words);

// The registers of an answer to aoeping -S.
[[nodiscard]] std::string registers_text(const proto::AtaFields& answer);

// A line of aoecfg; with `with_address` the address is before it.
[[nodiscard]] std::string config_line(const proto::Frame& answer, std::string_view string,
                                      bool with_address);

} // namespace uaoe::tools
