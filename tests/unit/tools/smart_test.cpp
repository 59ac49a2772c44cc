// SMART, step by step, against a model target; and its tables.
#include "asked_target.hpp"
#include "sample_target.hpp"
#include "tools/smart_text.hpp"

#include <doctest/doctest.h>

#include <sstream>

using namespace uaoe;
using namespace uaoe::tools;
using proto::SmartHealth;
using proto::SmartTest;

namespace {

target::LunConfig with_smart() {
    target::LunConfig config;
    config.smart = target::SmartDisk::sample();
    config.identify.smart_supported = true;
    config.identify.smart_enabled = true;
    return config;
}

bool contains(const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
}

void check_width(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        CHECK_MESSAGE(line.size() <= 80, line);
    }
}

} // namespace

TEST_CASE("health, power, attributes with thresholds, and the log are read") {
    AskedTarget target(with_smart());
    const SmartReport report = read_smart(target.administered()).value();
    CHECK(report.health == SmartHealth::passed);
    CHECK(report.power_mode == proto::PowerMode::active_or_idle);
    REQUIRE(report.data.has_value());
    CHECK(report.has_thresholds);
    CHECK(report.data->attributes_count == 6);
    CHECK(report.data->attributes[1].threshold == 36);
    CHECK(report.data->attributes[5].failed_once());
    REQUIRE(report.log.has_value());
    CHECK(report.log->entries_count == 2);
    CHECK(target.changes_count == 0);
    CHECK(smart_text(sample_target(), report) ==
          "address           7.3\n"
          "model             Some Disk\n"
          "serial            S1\n"
          "health            passed\n"
          "power             active or idle\n"
          "self-test         completed without an error\n"
          "\n"
          " ID  ATTRIBUTE            VALUE  WORST  LIMIT  KIND  FAIL              RAW\n"
          "  1  raw read error rate    200    200     51  fail                      0\n"
          "  5  reallocated sectors    100    100     36  fail                      8\n"
          "  9  power-on hours          88     88      -  age                    9123\n"
          "194  temperature            113    100      -  age                    34 C\n"
          "197  pending sectors        100    100      -  age                       1\n"
          "250  unknown                 40     20     30  age   once  281474976710655\n");
    CHECK(self_test_log_text(*report.log) == "TEST   RESULT                      HOURS  BAD LBA\n"
                                             "short  completed without an error   9100\n"
                                             "long   failed: read element         8000   123456\n");
    CHECK(self_test_log_text({.entries = {}, .entries_count = 0, .checksum_is_right = true}) ==
          "no self-test was done yet\n");
}

TEST_CASE("the longest attribute there can be keeps within 80 columns") {
    SmartReport report;
    report.data.emplace();
    report.has_thresholds = true;
    for (unsigned id = 1; id < 256; ++id) {
        report.data->attributes_count = 1;
        report.data->attributes[0] = {.id = static_cast<std::uint8_t>(id),
                                      .flags = 1,
                                      .value = 200,
                                      .worst = 200,
                                      .raw = 0xffff'ffff'ffff,
                                      .threshold = 255};
        check_width(smart_text(sample_target(), report));
    }
    for (unsigned status = 0; status < 256; ++status) {
        proto::SelfTestLog log;
        log.entries_count = 1;
        log.entries[0] = {.test = 3,
                          .status = static_cast<std::uint8_t>(status),
                          .hours = 65535,
                          .failing_lba = 0xffff'ffff};
        check_width(self_test_log_text(log));
    }
}

TEST_CASE("a target without SMART is said to have none, and one that is switched off can be on") {
    AskedTarget none;
    const auto refused = read_smart(none.administered());
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().exit_code == ExitCode::failed);
    CHECK(contains(refused.error().line(), "1.0 has no SMART"));
    CHECK(contains(start_self_test(none.administered(), SmartTest::short_test).error().line(),
                   "has no SMART"));
    CHECK(contains(enable_smart(none.administered()).error().line(), "has no SMART"));

    auto config = with_smart();
    config.identify.smart_enabled = false;
    AskedTarget off(config);
    Administered one = off.administered();
    one.has_smart_off = true;
    CHECK(contains(read_smart(one).error().line(), "--enable"));
    CHECK(enable_smart(one).has_value());
    CHECK(read_smart(one).has_value());
}

TEST_CASE("what disks tell wrongly is not believed") {
    const auto of = [](auto&& change) {
        auto config = with_smart();
        change(*config.smart);
        return config;
    };
    AskedTarget failing(of([](auto& disk) { disk.is_failing = true; }));
    CHECK(read_smart(failing.administered())->health == SmartHealth::failing);
    AskedTarget zeroes(of([](auto& disk) { disk.zeroes_status = true; }));
    CHECK(read_smart(zeroes.administered())->health == SmartHealth::unknown);
    AskedTarget wrong(of([](auto& disk) { disk.wrong_checksums = true; }));
    const auto report = read_smart(wrong.administered()).value();
    CHECK_FALSE(report.data->checksum_is_right);
    CHECK(contains(smart_text(sample_target(), report), "checksum"));
    CHECK(contains(self_test_log_text(*report.log), "checksum"));
    AskedTarget cut(of([](auto& disk) { disk.short_blocks = true; }));
    CHECK(contains(read_smart(cut.administered()).error().line(), "sent 412 of 512 bytes"));
    auto reserved = with_smart();
    reserved.reserved_for = {other_host};
    AskedTarget theirs(reserved);
    CHECK(contains(read_smart(theirs.administered()).error().line(), "AoE error 6"));
    AskedTarget gone(with_smart());
    gone.is_gone = true;
    CHECK(read_smart(gone.administered()).error().exit_code == ExitCode::no_such_target);
}

TEST_CASE("a self-test runs, alone, and can be ended") {
    AskedTarget target(with_smart());
    const Administered one = target.administered();
    CHECK(start_self_test(one, SmartTest::extended)->extended_test_minutes == 311);
    const auto second = start_self_test(one, SmartTest::short_test);
    REQUIRE_FALSE(second.has_value());
    CHECK(contains(second.error().line(), "one is running"));
    CHECK(start_self_test(one, SmartTest::abort).has_value());
    CHECK(self_test_text(read_smart_data(one)->self_test_status) == "ended by the host");
    CHECK(start_self_test(one, SmartTest::short_test).has_value());
    unsigned looks = 0;
    while (proto::self_test_result(read_smart_data(one)->self_test_status) ==
           proto::self_test_running) {
        REQUIRE(++looks < 10);
    }
    CHECK(read_smart(one)->log->entries[0].test == 1);
    auto config = with_smart();
    config.smart->data.can_self_test = false;
    AskedTarget untested(config);
    CHECK(contains(start_self_test(untested.administered(), SmartTest::short_test).error().line(),
                   "has no self-tests"));
}

TEST_CASE("SMART as JSON") {
    AskedTarget target(with_smart());
    const std::string json = smart_json(sample_target(), read_smart(target.administered()).value());
    CHECK(contains(json, R"("health":"passed","power_mode":"active_or_idle")"));
    CHECK(contains(json, R"({"id":194,"name":"temperature","value":113,"worst":100,"threshold":0,)"
                         R"("raw":214749544482,"raw_text":"34 C","flags":34,)"
                         R"("is_prefailure":false,"failed":"never"})"));
    CHECK(contains(json, R"("failing_lba":123456)"));
    const std::string bare = smart_json(sample_target(), {});
    CHECK(contains(bare, R"("health":"unknown","power_mode":null,"attributes":[])"));
    CHECK(contains(bare, R"("self_test":null)"));
}
