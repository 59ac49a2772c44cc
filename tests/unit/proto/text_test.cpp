// Text forms of LUN addresses and MAC addresses: what people type.
#include "proto/address.hpp"
#include "proto/ethernet.hpp"

#include <doctest/doctest.h>

#include <ostream>
#include <string>
#include <string_view>

using namespace uaoe::proto;

TEST_CASE("addresses are read") {
    CHECK(parse_address("1.0") == Address{1, 0});
    CHECK(parse_address("e1.0") == Address{1, 0});
    CHECK(parse_address("0.0") == Address{0, 0});
    CHECK(parse_address("65534.254") == Address{65534, 254});
    CHECK(parse_address("007.08") == Address{7, 8});
}

TEST_CASE("what is no address is refused, broadcast included") {
    for (const char* text : {"",
                             "e",
                             ".",
                             "1",
                             "1.",
                             ".1",
                             "e.",
                             "1.0 ",
                             " 1.0",
                             "1 .0",
                             "+1.0",
                             "-1.0",
                             "1.-0",
                             "1.0.0",
                             "1..0",
                             "1,0",
                             "0x1.0",
                             "a.b",
                             "ee1.0",
                             "E1.0",
                             "65535.0",
                             "65536.0",
                             "1.255",
                             "1.256",
                             "65535.255",
                             "4294967297.0",
                             "1.4294967296",
                             "99999999999999999999.0",
                             "1.0p1",
                             "etherd/e1.0"}) {
        CAPTURE(std::string(text));
        CHECK_FALSE(parse_address(text).has_value());
    }
    CHECK_FALSE(parse_address(std::string_view("1.0\0", 4)).has_value());
}

TEST_CASE("addresses are written as they are read") {
    for (unsigned shelf = 0; shelf < 65535; shelf += 97) {
        for (unsigned slot = 0; slot < 255; slot += 13) {
            const Address address{static_cast<std::uint16_t>(shelf),
                                  static_cast<std::uint8_t>(slot)};
            CHECK(parse_address(to_string(address)) == address);
            CHECK(parse_address("e" + to_string(address)) == address);
        }
    }
    CHECK(to_string(Address{65534, 254}) == "65534.254");
}

TEST_CASE("either half makes an address a broadcast") {
    CHECK(broadcast_address.is_broadcast());
    CHECK(Address{0xffff, 0}.is_broadcast());
    CHECK(Address{0, 0xff}.is_broadcast());
    CHECK_FALSE(Address{0xfffe, 0xfe}.is_broadcast());
}

TEST_CASE("MAC addresses are read and written") {
    const MacAddress mac{{0x02, 0x1a, 0xb3, 0x00, 0xff, 0x09}};
    CHECK(parse_mac("02:1a:b3:00:ff:09") == mac);
    CHECK(parse_mac("02:1A:B3:00:FF:09") == mac);
    CHECK(to_string(mac) == "02:1a:b3:00:ff:09");
    CHECK(parse_mac("ff:ff:ff:ff:ff:ff") == broadcast_mac);
    CHECK(to_string(broadcast_mac) == "ff:ff:ff:ff:ff:ff");
}

TEST_CASE("what is no MAC address is refused") {
    for (const char* text :
         {"", "02", "02:00:00:00:00", "02:00:00:00:00:0", "02:00:00:00:00:001",
          "02:00:00:00:00:01:", "02-00-00-00-00-01", "0200.0000.0001", "02:00:00:00:00:0g",
          "02:00:00:00:00: 1", "02:00:00:00:0:001", "+2:00:00:00:00:01", "-2:00:00:00:00:01",
          "0x:00:00:00:00:01", "02:00:00:00:00:1 ", "02000000000000001"}) {
        CAPTURE(std::string(text));
        CHECK_FALSE(parse_mac(text).has_value());
    }
}

TEST_CASE("kinds of MAC addresses") {
    CHECK(broadcast_mac.is_multicast());
    CHECK(MacAddress{{1, 0, 0x5e, 0, 0, 1}}.is_multicast());
    CHECK_FALSE(MacAddress{{2, 0, 0, 0, 0, 1}}.is_multicast());
    CHECK(MacAddress{}.is_zero());
    CHECK_FALSE(MacAddress{{0, 0, 0, 0, 0, 1}}.is_zero());
}
