// capset(2) and prctl(2), without libcap.
#include "initiator/linux/privileges.hpp"

#include "initiator/linux/mountinfo.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <linux/capability.h>
#include <string>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace uaoe::initiator {

namespace {

constexpr unsigned long capabilities_count_max = 64;

std::unexpected<Error> refuse_errno(int error) {
    return std::unexpected(Error{.what = "cannot give up privileges",
                                 .why = std::strerror(error),
                                 .what_to_do = "it goes on with all that it was started with"});
}

// What may be left in it without CAP_SETPCAP cannot be used: see PR_SET_NO_NEW_PRIVS.
void limit_bounding_set(std::uint64_t kept) {
    for (unsigned long number = 0; number < capabilities_count_max; ++number) {
        if ((kept >> number & 1U) == 0 && prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0) {
            return; // EINVAL: behind the last that the kernel knows
        }
    }
}

} // namespace

std::expected<void, Error> keep_capabilities(std::initializer_list<Capability> kept) {
    std::uint64_t wanted = 0;
    for (const Capability capability : kept) {
        wanted |= std::uint64_t{1} << static_cast<unsigned>(capability);
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return refuse_errno(errno);
    }
    limit_bounding_set(wanted);
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
    if (syscall(SYS_capget, &header, sets.data()) != 0) {
        return refuse_errno(errno);
    }
    for (auto& set : sets) {
        const auto half = static_cast<std::uint32_t>(wanted);
        wanted >>= 32U;
        set = {
            .effective = set.permitted & half, .permitted = set.permitted & half, .inheritable = 0};
    }
    if (syscall(SYS_capset, &header, sets.data()) != 0) {
        return refuse_errno(errno);
    }
    return {};
}

std::optional<std::uint64_t> read_effective_capabilities(pid_t pid) {
    const std::string status = read_proc("/proc/" + std::to_string(pid) + "/status");
    constexpr std::string_view key = "CapEff:\t";
    const auto at = status.find(key);
    std::uint64_t set = 0;
    if (at == std::string::npos ||
        std::from_chars(status.data() + at + key.size(), status.data() + status.size(), set, 16)
                .ec != std::errc{}) {
        return std::nullopt;
    }
    return set;
}

} // namespace uaoe::initiator
