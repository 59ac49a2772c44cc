// Lines to text, and to fields.
#include "tools/log_line.hpp"

#include "tools/text.hpp"

namespace uaoe::tools {

namespace {

bool begins_with_lun(const LogLine& line) {
    return line.address && !line.names_lun;
}

// Visible text has no newline, so this short form of the protocol will do.
void add_field(std::string& entry, std::string_view name, std::string_view value) {
    if (!value.empty()) {
        entry += name;
        entry += '=';
        entry += visible_text(value);
        entry += '\n';
    }
}

} // namespace

LogLine failure_line(const Error& error, LogKind kind, std::string_view what_then) {
    LogLine line{.level = LogLevel::warning, .kind = kind, .text = error.line()};
    if (!what_then.empty()) {
        line.text += "; ";
        line.text += what_then;
    }
    return line;
}

std::string log_message(const LogLine& line) {
    return begins_with_lun(line) ? proto::to_string(*line.address) + ": " + line.text : line.text;
}

std::string log_text(const LogLine& line, std::string_view program) {
    return begins_with_lun(line) ? log_message(line) : std::string(program) + ": " + line.text;
}

std::string journal_entry(const LogLine& line, std::string_view program) {
    std::string entry;
    add_field(entry, "MESSAGE", log_message(line));
    add_field(entry, "PRIORITY", std::to_string(static_cast<unsigned>(line.level)));
    add_field(entry, "SYSLOG_IDENTIFIER", program);
    add_field(entry, "UAOE_EVENT", line.event);
    add_field(entry, "UAOE_ADDRESS", line.address ? proto::to_string(*line.address) : "");
    add_field(entry, "UAOE_INTERFACE", line.interface);
    add_field(entry, "UAOE_TARGET_MAC", line.target_mac);
    add_field(entry, "UAOE_DEVICE", line.device);
    add_field(entry, "UAOE_LEFT_OUT_COUNT",
              line.left_out_count > 0 ? std::to_string(line.left_out_count) : "");
    return entry;
}

} // namespace uaoe::tools
