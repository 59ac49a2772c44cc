// A set-up error that reaches a person as one line: what, why, what to do.
#pragma once

#include <string>

namespace uaoe {

// Exit codes of the command-line contract (design 5; README).
enum class ExitCode : int {
    done = 0,
    failed = 1,
    usage = 2,
    no_such_target = 3,
    daemon_unreachable = 4,
    no_permission = 5,
};

struct Error {
    std::string what;       // "cannot open interface eth7"
    std::string why;        // "there is no such interface"
    std::string what_to_do; // "`ip link` lists the interfaces of this network namespace"
    ExitCode exit_code = ExitCode::failed;

    // "cannot open interface eth7: there is no such interface; `ip link` lists ..."
    [[nodiscard]] std::string line() const {
        return what + (why.empty() ? "" : ": " + why) +
               (what_to_do.empty() ? "" : "; " + what_to_do);
    }
};

} // namespace uaoe
