// Fed while every thread answers, and not a moment longer.
#include "tools/daemon/watchdog.hpp"

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include <utility>

using namespace uaoe::tools;
using namespace std::chrono_literals;

namespace {

// A thread that runs what it is given at once, or keeps it.
struct Thread {
    bool hangs = false;
    std::vector<std::function<void()>> tasks;

    Watchdog::Post post() {
        return [this](std::function<void()> task) {
            tasks.push_back(std::move(task));
            if (!hangs) {
                go_on();
            }
        };
    }
    void go_on() {
        for (const auto& task : std::exchange(tasks, {})) {
            task();
        }
    }
};

} // namespace

TEST_CASE("the watchdog is fed as long as every thread comes round") {
    boost::asio::io_context context;
    Thread first;
    Thread second;
    int feeds_count = 0;
    const Watchdog watchdog(context, 2ms, {first.post(), second.post()}, [&] { ++feeds_count; });
    context.run_for(60ms);
    CHECK(feeds_count >= 2);

    second.hangs = true;
    context.run_for(20ms); // what it had answered before still counts, once
    const int before = feeds_count;
    context.run_for(60ms);
    CHECK(feeds_count == before);
    CHECK(second.tasks.size() == 1); // asked once, not each time
    CHECK(first.tasks.empty());

    second.hangs = false;
    second.go_on();
    context.run_for(60ms);
    CHECK(feeds_count > before);
}

TEST_CASE("an answer may come when the watchdog is gone") {
    boost::asio::io_context context;
    Thread thread{.hangs = true, .tasks = {}};
    {
        const Watchdog watchdog(context, 1ms, {thread.post()}, [] {});
        context.run_for(5ms);
    }
    REQUIRE(thread.tasks.size() == 1);
    thread.go_on();
}
