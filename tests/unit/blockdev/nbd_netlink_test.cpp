// What is said to the kernel's NBD driver, and when: as far as that can be had without one.
#include "blockdev/nbd_kernel_device.hpp"
#include "blockdev/nbd_netlink.hpp"
#include "nbd_bytes.hpp"

#include <doctest/doctest.h>

using namespace uaoe;
using namespace uaoe::test;
using namespace std::chrono_literals;
using blockdev::NbdDeviceStatus;

// Attributes are in the byte order of the machine: these are of a little-endian one.
TEST_CASE("netlink: CONNECT") {
    const auto bytes = blockdev::encode(blockdev::NbdConnect{.index = 3,
                                                             .size_bytes = 0x10000000,
                                                             .block_bytes = 4096,
                                                             .server_flags = 0x0d,
                                                             .timeout = 0s,
                                                             .dead_connection_max = 600s,
                                                             .identifier = "aoe-1.0",
                                                             .socket = 5});
    CHECK(bytes == join({hex("08 00 01 00 03 00 00 00"),                 // INDEX
                         hex("0c 00 02 00 00 00 00 10 00 00 00 00"),     // SIZE_BYTES
                         hex("0c 00 03 00 00 10 00 00 00 00 00 00"),     // BLOCK_SIZE_BYTES
                         hex("0c 00 04 00 00 00 00 00 00 00 00 00"),     // TIMEOUT
                         hex("0c 00 05 00 0d 00 00 00 00 00 00 00"),     // SERVER_FLAGS
                         hex("0c 00 08 00 58 02 00 00 00 00 00 00"),     // DEAD_CONN_TIMEOUT
                         hex("0c 00 0a 00"), text("aoe-1.0"), hex("00"), // BACKEND_IDENTIFIER
                         hex("10 00 07 80"),                             // SOCKETS
                         hex("0c 00 01 80"),                             //   SOCK_ITEM
                         hex("08 00 01 00 05 00 00 00")}));              //     SOCK_FD
}

TEST_CASE("netlink: CONNECT without an index lets the kernel choose; no waiting when dead") {
    const auto bytes = blockdev::encode(blockdev::NbdConnect{
        .index = std::nullopt, .size_bytes = 512, .identifier = "aoe-1.0", .socket = 5});
    CHECK(bytes.size() == 4 * 12 + 12 + 16);
    CHECK_FALSE(blockdev::decode_index(bytes).has_value());
}

TEST_CASE("netlink: RECONFIGURE says only what changes") {
    CHECK(blockdev::encode(
              blockdev::NbdReconfigure{.index = 1, .identifier = "aoe-1.0", .size_bytes = 1024}) ==
          join({hex("08 00 01 00 01 00 00 00"), hex("0c 00 0a 00"), text("aoe-1.0"), hex("00"),
                hex("0c 00 02 00 00 04 00 00 00 00 00 00")}));
    CHECK(blockdev::encode(
              blockdev::NbdReconfigure{.index = 1, .identifier = "aoe-1.0", .socket = 9}) ==
          join({hex("08 00 01 00 01 00 00 00"), hex("0c 00 0a 00"), text("aoe-1.0"), hex("00"),
                hex("10 00 07 80 0c 00 01 80 08 00 01 00 09 00 00 00")}));
}

TEST_CASE("netlink: the index of an answer") {
    CHECK(blockdev::decode_index(hex("08 00 01 00 14 00 00 00")) == 20);
    CHECK_FALSE(blockdev::decode_index({}).has_value());
    CHECK_FALSE(blockdev::decode_index(hex("06 00 01 00 14 00 00 00")).has_value());
    CHECK_FALSE(blockdev::decode_index(hex("0c 00 01 00 14 00 00 00")).has_value()); // cut off
}

TEST_CASE("netlink: STATUS") {
    CHECK(blockdev::decode_status(join({hex("2c 00 09 80"),                         // the list
                                        hex("14 00 01 80"),                         // an item
                                        hex("08 00 01 00 00 00 00 00"),             // index 0
                                        hex("05 00 02 00 01 00 00 00"),             // connected
                                        hex("14 00 01 80 08 00 01 00 07 00 00 00"), // index 7
                                        hex("05 00 02 00 00 00 00 00")})) ==
          std::vector<NbdDeviceStatus>{{.index = 0, .connected = true},
                                       {.index = 7, .connected = false}});
    CHECK(blockdev::decode_status({}).empty());
    CHECK(blockdev::decode_status(hex("08 00 09 80 08 00 01 80")).empty());
}

TEST_CASE("netlink: errors in words") {
    const auto forbidden = blockdev::NbdNetlink::error_of("cannot make /dev/nbd3", EPERM);
    CHECK(forbidden.exit_code == ExitCode::no_permission);
    CHECK(blockdev::NbdNetlink::error_of("cannot make /dev/nbd3", EBUSY).why == "it is taken");
}

TEST_CASE(
    "kernel device: the driver's timer is off, the block layer's is what brings back requests") {
    blockdev::NbdKernelOptions options;
    options.fail_after = 5s;
    CHECK(blockdev::nbd_timeouts(options) ==
          blockdev::NbdTimeouts{.request = 0s, .dead_connection_max = 0s, .block_timer = 30'000ms});
    options.recoverable = true;
    CHECK(blockdev::nbd_timeouts(options) == blockdev::NbdTimeouts{.request = 0s,
                                                                   .dead_connection_max = 600s,
                                                                   .block_timer = 5'000ms});
    for (const auto fail_after : {0s, 10s, 180s}) {
        options.fail_after = fail_after;
        CHECK(blockdev::nbd_timeouts(options).block_timer == 10'000ms);
    }
}
