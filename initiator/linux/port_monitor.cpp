// rtnetlink through libnl's link cache; after an overrun everything is asked for again.
#include "initiator/linux/port_monitor.hpp"

#include <algorithm>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <netlink/cache.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <sys/socket.h>

namespace uaoe::initiator {

namespace {

InterfaceState state_of(rtnl_link* link) {
    InterfaceState state;
    state.ifindex = rtnl_link_get_ifindex(link);
    state.is_ethernet = rtnl_link_get_arptype(link) == ARPHRD_ETHER;
    const unsigned flags = rtnl_link_get_flags(link);
    state.administratively_up = (flags & IFF_UP) != 0;
    state.is_bond_member = (flags & IFF_SLAVE) != 0;
    state.port.up = state.administratively_up && (flags & IFF_LOWER_UP) != 0;
    state.port.mtu_bytes = rtnl_link_get_mtu(link);
    if (nl_addr* address = rtnl_link_get_addr(link);
        address != nullptr && nl_addr_get_len(address) == state.port.mac.octets.size()) {
        const auto* octets = static_cast<const std::uint8_t*>(nl_addr_get_binary_addr(address));
        std::copy_n(octets, state.port.mac.octets.size(), state.port.mac.octets.begin());
    }
    return state;
}

// News of some hundred changes; more is lost and asked for again.
constexpr int receive_buffer_bytes = 1 << 20;

// The queue is bounded by its buffer; what fails as often as this fails for another reason.
constexpr int drain_tries_max = 1000;

Error netlink_error(int error) {
    return {.what = "cannot ask the kernel for its interfaces",
            .why = nl_geterror(error),
            .what_to_do = "rtnetlink must be allowed for this process"};
}

} // namespace

struct PortMonitor::State {
    std::vector<std::string> interfaces;
    std::vector<std::optional<InterfaceState>> states;
    nl_cache_mngr* manager = nullptr;
    nl_cache* links = nullptr;
    Handler handler;
    bool refill_needed = false;

    ~State() {
        if (manager != nullptr) {
            nl_cache_mngr_free(manager);
        }
    }

    // Takes what is queued into the cache; after a loss also what is left of the queue, which is
    // older than the loss and must not be applied over the answer of the refill.
    void take_news() {
        int tries = 0;
        while (nl_cache_mngr_data_ready(manager) < 0 && tries++ < drain_tries_max) {
            refill_needed = true;
        }
    }

    bool refill() {
        nl_sock* socket = nl_socket_alloc();
        if (socket == nullptr) {
            return false;
        }
        const bool filled =
            nl_connect(socket, NETLINK_ROUTE) >= 0 && nl_cache_refill(socket, links) >= 0;
        nl_socket_free(socket);
        return filled;
    }

    // IPv6 and bridges tell of a link in messages of their own, with old flags and without most of
    // the rest. The cache keeps these as further links of the same name.
    [[nodiscard]] rtnl_link* find(const std::string& name) const {
        for (nl_object* object = nl_cache_get_first(links); object != nullptr;
             object = nl_cache_get_next(object)) {
            auto* link = reinterpret_cast<rtnl_link*>(object);
            if (rtnl_link_get_family(link) == AF_UNSPEC && name == rtnl_link_get_name(link)) {
                return link;
            }
        }
        return nullptr;
    }

    [[nodiscard]] std::optional<InterfaceState> state_now(const std::string& name) const {
        rtnl_link* const link = find(name);
        return link == nullptr ? std::nullopt : std::optional(state_of(link));
    }

    // Compares what the cache says now with what was last told.
    void update() {
        for (std::size_t i = 0; i < interfaces.size(); ++i) {
            const std::optional<InterfaceState> now = state_now(interfaces[i]);
            if (now != states[i]) {
                states[i] = now;
                if (handler) {
                    handler(i, now);
                }
            }
        }
    }
};

PortMonitor::PortMonitor() : state_(std::make_unique<State>()) {}
PortMonitor::~PortMonitor() = default;

std::expected<std::unique_ptr<PortMonitor>, Error>
PortMonitor::open(std::vector<std::string> interfaces) {
    std::unique_ptr<PortMonitor> monitor(new PortMonitor);
    State& state = *monitor->state_;
    state.states.resize(interfaces.size());
    state.interfaces = std::move(interfaces);
    int error = nl_cache_mngr_alloc(nullptr, NETLINK_ROUTE, 0, &state.manager);
    if (error >= 0) {
        error = nl_cache_mngr_add(state.manager, "route/link", nullptr, nullptr, &state.links);
    }
    if (error < 0) {
        return std::unexpected(netlink_error(error));
    }
    // Without CAP_NET_ADMIN as much as the system allows.
    const int fd = nl_cache_mngr_get_fd(state.manager);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer_bytes,
                   sizeof(receive_buffer_bytes)) != 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(receive_buffer_bytes));
    }
    state.update();
    return monitor;
}

void PortMonitor::set_handler(Handler handler) {
    state_->handler = std::move(handler);
}

void PortMonitor::add(const std::string& interface) {
    state_->interfaces.push_back(interface);
    state_->states.push_back(state_->state_now(interface));
}

const std::optional<InterfaceState>& PortMonitor::state(std::size_t index) const {
    return state_->states.at(index);
}

int PortMonitor::fd() const {
    return nl_cache_mngr_get_fd(state_->manager);
}

void PortMonitor::handle_readable() {
    state_->take_news();
    if (state_->refill_needed) {
        if (!state_->refill()) {
            return; // the cache may be half empty: nothing is told until the next news
        }
        state_->refill_needed = false;
    }
    state_->update();
}

std::expected<std::vector<std::string>, Error> ethernet_interfaces_up() {
    nl_sock* socket = nl_socket_alloc();
    nl_cache* links = nullptr;
    int error = socket == nullptr ? -NLE_NOMEM : nl_connect(socket, NETLINK_ROUTE);
    if (error >= 0) {
        error = rtnl_link_alloc_cache(socket, AF_UNSPEC, &links);
    }
    if (error < 0) {
        nl_socket_free(socket);
        return std::unexpected(netlink_error(error));
    }
    std::vector<std::pair<int, std::string>> found;
    for (nl_object* object = nl_cache_get_first(links); object != nullptr;
         object = nl_cache_get_next(object)) {
        auto* link = reinterpret_cast<rtnl_link*>(object);
        const InterfaceState state = state_of(link);
        if (state.is_ethernet && state.port.up) {
            found.emplace_back(state.ifindex, rtnl_link_get_name(link));
        }
    }
    nl_cache_free(links);
    nl_socket_free(socket);
    std::ranges::sort(found);
    std::vector<std::string> names;
    for (auto& [ifindex, name] : found) {
        names.push_back(std::move(name));
    }
    return names;
}

} // namespace uaoe::initiator
