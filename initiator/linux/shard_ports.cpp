// Interfaces, and the links on them: opened, lost, and opened again.
#include "initiator/linux/packet_link.hpp"
#include "initiator/linux/shard_state.hpp"
#include "initiator/linux/xdp_link.hpp"

#include "proto/aoe.hpp"
#include "proto/assert.hpp"

#include <algorithm>
#include <set>
#include <sys/eventfd.h>

namespace uaoe::initiator {

namespace {

// A link that could not be opened is tried again then.
constexpr Duration reopen_interval = std::chrono::seconds{1};

// AF_XDP sockets that were closed have their queues until their polls have ended, which takes the
// ring a turn. A successor is opened then.
constexpr Duration polls_end_time = std::chrono::milliseconds{10};

Error usage_error(const std::string& interface_name, std::string why, std::string what_to_do) {
    return {.what = "cannot use interface " + interface_name,
            .why = std::move(why),
            .what_to_do = std::move(what_to_do)};
}

Error absent_error(const std::string& name) {
    return usage_error(name, "there is no such interface",
                       "`ip link` lists those of this network namespace");
}

std::optional<Error> refuse_kind(const std::string& name, const InterfaceState& state) {
    if (!state.is_ethernet) {
        return usage_error(name, "it is not an Ethernet interface", "name the NIC of the SAN");
    }
    if (state.is_bond_member) {
        return usage_error(name, "it is a member of a bond", "name the bond itself");
    }
    return std::nullopt;
}

std::optional<Error> refuse_interface(const std::string& name,
                                      const std::optional<InterfaceState>& state) {
    if (!state) {
        return absent_error(name);
    }
    if (auto refused = refuse_kind(name, *state)) {
        return refused;
    }
    if (proto::sectors_per_frame_of_mtu(state->port.mtu_bytes, 512) == 0) {
        return usage_error(
            name, "its MTU of " + std::to_string(state->port.mtu_bytes) + " carries no sector",
            "`ip link set " + name + " mtu 1500`, or 9000 on a jumbo SAN");
    }
    return std::nullopt;
}

std::optional<Error> down_error(const std::string& name, const InterfaceState& state) {
    if (!state.administratively_up) {
        return usage_error(name, "it is down", "`ip link set " + name + " up`");
    }
    if (!state.port.up) {
        return usage_error(name, "it has no carrier", "check its cable and its switch port");
    }
    return std::nullopt;
}

// Longer answers than its link can receive are not to be asked for; without a link, none.
PortState usable_state(PortState state, const Link* link) {
    state.up = state.up && link != nullptr;
    if (link != nullptr) {
        state.mtu_bytes = std::min(state.mtu_bytes, link->mtu_bytes_max());
    }
    return state;
}

LinkCounters sum_of(const LinkCounters& a, const LinkCounters& b) {
    return {.frames_received = a.frames_received + b.frames_received,
            .frames_sent = a.frames_sent + b.frames_sent,
            .frames_cut = a.frames_cut + b.frames_cut,
            .frames_foreign = a.frames_foreign + b.frames_foreign,
            .frames_dropped = a.frames_dropped + b.frames_dropped,
            .frames_unsendable = a.frames_unsendable + b.frames_unsendable};
}

Error with_advice(Error error, const std::string& advice) {
    error.what_to_do += (error.what_to_do.empty() ? "" : "; ") + advice;
    return error;
}

} // namespace

std::expected<void, Error> Shard::State::open_ports() {
    std::set<std::string> seen;
    for (const std::string& name : config.interfaces) {
        if (!seen.insert(name).second) {
            Error error = usage_error(name, "it is named twice", "name each interface once");
            error.exit_code = ExitCode::usage;
            return std::unexpected(error);
        }
    }
    if (config.interfaces.size() > config.engine.ports_count_max) {
        return std::unexpected(
            Error{.what = "too many interfaces",
                  .why = "at most " + std::to_string(config.engine.ports_count_max) + " are used",
                  .what_to_do = "name fewer",
                  .exit_code = ExitCode::usage});
    }
    auto opened = PortMonitor::open(config.interfaces);
    if (!opened) {
        return std::unexpected(opened.error());
    }
    monitor = std::move(*opened);
    for (std::size_t i = 0; i < config.interfaces.size(); ++i) {
        const std::string& name = config.interfaces[i];
        const auto& state = monitor->state(i);
        if (!state && config.interfaces_up == InterfacesUp::later) {
            interfaces_down.push_back(absent_error(name));
            continue;
        }
        if (auto refused = refuse_interface(name, state)) {
            return std::unexpected(*refused);
        }
        if (auto down = down_error(name, *state)) {
            interfaces_down.push_back(std::move(*down));
        }
        if (auto opened_link = open_link(i, *state); !opened_link) {
            return opened_link;
        }
        engine.handle_port(now, {static_cast<std::uint32_t>(i)},
                           usable_state(state->port, ports[i].link.get()));
    }
    const std::size_t down_count_max = config.interfaces_up == InterfacesUp::all ? 0
                                       : config.interfaces_up == InterfacesUp::one
                                           ? config.interfaces.size() - 1
                                           : config.interfaces.size();
    if (interfaces_down.size() > down_count_max) {
        return std::unexpected(interfaces_down.front());
    }
    monitor->set_handler([this](std::size_t index, const std::optional<InterfaceState>& state) {
        update_port(index, state);
    });
    monitor_poll.fd = monitor->fd();
    wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    UAOE_ASSERT(wake.fd >= 0);
    return {};
}

void Shard::State::add_port(const std::string& name) {
    UAOE_ASSERT(ports.size() < config.engine.ports_count_max);
    config.interfaces.push_back(name);
    ports.emplace_back();
    monitor->add(name);
    const std::size_t index = ports.size() - 1;
    update_port(index, monitor->state(index));
}

std::expected<void, Error> Shard::State::open_link(std::size_t index, const InterfaceState& state) {
    auto link = make_link(index, state);
    if (!link) {
        return std::unexpected(std::move(link.error()));
    }
    ShardPort& port = ports[index];
    port.link = std::move(*link);
    port.ifindex = state.ifindex;
    for (const int fd : port.link->fds()) {
        port.polls.push_back(std::make_unique<PollOperation>());
        port.polls.back()->fd = fd;
    }
    return {};
}

// A packet socket where AF_XDP cannot be had, which is told of.
std::expected<std::unique_ptr<Link>, Error> Shard::State::make_link(std::size_t index,
                                                                    const InterfaceState& state) {
    const std::string& name = config.interfaces[index];
    // An AF_XDP socket cannot be bound while the interface is down.
    ports[index].xdp_is_due = config.link == LinkKind::xdp && !state.administratively_up;
    if (config.link == LinkKind::xdp && state.administratively_up) {
        auto link = XdpLink::open({.interface_name = name,
                                   .ifindex = state.ifindex,
                                   .mac = state.port.mac,
                                   .mtu_bytes = state.port.mtu_bytes,
                                   .shard = config.engine.shard_index,
                                   .slots_count = config.ring_slots_count});
        if (link) {
            return link;
        }
        const Error told = with_advice(std::move(link.error()), "it has a packet socket instead");
        if (!handle_error) {
            links_replaced.push_back(told);
        } else if (!ports[index].failure_told) { // not at each try of a link that cannot be opened
            handle_error(told);
        }
    }
    return PacketLink::open(name, state.ifindex, config.engine.shard_index,
                            config.ring_slots_count);
}

void Shard::State::close_link(std::size_t index) {
    ShardPort& port = ports[index];
    // A poll that is under way keeps the operation's address, and the socket open, until it ends.
    for (auto& poll : port.polls) {
        if (poll->armed) {
            poll->cancel(ring);
            retired_polls.push_back(std::move(poll));
        }
    }
    port.polls.clear();
    port.of_closed_links = sum_of(port.of_closed_links, port.link->counters());
    port.link.reset();
}

std::vector<PortStatus> Shard::State::port_statuses() {
    std::vector<PortStatus> statuses;
    for (std::size_t i = 0; i < ports.size(); ++i) {
        const ShardPort& port = ports[i];
        const auto& state = monitor->state(i);
        statuses.push_back({.interface = config.interfaces[i],
                            .up = state && usable_state(state->port, port.link.get()).up,
                            .mtu_bytes = state ? state->port.mtu_bytes : 0,
                            .frames = port.link
                                          ? sum_of(port.of_closed_links, port.link->counters())
                                          : port.of_closed_links});
    }
    return statuses;
}

// Up now, or with an MTU now that the link cannot receive and another could.
bool Shard::State::wants_another_link(std::size_t index, const InterfaceState& state) const {
    const ShardPort& port = ports[index];
    return (port.xdp_is_due && state.administratively_up) ||
           (state.port.mtu_bytes > port.link->mtu_bytes_max() &&
            port.link->mtu_bytes_max() < PacketLink::slot_mtu_bytes);
}

// The cause of a failure (no memory, no descriptor left) sends no news when it is over.
void Shard::State::reopen_link(std::size_t index, const InterfaceState& state) {
    ShardPort& port = ports[index];
    if (const auto opened = open_link(index, state)) {
        port.failure_told = false;
    } else {
        port.reopen_at = now + reopen_interval;
        if (!std::exchange(port.failure_told, true) && handle_error) {
            handle_error(with_advice(opened.error(), "it is tried again every second"));
        }
    }
}

void Shard::State::reopen_due_links() {
    for (std::size_t i = 0; i < ports.size(); ++i) {
        if (ports[i].reopen_at <= now) {
            update_port(i, monitor->state(i));
        }
    }
}

void Shard::State::update_port(std::size_t index, const std::optional<InterfaceState>& state) {
    ShardPort& port = ports[index];
    const bool same_interface = state && state->ifindex == port.ifindex;
    if (!same_interface) {
        // Another one may have come in one piece of news: what was known of its paths is void.
        engine.handle_port(now, {static_cast<std::uint32_t>(index)}, PortState{});
    }
    const auto refused = state ? refuse_kind(config.interfaces[index], *state) : std::nullopt;
    if (port.link && (!same_interface || refused || wants_another_link(index, *state))) {
        close_link(index);
    }
    port.reopen_at = Time::max();
    if (refused) {
        if (handle_error && !std::exchange(port.failure_told, true)) {
            handle_error(*refused);
        }
    } else if (state && !port.link) {
        if (config.link == LinkKind::xdp && !retired_polls.empty()) {
            port.reopen_at = now + polls_end_time;
        } else {
            reopen_link(index, *state);
        }
    }
    const PortState told = usable_state(state ? state->port : PortState{}, port.link.get());
    engine.handle_port(now, {static_cast<std::uint32_t>(index)}, told);
    if (told.up) {
        engine.discover(now); // what is on that network may have changed
    }
}

} // namespace uaoe::initiator
