// Kernel devices of uaoe programs that ended without a clean end and have no successor.
#pragma once

#include "initiator/linux/error.hpp"
#include "tools/log_line.hpp"
#include "tools/state_store.hpp"

#include <expected>
#include <functional>
#include <string>
#include <string_view>

namespace uaoe::tools {

class UblkAccess;

// Of the identifier of a /dev/nbdN that ends with its process: "aoe-1.0-foreground".
inline constexpr std::string_view nbd_foreground_suffix = "-foreground";

// Removes those of a dead `uaoe serve`, and those that a dead uaoed had not started yet. A device
// whose I/O waits for a uaoed stays, and is told of. Never loads a module. Blocks.
void clean_leftovers(UblkAccess& ublk, const std::function<void(const LogLine&)>& report);

// An error when the kernel has a device of this LUN, and this process does not serve the LUN: what
// waits on that device would be written over what is written now. The caller has the LUN's lock.
[[nodiscard]] std::expected<void, Error> refuse_left_device(UblkAccess& ublk,
                                                            proto::Address address);

// The kernel still has the device that `state` tells of, and it is of that LUN; a socket always is.
[[nodiscard]] bool device_is_left(UblkAccess& ublk, const LunState& state);

// Ends it: I/O that waits fails. Does nothing when it is not left.
[[nodiscard]] std::expected<void, Error> discard_device(UblkAccess& ublk, const LunState& state);

// Its device is gone: so is what told of it.
void forget_left(const StateStore& store, const LunState& state);

} // namespace uaoe::tools
