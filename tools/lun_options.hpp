// How a LUN is served: what the command line, the configuration file, the control socket and the
// state in /run all say of it.
#pragma once

#include "proto/address.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace uaoe::tools {

enum class FrontEndKind : std::uint8_t {
    automatic, // ublk where the kernel has it, else nbd
    ublk,      // /dev/ublkbN
    nbd,       // /dev/nbdN
    socket,    // an NBD export on a unix socket
};

// "auto", "ublk", "nbd", "export".
[[nodiscard]] std::string_view front_end_text(FrontEndKind kind);
[[nodiscard]] std::optional<FrontEndKind> parse_front_end(std::string_view text);

// Nobody waits longer than a year, and no duration overflows on it.
inline constexpr std::chrono::seconds seconds_max{31'536'000};

struct LunOptions {
    FrontEndKind front_end = FrontEndKind::automatic;
    std::chrono::seconds fail_after{180}; // 0: wait for ever
    bool read_only = false;
    bool in_order = false; // as initiator::DeviceOptions

    friend bool operator==(const LunOptions&, const LunOptions&) = default;
};

} // namespace uaoe::tools
