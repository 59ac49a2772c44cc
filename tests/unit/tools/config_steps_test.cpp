// The config string, step by step, against a model target.
#include "asked_target.hpp"

#include <doctest/doctest.h>

using namespace uaoe;
using namespace uaoe::tools;

namespace {

target::LunConfig with_string(const std::string& string) {
    target::LunConfig config;
    config.config_string = string;
    return config;
}

bool contains(const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("the string is read as it is, up to 1024 bytes of anything") {
    for (const std::string& string : {std::string(), std::string("blue"),
                                      std::string("a\0b\n\xff", 5), std::string(1024, 'x')}) {
        AskedTarget target(with_string(string));
        CHECK(read_config_string(target.administered()).value() == string);
    }
}

TEST_CASE("an empty string is set; another one is shown and stays") {
    AskedTarget target;
    CHECK(set_config_string(target.administered(), "vm7", false).has_value());
    CHECK(read_config_string(target.administered()).value() == "vm7");
    const auto refused = set_config_string(target.administered(), "vm8\n", false);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().exit_code == ExitCode::failed);
    CHECK(refused.error().line() ==
          "cannot set the config string of 1.0: it is \"vm7\"; --force overwrites it");
    CHECK(read_config_string(target.administered()).value() == "vm7");
    CHECK(set_config_string(target.administered(), "vm8", true).has_value());
    CHECK(read_config_string(target.administered()).value() == "vm8");
    CHECK(set_config_string(target.administered(), "", true).has_value());
    CHECK(read_config_string(target.administered()).value().empty());
}

TEST_CASE("the conflict with oneself, after a lost answer, is none") {
    AskedTarget target;
    // A target that calls even the same string a conflict.
    Administered strict = target.administered();
    bool is_set = false;
    strict.ask = [&, ask = strict.ask](initiator::AdminQuestion question) {
        const bool is_conflict = question.is_change && is_set;
        is_set = is_set || question.is_change;
        auto answer = ask(std::move(question));
        answer->is_error = is_conflict;
        answer->error =
            is_conflict ? proto::AoeError::config_string_present : proto::AoeError::none;
        return answer;
    };
    CHECK(set_config_string(strict, "vm7", false).has_value());
    CHECK(set_config_string(strict, "vm7", false).has_value());
}

TEST_CASE("a conflict that does not tell the string makes it be read") {
    auto config = with_string("vm7");
    config.quirks.short_errors = true;
    AskedTarget target(config);
    CHECK(contains(set_config_string(target.administered(), "vm8", false).error().line(),
                   "it is \"vm7\""));
    CHECK(set_config_string(target.administered(), "vm7", false).has_value());
}

TEST_CASE("tests match or do not, and silence is not taken for an answer") {
    AskedTarget target(with_string("vm7 root"));
    for (const bool answers : {true, false}) {
        target.answers_tests = answers;
        const Administered one = target.administered();
        CHECK(test_config_string(one, "vm7 root", false)->matches);
        CHECK_FALSE(test_config_string(one, "vm7", false)->matches);
        CHECK(test_config_string(one, "vm7", true)->matches);
        CHECK(test_config_string(one, "", true)->matches);
        CHECK_FALSE(test_config_string(one, "", false)->matches);
        CHECK_FALSE(test_config_string(one, "vm7 root disk", true)->matches);
        CHECK(test_config_string(one, "x", true)->present == "vm7 root");
    }
    CHECK(target.changes_count == 0);
}

TEST_CASE("a target that is gone is no such target, and what was to be changed is in doubt") {
    AskedTarget target;
    target.is_gone = true;
    const auto read = read_config_string(target.administered());
    CHECK(read.error().exit_code == ExitCode::no_such_target);
    CHECK(contains(read.error().line(), "no answer any more"));
    const auto set = set_config_string(target.administered(), "x", false);
    CHECK(set.error().exit_code == ExitCode::no_such_target);
    CHECK(contains(set.error().line(), "may be done or not"));
    CHECK(test_config_string(target.administered(), "x", false).error().exit_code ==
          ExitCode::no_such_target);
}

TEST_CASE("AoE errors are told in words") {
    AskedTarget target;
    const Administered one = target.administered();
    for (const auto& [code, text] :
         std::vector<std::pair<unsigned, const char*>>{{1, "does not know the command"},
                                                       {2, "does not accept"},
                                                       {3, "disk is unavailable"},
                                                       {4, "has a config string"},
                                                       {5, "version 1"},
                                                       {6, "reserved"},
                                                       {77, "AoE error 77"}}) {
        const Error error = aoe_error(one, static_cast<proto::AoeError>(code), "cannot x 1.0");
        CHECK_MESSAGE(contains(error.line(), text), error.line());
        CHECK(contains(error.line(), "cannot x 1.0: "));
        CHECK_FALSE(error.what_to_do.empty());
    }
}
