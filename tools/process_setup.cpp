// The steps of initiator/linux/protection.hpp, and what did not work.
#include "tools/process_setup.hpp"

#include "initiator/linux/protection.hpp"
#include "tools/output.hpp"

#include <expected>
#include <filesystem>

namespace uaoe::tools {

void set_up_process(const std::vector<std::string>& folders, const std::string& program) {
    const auto tell = [&](const std::expected<void, Error>& done) {
        if (!done) {
            report(program + ": " + done.error().line());
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
        report(program + ": " + error.line());
    }
}

} // namespace uaoe::tools
