// What the kernel says about the interfaces a shard uses, over rtnetlink (libnl-route-3): up, MTU,
// MAC, gone, back with another index.
#pragma once

#include "initiator/linux/error.hpp"
#include "initiator/status.hpp"

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace uaoe::initiator {

struct InterfaceState {
    int ifindex = 0;
    bool is_ethernet = false;
    bool administratively_up = false;
    bool is_bond_member = false;
    PortState port; // up: also with carrier
    friend bool operator==(const InterfaceState&, const InterfaceState&) = default;
};

class PortMonitor {
  public:
    // Calls `handler` with the index into `interfaces` and the new state (nothing: it is gone),
    // only from handle_readable().
    using Handler = std::function<void(std::size_t, const std::optional<InterfaceState>&)>;

    static std::expected<std::unique_ptr<PortMonitor>, Error>
    open(std::vector<std::string> interfaces);
    ~PortMonitor();
    PortMonitor(const PortMonitor&) = delete;
    PortMonitor& operator=(const PortMonitor&) = delete;

    void set_handler(Handler handler);
    // One more, with the next index. What its state is now is told by no call of the handler.
    void add(const std::string& interface);
    [[nodiscard]] const std::optional<InterfaceState>& state(std::size_t index) const;

    // Readable when there is news; handle_readable() does not block. News that was lost is asked
    // for again.
    [[nodiscard]] int fd() const;
    void handle_readable();

  private:
    struct State;
    PortMonitor();
    std::unique_ptr<State> state_;
};

// Names of the Ethernet interfaces that are up, in the order of their index; loopback is none of
// them.
std::expected<std::vector<std::string>, Error> ethernet_interfaces_up();

} // namespace uaoe::initiator
