// SMART commands and what their answers mean.
#include "tools/smart_steps.hpp"

#include "proto/ata.hpp"

#include <fmt/format.h>

namespace uaoe::tools {

namespace {

using namespace std::chrono_literals;
using proto::AtaCommand;
using proto::SmartFeature;

// How the disk ended a command. `data` borrows the answer.
struct Outcome {
    initiator::AdminAnswer answer;
    proto::AtaFields fields;

    [[nodiscard]] bool is_aborted() const {
        return (fields.command_status & proto::ata_status_error) != 0 &&
               (fields.error_feature & proto::ata_error_abort) != 0;
    }
    [[nodiscard]] bool has_failed() const {
        return (fields.command_status & (proto::ata_status_error | proto::ata_status_device_fault |
                                         proto::ata_status_busy)) != 0;
    }
};

initiator::AdminQuestion question(AtaCommand command, std::uint8_t feature, proto::Lba lba,
                                  std::uint8_t sector_count) {
    return {.command = proto::Command::ata,
            .argument = argument_of([&](proto::Bytes out) {
                return proto::write_ata(out, {},
                                        {.error_feature = feature,
                                         .sector_count = sector_count,
                                         .command_status = static_cast<std::uint8_t>(command),
                                         .lba = lba,
                                         .data = {}});
            })};
}

initiator::AdminQuestion smart_question(SmartFeature feature, std::uint8_t low_octet = 0) {
    const bool brings_block = feature == SmartFeature::read_data ||
                              feature == SmartFeature::read_thresholds ||
                              feature == SmartFeature::read_log;
    auto asked = question(AtaCommand::smart, static_cast<std::uint8_t>(feature),
                          proto::smart_lba(low_octet), brings_block ? 1 : 0);
    asked.is_change = feature == SmartFeature::enable || feature == SmartFeature::execute_offline;
    return asked;
}

std::expected<Outcome, Error> ask_disk(const Administered& target, initiator::AdminQuestion asked,
                                       std::string_view what) {
    auto answer = ask_firmly(target, std::move(asked), what);
    if (!answer) {
        return std::unexpected(answer.error());
    }
    if (answer->is_error) {
        return std::unexpected(aoe_error(target, answer->error, what));
    }
    Outcome outcome{.answer = std::move(*answer), .fields = {}};
    const auto fields = proto::parse_ata(outcome.answer.argument);
    if (!fields) {
        return std::unexpected(nonsense_error(what));
    }
    outcome.fields = *fields;
    return outcome;
}

Error ata_error(const Outcome& outcome, std::string_view what) {
    return {.what = std::string(what),
            .why = fmt::format("the disk ended the command with an error (ATA status {:#04x}, "
                               "error {:#04x})",
                               outcome.fields.command_status, outcome.fields.error_feature),
            .what_to_do = "see the target's log, and whether its disk works"};
}

std::string what_of(const Administered& target) {
    return fmt::format("cannot read SMART of {}", proto::to_string(target.address));
}

Error no_smart_error(const Administered& target) {
    const std::string name = proto::to_string(target.address);
    if (target.has_smart_off) {
        return {.what = what_of(target),
                .why = "it is switched off",
                .what_to_do = fmt::format("`uaoe smart {} --enable` switches it on", name)};
    }
    return {.what = name + " has no SMART",
            .why = "the target aborts its commands, as vblade and others that serve a file do",
            .what_to_do = "ask the disk at the target itself (smartctl)"};
}

// A block of 512 bytes; nothing when the disk has no such.
std::expected<std::optional<Outcome>, Error> read_block(const Administered& target,
                                                        initiator::AdminQuestion asked) {
    const std::string what = what_of(target);
    auto outcome = ask_disk(target, std::move(asked), what);
    if (!outcome) {
        return std::unexpected(outcome.error());
    }
    if (outcome->is_aborted()) {
        return std::optional<Outcome>{};
    }
    if (outcome->has_failed()) {
        return std::unexpected(ata_error(*outcome, what));
    }
    if (outcome->fields.data.size() < proto::smart_block_bytes) {
        return std::unexpected(Error{
            .what = what,
            .why = fmt::format("the target sent {} of 512 bytes", outcome->fields.data.size()),
            .what_to_do = "see the target's log"});
    }
    return std::optional(std::move(*outcome));
}

// Nothing when the target does not tell: that is no reason to tell nothing else.
std::optional<proto::PowerMode> read_power_mode(Administered target) {
    target.patience = std::min<initiator::Duration>(target.patience, 1s);
    const auto outcome = ask_disk(
        target, question(AtaCommand::check_power_mode, 0, {0xa000'0000}, 0), "cannot read");
    if (!outcome || outcome->has_failed()) {
        return std::nullopt;
    }
    return static_cast<proto::PowerMode>(outcome->fields.sector_count);
}

} // namespace

std::expected<proto::SmartData, Error> read_smart_data(const Administered& target) {
    const auto block = read_block(target, smart_question(SmartFeature::read_data));
    if (!block) {
        return std::unexpected(block.error());
    }
    if (!*block) {
        return std::unexpected(no_smart_error(target));
    }
    return proto::parse_smart_data((**block).fields.data).value();
}

std::expected<SmartReport, Error> read_smart(const Administered& target) {
    const auto status =
        ask_disk(target, smart_question(SmartFeature::return_status), what_of(target));
    if (!status) {
        return std::unexpected(status.error());
    }
    if (status->is_aborted()) {
        return std::unexpected(no_smart_error(target));
    }
    if (status->has_failed()) {
        return std::unexpected(ata_error(*status, what_of(target)));
    }
    SmartReport report;
    report.health = proto::smart_health(status->fields.lba);
    report.power_mode = read_power_mode(target);
    const auto data = read_block(target, smart_question(SmartFeature::read_data));
    if (!data) {
        return std::unexpected(data.error());
    }
    if (*data) {
        report.data = proto::parse_smart_data((**data).fields.data);
        const auto thresholds = read_block(target, smart_question(SmartFeature::read_thresholds));
        if (!thresholds) {
            return std::unexpected(thresholds.error());
        }
        report.has_thresholds =
            *thresholds && proto::add_smart_thresholds(*report.data, (**thresholds).fields.data);
    }
    const auto log =
        read_block(target, smart_question(SmartFeature::read_log, proto::smart_log_self_test));
    if (!log) {
        return std::unexpected(log.error());
    }
    if (*log) {
        report.log = proto::parse_self_test_log((**log).fields.data);
    }
    return report;
}

std::expected<void, Error> enable_smart(const Administered& target) {
    const std::string what =
        fmt::format("cannot switch SMART of {} on", proto::to_string(target.address));
    const auto outcome = ask_disk(target, smart_question(SmartFeature::enable), what);
    if (!outcome) {
        return std::unexpected(outcome.error());
    }
    if (outcome->is_aborted()) {
        return std::unexpected(no_smart_error(target));
    }
    if (outcome->has_failed()) {
        return std::unexpected(ata_error(*outcome, what));
    }
    return {};
}

std::expected<proto::SmartData, Error> start_self_test(const Administered& target,
                                                       proto::SmartTest test) {
    const std::string name = proto::to_string(target.address);
    const bool is_abort = test == proto::SmartTest::abort;
    const std::string what = is_abort ? fmt::format("cannot end the self-test of {}", name)
                                      : fmt::format("cannot start a self-test of {}", name);
    const auto data = read_smart_data(target);
    if (!data) {
        return std::unexpected(data.error());
    }
    const bool is_running =
        proto::self_test_result(data->self_test_status) == proto::self_test_running;
    if (is_running && !is_abort) {
        return std::unexpected(
            Error{.what = what,
                  .why = fmt::format("one is running, {} % of it remains",
                                     proto::self_test_remaining_percent(data->self_test_status)),
                  .what_to_do = fmt::format("`uaoe smart {} --test abort` ends it", name)});
    }
    const auto outcome = ask_disk(
        target, smart_question(SmartFeature::execute_offline, static_cast<std::uint8_t>(test)),
        what);
    if (!outcome) {
        return std::unexpected(outcome.error());
    }
    if (outcome->is_aborted()) {
        return std::unexpected(
            Error{.what = what,
                  .why = data->can_self_test ? "the disk refuses it" : "the disk has no self-tests",
                  .what_to_do = {}});
    }
    if (outcome->has_failed()) {
        return std::unexpected(ata_error(*outcome, what));
    }
    return data;
}

} // namespace uaoe::tools
