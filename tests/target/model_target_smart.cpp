// The model target's SMART: a few attributes, a self-test log, and self-tests that make progress
// each time somebody looks, since a model target has no time.
#include "tests/target/model_target_exchange.hpp"

#include <algorithm>

namespace uaoe::target {

using proto::SmartFeature;
using proto::SmartTest;

namespace {

constexpr std::uint8_t status_running = proto::self_test_running << 4U;
constexpr unsigned remaining_tenths = 9;

} // namespace

SmartDisk SmartDisk::sample() {
    SmartDisk disk;
    disk.data.attributes_count = 6;
    disk.data.attributes[0] = {
        .id = 1, .flags = 0x2f, .value = 200, .worst = 200, .raw = 0, .threshold = 51};
    disk.data.attributes[1] = {
        .id = 5, .flags = 0x33, .value = 100, .worst = 100, .raw = 8, .threshold = 36};
    disk.data.attributes[2] = {
        .id = 9, .flags = 0x32, .value = 88, .worst = 88, .raw = 9123, .threshold = 0};
    disk.data.attributes[3] = {.id = 194,
                               .flags = 0x22,
                               .value = 113,
                               .worst = 100,
                               .raw = 0x0032'0012'0022,
                               .threshold = 0};
    disk.data.attributes[4] = {
        .id = 197, .flags = 0x32, .value = 100, .worst = 100, .raw = 1, .threshold = 0};
    disk.data.attributes[5] = {.id = 250,
                               .flags = 0x00,
                               .value = 40,
                               .worst = 20,
                               .raw = 0xffff'ffff'ffff,
                               .threshold = 30};
    disk.data.can_self_test = true;
    disk.data.short_test_minutes = 2;
    disk.data.extended_test_minutes = 311;
    disk.log.entries_count = 2;
    disk.log.entries[0] = {.test = 1, .status = 0, .hours = 9100, .failing_lba = 0};
    disk.log.entries[1] = {.test = 2, .status = 0x73, .hours = 8000, .failing_lba = 123456};
    return disk;
}

void SmartDisk::look() {
    if (proto::self_test_result(data.self_test_status) != proto::self_test_running) {
        return;
    }
    const unsigned left = proto::self_test_remaining_percent(data.self_test_status) / 10;
    if (left > 3) {
        data.self_test_status = static_cast<std::uint8_t>(status_running | (left - 3));
        return;
    }
    data.self_test_status = self_test_fails ? 0x70 : 0;
    end_test();
}

void SmartDisk::end_test() {
    std::shift_right(log.entries.begin(), log.entries.end(), 1);
    log.entries_count = std::min(log.entries_count + 1, log.entries.size());
    log.entries[0] = {.test = running_test,
                      .status = data.self_test_status,
                      .hours = 9123,
                      .failing_lba = self_test_fails ? 777U : 0xffff'ffffU};
}

bool SmartDisk::execute(std::uint8_t test) {
    const bool is_running =
        proto::self_test_result(data.self_test_status) == proto::self_test_running;
    switch (static_cast<SmartTest>(test)) {
    case SmartTest::short_test:
    case SmartTest::extended:
        running_test = test;
        data.self_test_status = status_running | remaining_tenths;
        return true;
    case SmartTest::abort:
        if (is_running) {
            data.self_test_status = 0x10; // aborted by the host
            end_test();
        }
        return true;
    }
    return false;
}

// The block goes to the reply buffer.
ModelTarget::AtaResult
ModelTarget::smart_block(const Exchange& exchange, const proto::AtaFields& ata,
                         const std::array<std::byte, proto::smart_block_bytes>& block) {
    if (ata.sector_count != 1 ||
        exchange.frame_bytes_max() < proto::ata_frame_header_bytes + block.size()) {
        return {.aoe_error = proto::AoeError::bad_argument};
    }
    auto sent = block;
    if (config_.smart->wrong_checksums) {
        sent[proto::smart_block_bytes - 1] ^= std::byte{0xff};
    }
    std::ranges::copy(sent, exchange.reply.begin() + proto::ata_frame_header_bytes);
    return {.data_bytes = config_.smart->short_blocks ? sent.size() - 100 : sent.size()};
}

ModelTarget::AtaResult ModelTarget::run_smart(const Exchange& exchange,
                                              const proto::AtaFields& ata) {
    const bool has_password = (ata.lba.value & 0xffff00U) == 0xc24f00;
    if (!config_.smart || !has_password) {
        return AtaResult::aborted(ata.sector_count);
    }
    SmartDisk& disk = *config_.smart;
    const auto feature = static_cast<SmartFeature>(ata.error_feature);
    if (feature == SmartFeature::enable) {
        config_.identify.smart_enabled = true;
        return {};
    }
    if (!config_.identify.smart_enabled) {
        return AtaResult::aborted(ata.sector_count);
    }
    const auto low = static_cast<std::uint8_t>(ata.lba.value & 0xffU);
    switch (feature) {
    case SmartFeature::return_status:
        return {.lba = proto::Lba{disk.zeroes_status ? 0xa000'0000U
                                  : disk.is_failing  ? 0xa02c'f400U
                                                     : 0xa0c2'4f00U}};
    case SmartFeature::read_data:
        disk.look();
        return smart_block(exchange, ata, proto::make_smart_data(disk.data));
    case SmartFeature::read_thresholds:
        return smart_block(exchange, ata, proto::make_smart_thresholds(disk.data));
    case SmartFeature::read_log:
        return low == proto::smart_log_self_test
                   ? smart_block(exchange, ata, proto::make_self_test_log(disk.log))
                   : AtaResult::aborted(ata.sector_count);
    case SmartFeature::execute_offline:
        return disk.data.can_self_test && disk.execute(low) ? AtaResult{}
                                                            : AtaResult::aborted(ata.sector_count);
    case SmartFeature::enable:
        break;
    }
    return AtaResult::aborted(ata.sector_count);
}

} // namespace uaoe::target
