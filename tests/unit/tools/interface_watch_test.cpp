// Which interfaces that come later are taken up, and what can be the name of one.
#include "tools/daemon/interface_watch.hpp"

#include <doctest/doctest.h>

using namespace uaoe::tools;

namespace {

std::vector<Interface> named(const std::vector<std::string>& names) {
    std::vector<Interface> interfaces;
    for (const std::string& name : names) {
        interfaces.push_back({.name = name, .mac = {}});
    }
    return interfaces;
}

} // namespace

TEST_CASE("an interface has settled at the second look that finds it") {
    SettledInterfaces settled;
    CHECK(settled.look(named({"eth0"})).empty());
    CHECK(settled.is_unsettled());
    CHECK(names_of(settled.look(named({"eth0", "eth1"}))) == std::vector<std::string>{"eth0"});
    CHECK(settled.is_unsettled());
    CHECK(names_of(settled.look(named({"eth1", "eth0"}))) ==
          std::vector<std::string>{"eth1", "eth0"});
    CHECK_FALSE(settled.is_unsettled());
}

TEST_CASE("one that was gone between two looks has not settled") {
    SettledInterfaces settled;
    CHECK(settled.look(named({"veth1"})).empty());
    CHECK(settled.look({}).empty());
    CHECK_FALSE(settled.is_unsettled());
    CHECK(settled.look(named({"veth1"})).empty());
    CHECK(settled.is_unsettled());
}

TEST_CASE("names that the kernel would let an interface have") {
    for (const char* name : {"eth1", "enp129s0f0np0.7", "br-0", "a", "..."}) {
        CHECK_MESSAGE(is_interface_name(name), name);
    }
    for (const char* name : {"", "enp129s0f0np0.70", ".", "..", "eth/1", "eth 1", "eth:1", "e\n"}) {
        CHECK_MESSAGE(!is_interface_name(name), name);
    }
}
