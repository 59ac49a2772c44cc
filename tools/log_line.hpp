// A line of the log of uaoed and `uaoe serve`: its text, and what a journal is told beside it.
// Pure.
#pragma once

#include "initiator/linux/error.hpp"
#include "proto/address.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace uaoe::tools {

enum class LogLevel : std::uint8_t { error = 3, warning = 4, notice = 5, info = 6 }; // syslog(3)

// What a line is about. Lines of one kind and one LUN are counted together: see log_limit.hpp.
enum class LogKind : std::uint8_t {
    process, // starting, ending, the configuration: what somebody did; not limited
    link,    // an interface
    attachment,
    device, // whether the LUN answers
    target,
    path,
    conflict,
    payload,
    capacity,
    front_end, // the kernel's device
    record,    // names, facts for udev, the state for a successor
};

struct LogLine {
    LogLevel level = LogLevel::info;
    LogKind kind = LogKind::process;
    std::string text{}; // what happened, and what uaoe does about it
    std::optional<proto::Address> address{};
    bool names_lun = false; // the text says which LUN
    // As `uaoe events` names them; empty: nothing.
    std::string event{};
    std::string interface{};
    std::string target_mac{};
    std::string device{};
    std::uint64_t left_out_count = 0; // lines that this one stands for
};

// For what could not be done. `what_then`: what uaoe does all the same.
[[nodiscard]] LogLine failure_line(const Error& error, LogKind kind, std::string_view what_then);

// "1.0: no path answers; ...", or the text alone.
[[nodiscard]] std::string log_message(const LogLine& line);
// On standard error: with "uaoed: " before what does not begin with a LUN.
[[nodiscard]] std::string log_text(const LogLine& line, std::string_view program);
// A datagram of journald's native protocol: MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, and UAOE_EVENT,
// UAOE_ADDRESS, UAOE_INTERFACE, UAOE_TARGET_MAC, UAOE_DEVICE, UAOE_LEFT_OUT_COUNT where there is
// such a thing.
[[nodiscard]] std::string journal_entry(const LogLine& line, std::string_view program);

} // namespace uaoe::tools
