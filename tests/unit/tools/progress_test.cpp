// When progress is shown, and how.
#include "tools/daemon_text.hpp"
#include "tools/progress.hpp"

#include <doctest/doctest.h>

using namespace uaoe;
using namespace uaoe::tools;
using namespace std::chrono_literals;
using initiator::Time;

namespace {

// The times, in milliseconds, at which work that looks every 100 ms shows something in a minute.
std::vector<std::int64_t> shown(bool is_terminal, initiator::Duration patience) {
    std::vector<std::int64_t> times;
    const Time begin{1000s};
    ProgressPace pace(begin, is_terminal, patience);
    for (Time now = begin; now < begin + 60s; now += 100ms) {
        if (pace.is_due(now)) {
            times.push_back(
                std::chrono::duration_cast<std::chrono::milliseconds>(pace.elapsed(now)).count());
        }
    }
    return times;
}

} // namespace

TEST_CASE("lines: one when it takes long, then one each ten seconds") {
    CHECK(shown(false, 5s) ==
          std::vector<std::int64_t>{5000, 15'000, 25'000, 35'000, 45'000, 55'000});
    CHECK(shown(false, 0s).front() == 0);
    CHECK(shown(false, 70s).empty());
}

TEST_CASE("on a terminal: twice a second") {
    const auto times = shown(true, 500ms);
    CHECK(times.size() == 119);
    CHECK(times[0] == 500);
    CHECK(times[1] == 1000);
}

TEST_CASE("what is done, for how long, of how long, and how far") {
    CHECK(progress_text("waiting for 1.0 on eth1", 3400ms, 10s, "no answer yet") ==
          "waiting for 1.0 on eth1 (3 s of 10 s): no answer yet");
    CHECK(progress_text("checking", 3s, std::nullopt, "12 targets") ==
          "checking (3 s): 12 targets");
    CHECK(progress_text("attaching 1.0", 11s, 10s, "") ==
          "attaching 1.0 (11 s)"); // longer than thought
    CHECK(progress_text("self-test of 1.0", 3min, 311min, "") ==
          "self-test of 1.0 (3 min of 5:11 h)");
}

TEST_CASE("what an attach waits for") {
    constexpr const char* list = R"([{"address":"1.0","state":"waiting","missing":"no answer"},
        {"address":"1.1","state":"waiting"},{"address":"1.2","state":"attaching"},
        {"address":"1.3","state":"up"},{"address":7},8])";
    CHECK(waiting_text(list, {1, 0}) == "no answer");
    CHECK(waiting_text(list, {1, 1}) == "its target is looked for");
    CHECK(waiting_text(list, {1, 2}) == "its target answers; its device is being made");
    CHECK(waiting_text(list, {1, 3}).empty());
    CHECK(waiting_text(list, {1, 4}).empty());
    CHECK(waiting_text("garbage", {1, 0}).empty());
}
