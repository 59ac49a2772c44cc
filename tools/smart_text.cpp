// SMART for people.
#include "tools/smart_text.hpp"

#include "tools/text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace uaoe::tools {

namespace {

struct AttributeName {
    std::uint8_t id;
    std::string_view name;
};

// By id. Those that vendors agree on, mostly.
constexpr std::array<AttributeName, 51> attribute_names{{{1, "raw read error rate"},
                                                         {2, "throughput performance"},
                                                         {3, "spin-up time"},
                                                         {4, "start/stop count"},
                                                         {5, "reallocated sectors"},
                                                         {7, "seek error rate"},
                                                         {8, "seek time performance"},
                                                         {9, "power-on hours"},
                                                         {10, "spin retries"},
                                                         {11, "calibration retries"},
                                                         {12, "power cycles"},
                                                         {13, "soft read error rate"},
                                                         {22, "helium level"},
                                                         {170, "available reserved space"},
                                                         {171, "program failures"},
                                                         {172, "erase failures"},
                                                         {173, "wear levelling"},
                                                         {174, "unexpected power losses"},
                                                         {175, "power loss protection"},
                                                         {177, "wear levelling count"},
                                                         {179, "used reserved blocks"},
                                                         {180, "unused reserved blocks"},
                                                         {181, "program failures, total"},
                                                         {182, "erase failures, total"},
                                                         {183, "runtime bad blocks"},
                                                         {184, "end-to-end errors"},
                                                         {187, "reported uncorrectable"},
                                                         {188, "command timeouts"},
                                                         {189, "high fly writes"},
                                                         {190, "airflow temperature"},
                                                         {191, "g-sense errors"},
                                                         {192, "power-off retracts"},
                                                         {193, "load cycles"},
                                                         {194, "temperature"},
                                                         {195, "hardware ECC recovered"},
                                                         {196, "reallocation events"},
                                                         {197, "pending sectors"},
                                                         {198, "offline uncorrectable"},
                                                         {199, "CRC errors"},
                                                         {200, "write error rate"},
                                                         {201, "soft read errors"},
                                                         {220, "disk shift"},
                                                         {222, "loaded hours"},
                                                         {223, "load retries"},
                                                         {226, "load-in time"},
                                                         {231, "SSD life left"},
                                                         {232, "available reserved space"},
                                                         {233, "media wear-out"},
                                                         {240, "head flying hours"},
                                                         {241, "total LBAs written"},
                                                         {242, "total LBAs read"}}};
static_assert(std::ranges::is_sorted(attribute_names, {}, &AttributeName::id));

bool is_temperature(std::uint8_t id) {
    return id == 190 || id == 194;
}

std::string_view health_text(proto::SmartHealth health) {
    switch (health) {
    case proto::SmartHealth::passed:
        return "passed";
    case proto::SmartHealth::failing:
        return "FAILING";
    case proto::SmartHealth::unknown:
        break;
    }
    return "not told (the target leaves no status)";
}

std::string power_text(std::optional<proto::PowerMode> mode) {
    if (!mode) {
        return "not told";
    }
    switch (*mode) {
    case proto::PowerMode::standby:
        return "standby";
    case proto::PowerMode::idle:
        return "idle";
    case proto::PowerMode::active_or_idle:
        return "active or idle";
    }
    return fmt::format("{:#04x}", static_cast<unsigned>(*mode));
}

std::string fails_text(const proto::SmartAttribute& attribute) {
    return attribute.fails_now() ? "NOW" : attribute.failed_once() ? "once" : "";
}

std::string attributes_table(const SmartReport& report) {
    using enum Table::Align;
    Table table({{.title = "ID", .align = right},
                 {.title = "ATTRIBUTE"},
                 {.title = "VALUE", .align = right},
                 {.title = "WORST", .align = right},
                 {.title = "LIMIT", .align = right},
                 {.title = "KIND"},
                 {.title = "FAIL"},
                 {.title = "RAW", .align = right}});
    for (const auto& attribute :
         std::span(report.data->attributes).first(report.data->attributes_count)) {
        table.add_row({fmt::format("{}", attribute.id),
                       std::string(smart_attribute_name(attribute.id)),
                       fmt::format("{}", attribute.value), fmt::format("{}", attribute.worst),
                       report.has_thresholds && attribute.threshold != 0
                           ? fmt::format("{}", attribute.threshold)
                           : "-",
                       attribute.is_prefailure() ? "fail" : "age", fails_text(attribute),
                       smart_raw_text(attribute)});
    }
    return table.to_text();
}

std::string_view test_name(std::uint8_t test) {
    switch (test) {
    case 0x01:
    case 0x81:
        return "short";
    case 0x02:
    case 0x82:
        return "long";
    case 0x03:
    case 0x83:
        return "conveyance";
    case 0x04:
    case 0x84:
        return "selective";
    case 0x00:
        return "offline";
    case 0x7f:
        return "abort";
    default:
        return "vendor's";
    }
}

} // namespace

std::string_view smart_attribute_name(std::uint8_t id) {
    const auto found = std::ranges::lower_bound(attribute_names, id, {}, &AttributeName::id);
    return found != attribute_names.end() && found->id == id ? found->name : "unknown";
}

std::string smart_raw_text(const proto::SmartAttribute& attribute) {
    // Above the lowest octet of a temperature vendors keep the extremes it had.
    return is_temperature(attribute.id) ? fmt::format("{} C", attribute.raw & 0xffU)
                                        : fmt::format("{}", attribute.raw);
}

std::string self_test_text(std::uint8_t status) {
    constexpr std::array<std::string_view, 9> results{"completed without an error",
                                                      "ended by the host",
                                                      "interrupted by a reset",
                                                      "ended by a fatal error",
                                                      "failed: unknown element",
                                                      "failed: electrical element",
                                                      "failed: servo element",
                                                      "failed: read element",
                                                      "failed: handling damage suspected"};
    const unsigned result = proto::self_test_result(status);
    if (result == proto::self_test_running) {
        return fmt::format("running, {} % remain", proto::self_test_remaining_percent(status));
    }
    return result < results.size() ? std::string(results[result])
                                   : fmt::format("result {}", result);
}

std::string smart_text(const initiator::TargetStatus& target, const SmartReport& report) {
    std::string text;
    const auto add = [&](std::string_view name, std::string_view value) {
        text += fmt::format("{:<18}{}\n", name, value);
    };
    add("address", proto::to_string(target.address));
    add("model", visible_text(target.identify.model.view()));
    add("serial", visible_text(target.identify.serial.view()));
    add("health", health_text(report.health));
    add("power", power_text(report.power_mode));
    if (report.data) {
        add("self-test", self_test_text(report.data->self_test_status));
        if (!report.data->checksum_is_right) {
            add("note", "the checksum of the attributes is wrong: they may be, too");
        }
        text += "\n" + (report.data->attributes_count > 0 ? attributes_table(report)
                                                          : "no attributes are told\n");
    } else {
        text += "\nno attributes are told\n";
    }
    return text;
}

std::string self_test_log_text(const proto::SelfTestLog& log) {
    if (log.entries_count == 0) {
        return "no self-test was done yet\n";
    }
    using enum Table::Align;
    Table table({{.title = "TEST"},
                 {.title = "RESULT"},
                 {.title = "HOURS", .align = right},
                 {.title = "BAD LBA", .align = right}});
    for (const auto& entry : std::span(log.entries).first(log.entries_count)) {
        table.add_row({std::string(test_name(entry.test)), self_test_text(entry.status),
                       fmt::format("{}", entry.hours),
                       entry.has_failing_lba() ? fmt::format("{}", entry.failing_lba) : ""});
    }
    return table.to_text() +
           (log.checksum_is_right ? "" : "the checksum of the log is wrong: it may be, too\n");
}

} // namespace uaoe::tools
