// Who uses a device: what needs none. The rest is seen on real devices, in a guest.
#include "blockdev/device_use.hpp"
#include "blockdev/sysfs.hpp"

#include <doctest/doctest.h>

using namespace uaoe::blockdev;

TEST_CASE("device use: what is no block device has no users") {
    CHECK_FALSE(device_use("/dev/null").has_value());
    CHECK_FALSE(device_use("/dev/no/such").has_value());
    CHECK_FALSE(device_use("/etc").has_value());
}

TEST_CASE("sysfs: attributes and folders that are there and that are not") {
    CHECK(block_attribute_path("nbd3", "queue/scheduler") == "/sys/block/nbd3/queue/scheduler");
    CHECK(read_attribute("/proc/sys/kernel/ostype") == "Linux");
    CHECK(read_number("/proc/sys/kernel/pid_max").value_or(0) > 0);
    CHECK_FALSE(read_number("/proc/sys/kernel/ostype").has_value());
    CHECK_FALSE(read_attribute("/sys/no/such").has_value());
    CHECK_FALSE(write_attribute("/sys/no/such", "x"));
    CHECK_FALSE(names_in("/proc/self").empty());
    CHECK(names_in("/no/such").empty());
}
