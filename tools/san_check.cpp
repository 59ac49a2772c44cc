// The rules of `uaoe check`, one function for each kind of fault.
#include "tools/san_check.hpp"

#include "tools/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <map>
#include <set>

namespace uaoe::tools {

namespace {

using initiator::PathState;
using initiator::TargetState;

// Findings as they come; those that say the same of several targets become one.
class Findings {
  public:
    void add(Finding finding) {
        const auto same = std::ranges::find_if(found_, [&](const Finding& other) {
            return other.kind == finding.kind && other.what == finding.what &&
                   other.interface == finding.interface;
        });
        if (same == found_.end()) {
            found_.push_back(std::move(finding));
            return;
        }
        for (const proto::Address address : finding.addresses) {
            if (std::ranges::find(same->addresses, address) == same->addresses.end()) {
                same->addresses.push_back(address);
            }
        }
    }
    std::vector<Finding> take() { return std::move(found_); }

  private:
    std::vector<Finding> found_;
};

bool carries(const CheckedPath& path) {
    return path.state == PathState::up;
}

std::set<std::size_t> interfaces_of(const CheckedTarget& target) {
    std::set<std::size_t> indexes;
    for (const CheckedPath& path : target.paths) {
        if (carries(path)) {
            indexes.insert(path.interface_index);
        }
    }
    return indexes;
}

void check_interfaces(const SanReport& report, Findings& findings) {
    std::set<std::size_t> reaching;
    for (const CheckedTarget& target : report.targets) {
        for (const CheckedPath& path : target.paths) {
            reaching.insert(path.interface_index);
        }
    }
    for (std::size_t i = 0; i < report.interfaces.size(); ++i) {
        const CheckedInterface& interface = report.interfaces[i];
        if (!interface.is_up) {
            findings.add({.kind = "interface_down",
                          .interface = interface.name,
                          .what = "it is down, or has no carrier",
                          .advice = fmt::format("`ip link set {} up`; check its cable and its "
                                                "switch port",
                                                interface.name)});
        } else if (interface.is_named && !reaching.contains(i)) {
            findings.add({.kind = "nothing_reached",
                          .interface = interface.name,
                          .what = "no target answers there",
                          .advice = "check its cable, its switch port and the VLAN"});
        }
    }
}

void check_state(const CheckedTarget& target, Findings& findings) {
    const auto add = [&](std::string_view kind, const char* what, const char* advice) {
        findings.add({.kind = kind, .addresses = {target.address}, .what = what, .advice = advice});
    };
    switch (target.state) {
    case TargetState::ready:
        break;
    case TargetState::identifying:
    case TargetState::mute:
        add("mute", "it answers Query Config, and never IDENTIFY",
            "check the target's log, and whether its disk works");
        break;
    case TargetState::reserved:
        add("reserved", "another initiator has it reserved",
            "`uaoe reserve get ADDR` says for whom");
        break;
    case TargetState::unavailable:
        add("unavailable", "it says that its disk is unavailable",
            "check the disk in that slot of the target");
        break;
    case TargetState::failed:
        add("failed", "it does not answer IDENTIFY with anything usable",
            "check the target's log, and whether its disk works");
        break;
    }
}

void check_conflict(const SanReport& report, const CheckedTarget& target, Findings& findings) {
    const auto place = [&](const CheckedPath& path) {
        return fmt::format("{} on {}", proto::to_string(path.target_mac),
                           report.interfaces[path.interface_index].name);
    };
    const auto known = std::ranges::find_if(target.paths, carries);
    for (const CheckedPath& path : target.paths) {
        if (path.state != PathState::conflict) {
            continue;
        }
        findings.add({.kind = "conflict",
                      .addresses = {target.address},
                      .what = fmt::format(
                          "two different disks have this address: serial {} at {}, {} at {}",
                          visible_text(target.serial),
                          known == target.paths.end() ? "another MAC" : place(*known),
                          path.other_serial.empty() ? "another one"
                                                    : "serial " + visible_text(path.other_serial),
                          place(path)),
                      .advice = "give one of them another shelf or slot; until then only one of "
                                "them is used, by chance"});
    }
}

void check_buffers(const CheckedTarget& target, Findings& findings) {
    for (const CheckedPath& path : target.paths) {
        if (path.buffer_count <= 1) {
            findings.add({.kind = "few_buffers",
                          .addresses = {target.address},
                          .what = fmt::format("it advertises a buffer count of {}: one command at "
                                              "a time",
                                              path.buffer_count),
                          .advice = "raise it at the target (vblade: -b 16); the kernel's driver "
                                    "would never send it anything"});
        }
    }
}

void check_payload(const SanReport& report, const CheckedTarget& target, Findings& findings) {
    for (const CheckedPath& path : target.paths) {
        if (!carries(path)) {
            continue;
        }
        const CheckedInterface& interface = report.interfaces[path.interface_index];
        const std::uint32_t allowed_bytes = std::min(path.mtu_payload_bytes, path.advertised_bytes);
        const auto add = [&](std::string_view kind, std::string what, std::string advice) {
            findings.add({.kind = kind,
                          .addresses = {target.address},
                          .interface = interface.name,
                          .what = std::move(what),
                          .advice = std::move(advice)});
        };
        if (!path.is_proven) {
            add("payload_unproven",
                fmt::format("probes of {} bytes got no clear answer", allowed_bytes),
                "frames are lost on the way: `uaoe ping` shows how many");
        } else if (path.payload_bytes < allowed_bytes) {
            add("payload_limited",
                fmt::format("only {} bytes of {} pass a frame", path.payload_bytes, allowed_bytes),
                fmt::format("a switch on the way drops large frames: enable jumbo frames on each "
                            "of its ports, or lower the MTU of {}",
                            interface.name));
        }
        if (path.mtu_payload_bytes < path.advertised_bytes) {
            add("mtu_mismatch",
                fmt::format("its MTU of {} carries {} bytes, and the target takes {}",
                            interface.mtu_bytes, path.mtu_payload_bytes, path.advertised_bytes),
                fmt::format("`ip link set {} mtu 9000`, where all switches have jumbo frames",
                            interface.name));
        } else if (path.advertised_bytes * 2 <= path.mtu_payload_bytes) {
            add("mtu_mismatch",
                fmt::format("its MTU of {} carries {} bytes, and the target takes only {}",
                            interface.mtu_bytes, path.mtu_payload_bytes, path.advertised_bytes),
                "raise the MTU at the target, where all switches have jumbo frames");
        }
    }
}

void check_paths(const SanReport& report, const CheckedTarget& target, Findings& findings) {
    std::set<proto::MacAddress> macs;
    std::map<std::uint32_t, std::set<std::string>> payloads; // which interfaces carry how much
    for (const CheckedPath& path : target.paths) {
        if (carries(path)) {
            macs.insert(path.target_mac);
            payloads[path.payload_bytes].insert(report.interfaces[path.interface_index].name);
        } else if (path.state != PathState::conflict && target.state == TargetState::ready) {
            findings.add({.kind = "path_silent",
                          .addresses = {target.address},
                          .interface = report.interfaces[path.interface_index].name,
                          .what = fmt::format("the path to {} has stopped answering",
                                              proto::to_string(path.target_mac)),
                          .advice = "check the cable and the target's port"});
        }
    }
    const std::size_t interfaces_count = interfaces_of(target).size();
    if (interfaces_count != macs.size()) {
        findings.add({.kind = "uneven_paths",
                      .addresses = {target.address},
                      .what = fmt::format("{} here reach {} of the target",
                                          interfaces_count == 1
                                              ? std::string("1 interface")
                                              : fmt::format("{} interfaces", interfaces_count),
                                          macs.size() == 1 ? std::string("1 port")
                                                           : fmt::format("{} ports", macs.size())),
                      .advice = "the side with fewer is the bottleneck: connect as many on both, "
                                "or bond them"});
    }
    if (payloads.size() > 1) {
        std::string text;
        for (const auto& [payload_bytes, names] : payloads) {
            text += fmt::format("{}{} bytes on {}", text.empty() ? "" : ", ", payload_bytes,
                                list_text({names.begin(), names.end()}));
        }
        findings.add({.kind = "uneven_payload",
                      .addresses = {target.address},
                      .what = "its paths do not carry the same: " + text,
                      .advice = "give all of them the same MTU; the kernel's driver would use the "
                                "smallest for all"});
    }
}

// Interfaces on which others of its shelf are reached, and it is not.
void check_missing_paths(const SanReport& report, Findings& findings) {
    std::map<std::uint16_t, std::set<std::size_t>> of_shelf;
    for (const CheckedTarget& target : report.targets) {
        of_shelf[target.address.shelf].merge(interfaces_of(target));
    }
    for (const CheckedTarget& target : report.targets) {
        const auto own = interfaces_of(target);
        if (own.empty()) {
            continue;
        }
        for (const std::size_t index : of_shelf[target.address.shelf]) {
            if (!own.contains(index)) {
                findings.add({.kind = "missing_path",
                              .addresses = {target.address},
                              .interface = report.interfaces[index].name,
                              .what = "it is not reached there, and others of its shelf are",
                              .advice = "check whether the target serves it on that port, and its "
                                        "MAC mask list"});
            }
        }
    }
}

std::string addresses_text(const std::vector<proto::Address>& addresses) {
    constexpr std::size_t shown_max = 5;
    std::string text;
    for (std::size_t i = 0; i < std::min(addresses.size(), shown_max); ++i) {
        text += (i == 0 ? "" : ", ") + proto::to_string(addresses[i]);
    }
    if (addresses.size() > shown_max) {
        text += fmt::format(" and {} more", addresses.size() - shown_max);
    }
    return text;
}

std::string finding_text(const Finding& finding, std::size_t columns_max) {
    std::string place = addresses_text(finding.addresses);
    if (!finding.interface.empty()) {
        place += (place.empty() ? "" : " on ") + finding.interface;
    }
    constexpr std::string_view indent = "    ";
    return wrapped_text(visible_text(place) + ": " + finding.what, columns_max, "", "  ") +
           wrapped_text(finding.advice, columns_max, indent, indent);
}

} // namespace

std::vector<Finding> find_faults(const SanReport& report) {
    Findings findings;
    check_interfaces(report, findings);
    for (const CheckedTarget& target : report.targets) {
        check_state(target, findings);
        check_conflict(report, target, findings);
        check_buffers(target, findings);
        if (target.state == TargetState::ready) {
            check_payload(report, target, findings);
            check_paths(report, target, findings);
        }
    }
    if (report.is_whole) {
        check_missing_paths(report, findings);
    }
    return findings.take();
}

std::string check_text(const SanReport& report, const std::vector<Finding>& findings,
                       std::size_t columns_max) {
    Table interfaces({{.title = "INTERFACE"},
                      {.title = "STATE"},
                      {.title = "MTU", .align = Table::Align::right},
                      {.title = "TARGETS", .align = Table::Align::right}});
    for (std::size_t i = 0; i < report.interfaces.size(); ++i) {
        const auto reached = std::ranges::count_if(report.targets, [&](const auto& target) {
            return std::ranges::find(target.paths, i, &CheckedPath::interface_index) !=
                   target.paths.end();
        });
        const CheckedInterface& interface = report.interfaces[i];
        interfaces.add_row({visible_text(interface.name), interface.is_up ? "up" : "down",
                            std::to_string(interface.mtu_bytes), std::to_string(reached)});
    }
    Table paths({{.title = "ADDRESS"},
                 {.title = "INTERFACE"},
                 {.title = "TARGET MAC"},
                 {.title = "STATE"},
                 {.title = "PAYLOAD", .align = Table::Align::right},
                 {.title = "BUFFERS", .align = Table::Align::right}});
    for (const CheckedTarget& target : report.targets) {
        for (const CheckedPath& path : target.paths) {
            const bool is_used = carries(path) && target.state == TargetState::ready;
            paths.add_row(
                {proto::to_string(target.address),
                 visible_text(report.interfaces[path.interface_index].name),
                 proto::to_string(path.target_mac),
                 std::string(target.state == TargetState::ready ? path_state_text(path.state)
                                                                : target_state_text(target.state)),
                 fmt::format("{}/{}",
                             is_used && path.is_proven ? std::to_string(path.payload_bytes) : "?",
                             std::min(path.mtu_payload_bytes, path.advertised_bytes)),
                 std::to_string(path.buffer_count)});
        }
    }
    std::string text = interfaces.to_text(columns_max) + "\n" + paths.to_text(columns_max) + "\n";
    for (const Finding& finding : findings) {
        text += finding_text(finding, columns_max);
    }
    return text + (findings.empty()       ? "nothing is wrong\n"
                   : findings.size() == 1 ? "1 finding\n"
                                          : fmt::format("{} findings\n", findings.size()));
}

} // namespace uaoe::tools
