// What the kernel says of interfaces, in a network namespace of this process alone.
#include "network_support.hpp"

#include "initiator/linux/clock.hpp"
#include "initiator/linux/port_monitor.hpp"

#include <doctest/doctest.h>

#include <poll.h>
#include <string>
#include <vector>

using namespace uaoe;
using namespace uaoe::initiator;
using namespace std::chrono_literals;

TEST_CASE("the monitor tells of down, up, MTU, gone, and back with another index") {
    const Namespace network;
    if (!network.ready()) {
        return;
    }
    auto monitor = PortMonitor::open({"near0"});
    REQUIRE(monitor.has_value());
    std::optional<InterfaceState> state = (*monitor)->state(0);
    REQUIRE(state.has_value());
    CHECK(state->is_ethernet);
    CHECK(state->port.mtu_bytes == 9000);
    const int ifindex = state->ifindex;
    (*monitor)->set_handler(
        [&](std::size_t, const std::optional<InterfaceState>& now) { state = now; });
    const auto until = [&](auto holds) {
        const Time end = clock_now() + 5s;
        while (!holds() && clock_now() < end) {
            pollfd readable{.fd = (*monitor)->fd(), .events = POLLIN, .revents = 0};
            if (poll(&readable, 1, 100) > 0) {
                (*monitor)->handle_readable();
            }
        }
        return holds();
    };
    CHECK(until([&] { return state && state->port.up; }));
    REQUIRE(shell("ip link set far0 down")); // the carrier
    CHECK(until([&] { return state && !state->port.up && state->administratively_up; }));
    REQUIRE(shell("ip link set far0 up && ip link set near0 mtu 1500"));
    CHECK(until([&] { return state && state->port.up && state->port.mtu_bytes == 1500; }));
    REQUIRE(shell("ip link set near0 down"));
    CHECK(until([&] { return state && !state->administratively_up; }));
    REQUIRE(shell("ip link del near0"));
    CHECK(until([&] { return !state; }));
    REQUIRE(shell("ip link add near0 type veth peer name far0 && ip link set near0 up && "
                  "ip link set far0 up"));
    CHECK(until([&] { return state && state->port.up && state->ifindex != ifindex; }));
}

TEST_CASE("what IPv6 tells of an interface is not taken for the interface's state") {
    const Namespace network;
    if (!network.ready()) {
        return;
    }
    auto monitor = PortMonitor::open({"near0"});
    REQUIRE(monitor.has_value());
    const auto take_news = [&] {
        pollfd readable{.fd = (*monitor)->fd(), .events = POLLIN, .revents = 0};
        while (poll(&readable, 1, 200) > 0) {
            (*monitor)->handle_readable();
        }
    };
    if (!shell("ip token set ::5 dev near0")) { // sends a message of family AF_INET6
        MESSAGE("cannot be tested here: no IPv6");
        return;
    }
    take_news();
    REQUIRE(shell("ip link set near0 down"));
    take_news();
    REQUIRE((*monitor)->state(0).has_value());
    CHECK_FALSE((*monitor)->state(0)->administratively_up);
    CHECK((*monitor)->state(0)->is_ethernet);
}

TEST_CASE("after more news than the monitor's queue holds its state is the last one") {
    const Namespace network;
    if (!network.ready()) {
        return;
    }
    auto monitor = PortMonitor::open({"near0"});
    REQUIRE(monitor.has_value());
    REQUIRE(shell("for i in $(seq 2000); do echo link set near0 mtu $((1500 + i)); done | "
                  "ip -batch - && ip link set near0 mtu 4321"));
    pollfd readable{.fd = (*monitor)->fd(), .events = POLLIN, .revents = 0};
    while (poll(&readable, 1, 0) > 0) {
        (*monitor)->handle_readable();
    }
    REQUIRE((*monitor)->state(0).has_value());
    CHECK((*monitor)->state(0)->port.mtu_bytes == 4321);
}
