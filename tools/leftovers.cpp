// What is left, and whose it was. A LUN's lock tells whether its process lives.
#include "tools/leftovers.hpp"

#include "blockdev/nbd_kernel_device.hpp"
#include "blockdev/ublk_control.hpp"
#include "tools/device_links.hpp"
#include "tools/lun.hpp"
#include "tools/lun_lock.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <unistd.h>
#include <vector>

namespace uaoe::tools {

namespace {

using Report = std::function<void(const LogLine&)>;

// ublk devices of uaoe's, of this LUN or of any. None where the module is not loaded.
std::vector<blockdev::UblkControl::Listed> list_ublk(UblkAccess& ublk,
                                                     std::optional<proto::Address> address) {
    std::vector<blockdev::UblkControl::Listed> ours;
    if (access("/dev/ublk-control", F_OK) != 0) {
        return ours;
    }
    if (const auto control = ublk.control()) { // whoever needs it will say why not
        for (const auto& listed : (*control)->list()) {
            if (listed.address && (!address || listed.address == address)) {
                ours.push_back(listed);
            }
        }
    }
    return ours;
}

std::string identifier_of(proto::Address address) {
    return "aoe-" + proto::to_string(address);
}

void forget_names(proto::Address address, const std::string& disk) {
    const DeviceLinks links;
    links.remove(address, disk);
    links.remove_udev_facts(disk);
}

LogLine cleaned_line(const std::expected<void, Error>& removed, proto::Address address,
                     const std::string& device) {
    LogLine line =
        removed ? LogLine{.level = LogLevel::notice,
                          .kind = LogKind::front_end,
                          .text = "removed " + device + ", which a uaoe that was killed had left"}
                : failure_line(removed.error(), LogKind::front_end,
                               "it stays, and the next start tries again");
    line.address = address;
    line.device = device;
    return line;
}

void clean_ublk(UblkAccess& ublk, const Report& report) {
    for (const auto& listed : list_ublk(ublk, std::nullopt)) {
        const bool waits_for_uaoed =
            listed.recoverable && listed.state != blockdev::ublk::DeviceState::dead;
        if (waits_for_uaoed || listed.state == blockdev::ublk::DeviceState::live) {
            continue;
        }
        const auto lock = LunLock::take(*listed.address);
        if (!lock) {
            continue;
        }
        const auto removed = (*ublk.control())->remove(listed.id);
        forget_names(*listed.address, fmt::format("ublkb{}", listed.id));
        report(cleaned_line(removed, *listed.address, fmt::format("/dev/ublkb{}", listed.id)));
    }
}

void clean_nbd(const Report& report) {
    for (const auto& entry : blockdev::NbdKernelDevice::list()) {
        std::string_view name = entry.identifier;
        constexpr std::string_view prefix = "aoe-";
        if (!name.starts_with(prefix) || !name.ends_with(nbd_foreground_suffix)) {
            continue; // a uaoed's: it may have a successor
        }
        name.remove_prefix(prefix.size());
        name.remove_suffix(nbd_foreground_suffix.size());
        const auto address = proto::parse_address(name);
        const auto lock = address ? LunLock::take(*address)
                                  : std::expected<LunLock, Error>(std::unexpected(Error{}));
        if (!lock) {
            continue;
        }
        const auto removed = blockdev::NbdKernelDevice::remove(entry.index, entry.identifier);
        forget_names(*address, fmt::format("nbd{}", entry.index));
        report(cleaned_line(removed, *address, fmt::format("/dev/nbd{}", entry.index)));
    }
}

Error left_error(proto::Address address, const std::string& device) {
    return {.what = "cannot open " + proto::to_string(address),
            .why = device + " is left of it from a uaoed that does not run, and I/O may wait there",
            .what_to_do = "start that uaoed (with its --control), and `uaoe detach` it there"};
}

} // namespace

void clean_leftovers(UblkAccess& ublk, const Report& report) {
    clean_ublk(ublk, report);
    clean_nbd(report);
}

std::expected<void, Error> refuse_left_device(UblkAccess& ublk, proto::Address address) {
    for (const auto& listed : list_ublk(ublk, address)) {
        if (listed.state != blockdev::ublk::DeviceState::dead) {
            return std::unexpected(left_error(address, fmt::format("/dev/ublkb{}", listed.id)));
        }
    }
    for (const auto& entry : blockdev::NbdKernelDevice::list()) {
        if (entry.identifier == identifier_of(address)) {
            return std::unexpected(left_error(address, fmt::format("/dev/nbd{}", entry.index)));
        }
    }
    return {};
}

bool device_is_left(UblkAccess& ublk, const LunState& state) {
    if (state.options.front_end == FrontEndKind::ublk) {
        if (!ublk.control()) { // nobody can say whose it is: it is not forgotten
            return access(("/sys/block/" + kernel_name(state)).c_str(), F_OK) == 0;
        }
        return std::ranges::any_of(list_ublk(ublk, state.address), [&](const auto& listed) {
            return listed.id == state.device_index &&
                   listed.state != blockdev::ublk::DeviceState::dead;
        });
    }
    if (state.options.front_end == FrontEndKind::nbd) {
        return std::ranges::any_of(blockdev::NbdKernelDevice::list(), [&](const auto& entry) {
            return entry.index == state.device_index &&
                   entry.identifier == identifier_of(state.address);
        });
    }
    return true; // a socket can be made at any time
}

std::expected<void, Error> discard_device(UblkAccess& ublk, const LunState& state) {
    const bool is_ublk = state.options.front_end == FrontEndKind::ublk;
    if (state.options.front_end == FrontEndKind::socket || !device_is_left(ublk, state)) {
        return {};
    }
    const auto lock = LunLock::take(state.address);
    if (!lock) {
        return std::unexpected(lock.error());
    }
    return is_ublk ? (*ublk.control())->remove(state.device_index)
                   : blockdev::NbdKernelDevice::remove(state.device_index,
                                                       identifier_of(state.address));
}

void forget_left(const StateStore& store, const LunState& state) {
    store.remove(state.address);
    if (const std::string disk = kernel_name(state); !disk.empty()) {
        forget_names(state.address, disk);
    }
}

} // namespace uaoe::tools
