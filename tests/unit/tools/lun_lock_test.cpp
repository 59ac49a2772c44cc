// One LUN, one holder.
#include "tools/lun_lock.hpp"

#include <doctest/doctest.h>

#include <array>
#include <csignal>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

using namespace uaoe;
using tools::LunLock;

namespace {

// No test of another program has these.
constexpr proto::Address lun{.shelf = 65'000, .slot = 9};
constexpr proto::Address other_lun{.shelf = 65'000, .slot = 90};

} // namespace

TEST_CASE("LUN lock: the second is told who has it, and gets it afterwards") {
    {
        auto first = LunLock::take(lun);
        REQUIRE(first.has_value());
        CHECK(LunLock::take(other_lun).has_value());
        const auto second = LunLock::take(lun);
        REQUIRE_FALSE(second.has_value());
        CHECK(second.error().line() ==
              "65000.9 is in use: process " + std::to_string(getpid()) +
                  " (unit_tools) holds it; `uaoe list` shows where it is attached, or end that "
                  "process");
        CHECK(second.error().exit_code == ExitCode::failed);
        const LunLock moved = std::move(*first);
        CHECK_FALSE(LunLock::take(lun).has_value());
    }
    CHECK(LunLock::take(lun).has_value());
}

TEST_CASE("LUN lock: dies with its process") {
    std::array<int, 2> ready{};
    REQUIRE(pipe(ready.data()) == 0);
    const pid_t child = fork();
    if (child == 0) {
        const auto held = LunLock::take(lun);
        [[maybe_unused]] const auto told = write(ready[1], "x", 1);
        pause();
        _exit(0);
    }
    char byte = 0;
    REQUIRE(read(ready[0], &byte, 1) == 1);
    const auto refused = LunLock::take(lun);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().why.starts_with("process " + std::to_string(child)));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    CHECK(LunLock::take(lun).has_value());
    close(ready[0]);
    close(ready[1]);
}
