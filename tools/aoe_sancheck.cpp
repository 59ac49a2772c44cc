// aoe-sancheck: the interfaces, and then what `uaoe check` finds out, in its words.
#include "tools/aoetools.hpp"
#include "tools/aoetools_text.hpp"
#include "tools/output.hpp"
#include "tools/san_survey.hpp"
#include "tools/whole_file.hpp"

#include <algorithm>
#include <charconv>
#include <memory>
#include <net/if.h>
#include <net/if_arp.h>

namespace uaoe::tools {

namespace {

using namespace std::chrono_literals;

// A line of a file of the interface's in sysfs; empty: there is none.
std::string attribute(const std::string& interface, const char* name) {
    constexpr std::size_t bytes_max = 4096;
    const auto text = read_whole_file("/sys/class/net/" + interface + "/" + name, bytes_max);
    return text ? text->substr(0, text->find('\n')) : std::string();
}

std::uint32_t number_of(std::string_view text, int base = 10) {
    if (base == 16 && text.starts_with("0x")) {
        text.remove_prefix(2);
    }
    std::uint32_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number, base);
    return number;
}

std::string without_0x(const std::string& text) {
    return text.starts_with("0x") ? text.substr(2) : text;
}

// Every Ethernet interface of the host, by name.
std::vector<SancheckInterface> ethernet_interfaces() {
    const std::unique_ptr<struct if_nameindex, decltype(&if_freenameindex)> names(if_nameindex(),
                                                                                  if_freenameindex);
    std::vector<SancheckInterface> list;
    for (const auto* entry = names.get(); entry != nullptr && entry->if_index != 0; ++entry) {
        const std::string name = entry->if_name;
        const std::uint32_t flags = number_of(attribute(name, "flags"), 16);
        if (number_of(attribute(name, "type")) != ARPHRD_ETHER ||
            (flags & (IFF_LOOPBACK | IFF_NOARP)) != 0) {
            continue;
        }
        const std::string vendor = attribute(name, "device/vendor");
        const std::string device = attribute(name, "device/device");
        list.push_back(
            {.name = name,
             .is_up = (flags & IFF_UP) != 0,
             .mtu_bytes = number_of(attribute(name, "mtu")),
             .pci_id = vendor.empty() ? "" : without_0x(vendor) + ":" + without_0x(device)});
    }
    std::ranges::sort(list, {}, &SancheckInterface::name);
    return list;
}

} // namespace

CommandResult run_aoe_sancheck(const AoeSancheckOptions& options) {
    if (auto written = write_output("Probing..."); !written) {
        return std::unexpected(written.error());
    }
    const std::vector<SancheckInterface> interfaces = ethernet_interfaces();
    SanReport report;
    if (std::ranges::any_of(interfaces, &SancheckInterface::is_up)) {
        auto found =
            survey_san({.interfaces = {}, .address = std::nullopt, .wait = 3s, .is_quiet = true});
        if (!found) {
            static_cast<void>(write_output("\n"));
            return std::unexpected(found.error());
        }
        report = std::move(*found);
    }
    const auto written = write_output(
        "done.\n" + sancheck_interfaces_text(interfaces) + sancheck_devices_text(report) +
        (options.verbose ? sancheck_raw_text(interfaces, report) : std::string()));
    if (!written) {
        return std::unexpected(written.error());
    }
    return ExitCode::done;
}

} // namespace uaoe::tools
