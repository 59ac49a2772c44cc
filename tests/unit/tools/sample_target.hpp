// A target, and a LUN on it, for tests of what is printed about them.
#pragma once

#include "initiator/status.hpp"
#include "tools/interface.hpp"
#include "tools/json_text.hpp"

#include <algorithm>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace uaoe::tools {

template <std::size_t Size>
void set_text(proto::FixedText<Size>& to, std::string_view text) {
    to = {};
    std::ranges::copy(text, to.characters.begin());
    to.length = static_cast<std::uint8_t>(text.size());
}

inline initiator::TargetStatus sample_target() {
    initiator::TargetStatus target{.address = {7, 3},
                                   .state = initiator::TargetState::ready,
                                   .identify = {},
                                   .identify_data = {},
                                   .config_string = "blue",
                                   .buffer_count = 16,
                                   .firmware_version = 0x4019,
                                   .sectors_per_frame = 17,
                                   .paths = {}};
    set_text(target.identify.model, "Some Disk");
    set_text(target.identify.serial, "S1");
    set_text(target.identify.firmware, "V25");
    target.identify.sectors = {4096};
    target.identify.lba48 = true;
    for (std::uint32_t i = 0; i < 2; ++i) {
        initiator::PathStatus path;
        path.port = {i};
        path.target_mac.octets = {2, 0, 0, 0, 1, static_cast<std::uint8_t>(i)};
        path.state = initiator::PathState::up;
        path.sectors_per_frame = i == 0 ? 2 : 17;
        path.srtt = std::chrono::microseconds{150};
        target.paths.push_back(path);
    }
    return target;
}

inline std::vector<Interface> sample_interfaces() {
    return {{.name = "eth1", .mac = {{2, 0, 0, 0, 0, 1}}},
            {.name = "eth2", .mac = {{2, 0, 0, 0, 0, 2}}}};
}

// The target's LUN of 2 MiB, attached.
inline ShowStatus sample_status() {
    ShowStatus status{.device = {},
                      .target = sample_target(),
                      .counters = {},
                      .front_end = "ublk",
                      .device_name = "/dev/ublkb0"};
    status.device.info.address = status.target.address;
    status.device.info.identify = status.target.identify;
    status.device.info.sectors = {4096};
    return status;
}

inline std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(line);
    }
    return lines;
}

} // namespace uaoe::tools
