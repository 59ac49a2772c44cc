// Giving up what root may do and a process that serves block devices does not need. Of the calling
// thread, and of those that it makes: so before the first thread is made, and after everything that
// needs more.
#pragma once

#include "initiator/linux/error.hpp"

#include <cstdint>
#include <expected>
#include <initializer_list>
#include <optional>
#include <sys/types.h>

namespace uaoe::initiator {

// By number: linux/capability.h of older systems does not have all.
enum class Capability : std::uint8_t {
    dac_read_search = 2,
    net_admin = 12,
    net_raw = 13,
    ipc_lock = 14,
    sys_ptrace = 19,
    sys_admin = 21,
};

// Keeps those of these that the thread has, and no other, in all its sets; programs that it runs
// cannot have more either (PR_SET_NO_NEW_PRIVS, the bounding set).
std::expected<void, Error> keep_capabilities(std::initializer_list<Capability> kept);

// The effective capabilities of a process, as a bit set. For tests.
[[nodiscard]] std::optional<std::uint64_t> read_effective_capabilities(pid_t pid);

} // namespace uaoe::initiator
