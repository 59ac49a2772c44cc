// The interfaces that uaoed uses, those that come later among them.
#include "tools/daemon/daemon_state.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace uaoe::tools {

// Interfaces that were named are followed by the shards themselves.
void Daemon::State::watch_interfaces() {
    auto watch = InterfaceWatch::start(
        context_, [this](const std::vector<Interface>& settled) { update_interfaces(settled); });
    if (watch) {
        interface_watch_ = std::move(*watch);
    } else {
        write_log(failure_line(watch.error(), LogKind::process,
                               "those that are up now are used, and those that are named"));
    }
}

void Daemon::State::update_interfaces(const std::vector<Interface>& settled) {
    const std::vector<Interface> before = hosts_.front()->interfaces();
    std::vector<Interface> interfaces; // without names those that are up would be found
    if (!before.empty()) {
        interfaces = find_interfaces(names_of(before));
    }
    for (std::size_t i = 0; i < before.size(); ++i) {
        if (interfaces[i].mac == proto::MacAddress{}) { // it is gone, for now at least
            interfaces[i].mac = before[i].mac;
        }
    }
    if (interfaces_wanted().empty()) {
        for (const Interface& found : settled) {
            if (std::ranges::find(interfaces, found.name, &Interface::name) != interfaces.end()) {
                continue;
            }
            if (interfaces.size() == hosts_.front()->shard().interfaces_count_max()) {
                if (!std::exchange(too_many_interfaces_told_, true)) {
                    say(LogLevel::warning,
                        fmt::format("{} is not used: {} interfaces are; name those of the SAN in "
                                    "the configuration",
                                    found.name, interfaces.size()));
                }
                break;
            }
            interfaces.push_back(found);
            write_log({.level = LogLevel::notice,
                       .text = "interface " + found.name + " has come up; it is used, too",
                       .interface = found.name});
        }
    }
    for (const auto& host : hosts_) {
        host->set_interfaces(interfaces);
    }
}

} // namespace uaoe::tools
