// What is said about a target that does not come, and how the program ends then.
#include "tools/target_wait.hpp"
#include "tools/trial_read.hpp"

#include "sample_target.hpp"

#include <doctest/doctest.h>

using namespace uaoe;
using namespace uaoe::tools;
using namespace std::chrono_literals;
using initiator::PathState;
using initiator::TargetState;

namespace {

Error error_of(const Sighting& sighting) {
    const Error error = absent_error({1, 0}, {"eth1", "eth2"}, sighting, 10s);
    CHECK_FALSE(error.what.empty());
    CHECK_FALSE(error.why.empty());
    CHECK_FALSE(error.what_to_do.empty());
    return error;
}

Sighting sighting_of(TargetState state) {
    auto target = sample_target();
    target.state = state;
    return {.target = target, .others_count = 0};
}

bool contains(const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("nobody, somebody else, or a target that is silent later") {
    const Error nobody = error_of({});
    CHECK(nobody.exit_code == ExitCode::no_such_target);
    CHECK(contains(nobody.line(), "target 1.0 not found: nothing answered on eth1 and eth2"));
    const Error others = error_of({.target = std::nullopt, .others_count = 3});
    CHECK(others.exit_code == ExitCode::no_such_target);
    CHECK(contains(others.line(), "3 other targets answer"));
    CHECK(contains(error_of({.target = std::nullopt, .others_count = 1}).line(),
                   "another target answers"));
    for (const auto state : {TargetState::mute, TargetState::identifying}) {
        const Error mute = error_of(sighting_of(state));
        CHECK(mute.exit_code == ExitCode::no_such_target);
        CHECK(contains(mute.line(), "never IDENTIFY"));
    }
}

TEST_CASE("a target that is there and refuses is a failure, not an absence") {
    CHECK(error_of(sighting_of(TargetState::reserved)).exit_code == ExitCode::failed);
    CHECK(contains(error_of(sighting_of(TargetState::reserved)).line(), "reserved by another"));
    CHECK(error_of(sighting_of(TargetState::unavailable)).exit_code == ExitCode::failed);
    CHECK(error_of(sighting_of(TargetState::failed)).exit_code == ExitCode::failed);
    auto conflict = sighting_of(TargetState::ready);
    for (auto& path : conflict.target->paths) {
        path.state = PathState::conflict;
    }
    CHECK(contains(error_of(conflict).line(), "different disks"));
}

TEST_CASE("each state of waiting is said in its own words") {
    CHECK(missing_text({}) == "no answer to Query Config yet");
    CHECK(contains(missing_text({.target = std::nullopt, .others_count = 2}), "2 other targets"));
    CHECK(contains(missing_text(sighting_of(TargetState::identifying)), "not IDENTIFY yet"));
    CHECK(contains(missing_text(sighting_of(TargetState::ready)), "other paths"));
}

TEST_CASE("a trial read that fails says why") {
    CHECK(contains(trial_read_error({1, 0}, initiator::Status::reserved).line(),
                   "reserved by another"));
    CHECK(contains(trial_read_error({1, 0}, initiator::Status::unavailable).line(), "unavailable"));
    CHECK(contains(trial_read_error({1, 0}, initiator::Status::timed_out).line(), "not a read"));
    CHECK(trial_read_error({1, 0}, initiator::Status::reserved).exit_code == ExitCode::failed);
}

TEST_CASE("two disks under one address are named, so that people find them") {
    auto target = sample_target();
    CHECK_FALSE(conflict_error(target, sample_interfaces()).has_value());
    target.paths[1].state = PathState::conflict;
    const auto error = conflict_error(target, sample_interfaces());
    REQUIRE(error.has_value());
    CHECK(error->exit_code == ExitCode::failed);
    CHECK(contains(error->line(), "serial S1 at 02:00:00:00:01:00 on eth1"));
    CHECK(contains(error->line(), "02:00:00:00:01:01 on eth2"));
}
