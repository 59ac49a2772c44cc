// Kernel NBD devices of ours that are there, whoever made them.
#include "blockdev/nbd_kernel_device.hpp"
#include "blockdev/sysfs.hpp"

#include <algorithm>
#include <charconv>

namespace uaoe::blockdev {

namespace {

std::optional<std::uint32_t> index_of(std::string_view disk) {
    std::uint32_t index = 0;
    if (!disk.starts_with("nbd")) {
        return std::nullopt;
    }
    disk.remove_prefix(3);
    const auto [end, error] = std::from_chars(disk.data(), disk.data() + disk.size(), index);
    return error == std::errc{} && end == disk.data() + disk.size() ? std::optional(index)
                                                                    : std::nullopt;
}

} // namespace

std::vector<NbdKernelDevice::Entry> NbdKernelDevice::list() {
    std::vector<Entry> entries;
    for (const std::string& disk : names_in("/sys/block")) {
        const auto index = index_of(disk);
        const auto identifier = index ? read_attribute(block_attribute_path(disk, "backend"))
                                      : std::optional<std::string>();
        if (identifier && identifier->starts_with("aoe-")) {
            entries.push_back(
                {.index = *index,
                 .identifier = *identifier,
                 .size_bytes = read_number(block_attribute_path(disk, "size")).value_or(0) * 512,
                 .connected = read_attribute(block_attribute_path(disk, "pid")).has_value()});
        }
    }
    std::ranges::sort(entries, {}, &Entry::index);
    return entries;
}

std::expected<void, Error> NbdKernelDevice::remove(std::uint32_t index,
                                                   const std::string& identifier) {
    const std::string disk = "nbd" + std::to_string(index);
    if (read_attribute(block_attribute_path(disk, "backend")) != identifier) {
        return std::unexpected(Error{.what = "cannot disconnect /dev/" + disk,
                                     .why = "it is not " + identifier + " any more",
                                     .what_to_do = "nothing: whoever has it now will end it"});
    }
    auto netlink = NbdNetlink::open();
    if (!netlink) {
        return std::unexpected(std::move(netlink.error()));
    }
    if (const auto removed = netlink->disconnect(index); !removed) {
        return std::unexpected(
            NbdNetlink::error_of("cannot disconnect /dev/" + disk, removed.error()));
    }
    return {};
}

} // namespace uaoe::blockdev
