// The steps of initiator/linux/protection.hpp, and what did not work.
#include "tools/process_setup.hpp"

#include "blockdev/ublk_module.hpp"
#include "initiator/linux/privileges.hpp"
#include "initiator/linux/protection.hpp"
#include "tools/log.hpp"

#include <expected>
#include <filesystem>
#include <unistd.h>

namespace uaoe::tools {

void set_up_process(const std::vector<std::string>& folders) {
    const auto report = [](const Error& error) {
        write_log(failure_line(error, LogKind::process, "it goes on without"));
    };
    const auto tell = [&](const std::expected<void, Error>& done) {
        if (!done) {
            report(done.error());
        }
    };
    // What child processes need may be on file systems of its own, too.
    std::vector<std::string> absolute = {"/bin/sh", "/sbin/modprobe", "/lib/modules", "/usr"};
    absolute.insert(absolute.end(), folders.begin(), folders.end());
    for (std::string& path : absolute) {
        std::error_code missing;
        const auto real = std::filesystem::weakly_canonical(path, missing);
        path = missing ? path : real.string();
    }
    tell(initiator::leave_mount_namespace(absolute));
    tell(initiator::become_io_thread());
    for (const Error& error : initiator::protect_process()) {
        report(error);
    }
}

void give_up_privileges() {
    using initiator::Capability;
    if (const auto control = blockdev::open_ublk_control()) {
        close(*control);
    } // else the first LUN that wants ublk says why not
    if (auto kept = initiator::keep_capabilities(
            {Capability::net_raw, Capability::net_admin, Capability::sys_admin,
             Capability::ipc_lock, Capability::sys_ptrace, Capability::dac_read_search});
        !kept) {
        write_log(failure_line(kept.error(), LogKind::process, {}));
    }
}

} // namespace uaoe::tools
