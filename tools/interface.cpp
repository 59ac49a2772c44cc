// Interfaces by getifaddrs(3): it lists each one once with its link-layer address.
#include "tools/interface.hpp"

#include <algorithm>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <memory>
#include <net/if.h>
#include <net/if_arp.h>
#include <optional>
#include <unistd.h>

namespace uaoe::tools {

namespace {

struct Link {
    Interface interface;
    unsigned flags = 0;
    bool is_ethernet = false;
};

std::vector<Link> list_links() {
    ifaddrs* first = nullptr;
    if (getifaddrs(&first) != 0) {
        return {};
    }
    const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(first, freeifaddrs);
    std::vector<Link> links;
    for (const ifaddrs* entry = first; entry != nullptr; entry = entry->ifa_next) {
        if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != AF_PACKET) {
            continue;
        }
        const void* untyped = entry->ifa_addr;
        const auto& address = *static_cast<const sockaddr_ll*>(untyped);
        Link link{.interface = {.name = entry->ifa_name, .mac = {}},
                  .flags = entry->ifa_flags,
                  .is_ethernet = address.sll_hatype == ARPHRD_ETHER};
        if (address.sll_halen == link.interface.mac.octets.size()) {
            std::copy_n(address.sll_addr, link.interface.mac.octets.size(),
                        link.interface.mac.octets.begin());
        }
        links.push_back(std::move(link));
    }
    return links;
}

bool carries_own_traffic(const Link& link) {
    if (!link.is_ethernet || (link.flags & IFF_UP) == 0 ||
        (link.flags & (IFF_LOOPBACK | IFF_SLAVE)) != 0) {
        return false;
    }
    const std::string bridge_port = "/sys/class/net/" + link.interface.name + "/brport";
    return access(bridge_port.c_str(), F_OK) != 0;
}

} // namespace

std::vector<Interface> find_interfaces(const std::vector<std::string>& names) {
    const std::vector<Link> links = list_links();
    std::vector<Interface> found;
    if (names.empty()) {
        for (const Link& link : links) {
            if (carries_own_traffic(link)) {
                found.push_back(link.interface);
            }
        }
        return found;
    }
    for (const std::string& name : names) {
        const auto link = std::ranges::find_if(
            links, [&](const Link& one) { return one.interface.name == name; });
        found.push_back(link != links.end() ? link->interface : Interface{.name = name, .mac = {}});
    }
    return found;
}

bool is_interface_name(std::string_view name) {
    return !name.empty() && name.size() < IFNAMSIZ && name != "." && name != ".." &&
           name.find_first_of("/: \t\n\v\f\r") == std::string_view::npos;
}

std::vector<std::string> names_of(const std::vector<Interface>& interfaces) {
    std::vector<std::string> names;
    for (const Interface& interface : interfaces) {
        names.push_back(interface.name);
    }
    return names;
}

} // namespace uaoe::tools
