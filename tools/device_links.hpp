// The names under which a LUN's device is found besides the kernel's: /dev/etherd/e1.0, and what
// udev makes of the facts it is told (tools/udev/60-uaoe.rules). Partitions are udev's alone.
#pragma once

#include "initiator/linux/error.hpp"
#include "proto/address.hpp"

#include <expected>
#include <string>
#include <string_view>

namespace uaoe::tools {

// What udev is told of a disk. Other characters than letters, digits and ._- become _.
struct UdevFacts {
    proto::Address address;
    std::string model;
    std::string serial;
};
[[nodiscard]] std::string udev_text(const UdevFacts& facts);

class DeviceLinks {
  public:
    explicit DeviceLinks(std::string dev_folder = "/dev", std::string run_folder = "/run/uaoe",
                         std::string sys_folder = "/sys");

    // /dev/etherd/e1.0 -> ../nbd0, for "nbd0". Takes the place of a link whose device is not there
    // any more or has no medium, and of nothing else: the kernel's aoe driver makes nodes of these
    // names, and another LUN may be behind a link.
    std::expected<void, Error> make(proto::Address address, const std::string& disk) const;
    // Only a link to that disk. Nothing there is no error.
    void remove(proto::Address address, const std::string& disk) const;
    [[nodiscard]] std::string path(proto::Address address) const; // "/dev/etherd/e1.0"

    // /run/uaoe/udev/nbd0. Before the disk appears where its name is known; else
    // trigger_change() afterwards.
    std::expected<void, Error> write_udev_facts(const std::string& disk,
                                                const UdevFacts& facts) const;
    void remove_udev_facts(const std::string& disk) const;
    // Has udev look at the disk and its partitions again. False when there is no such disk, or no
    // permission.
    bool trigger_change(const std::string& disk) const;

  private:
    [[nodiscard]] bool is_stale(const std::string& target) const;

    std::string dev_folder_;
    std::string run_folder_;
    std::string sys_folder_;
};

} // namespace uaoe::tools
