// `uaoe top`: samples of uaoed's status, as a live screen or as plain lines.
#include "tools/commands.hpp"
#include "tools/control_client.hpp"
#include "tools/interrupt.hpp"
#include "tools/output.hpp"
#include "tools/terminal.hpp"
#include "tools/top_view.hpp"

#include <algorithm>
#include <ctime>
#include <fmt/format.h>
#include <thread>
#include <utility>

namespace uaoe::tools {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds answer_time_max = 5s; // a person waits

std::expected<TopSample, Error> take_sample(const TopOptions& options) {
    const auto reply = ask_daemon(options.control_path, StatusRequest{}, answer_time_max,
                                  InterruptGuard::interrupted);
    if (!reply) {
        return std::unexpected(reply.error());
    }
    auto sample = parse_top_sample(*reply);
    if (!sample) {
        return std::unexpected(not_understood());
    }
    return std::move(*sample);
}

std::string clock_text() {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    localtime_r(&now, &local);
    return fmt::format("{:02}:{:02}:{:02}", local.tm_hour, local.tm_min, local.tm_sec);
}

// Samples one interval apart, until there were `count` (0: no end), or it is interrupted.
CommandResult run_plain(const TopOptions& options, TopSample before) {
    for (std::uint64_t shown = 0; options.count == 0 || shown < options.count; ++shown) {
        for (const auto end = Clock::now() + options.interval;
             Clock::now() < end && !InterruptGuard::interrupted();) {
            std::this_thread::sleep_for(std::min<Clock::duration>(end - Clock::now(), 50ms));
        }
        auto now = take_sample(options);
        if (InterruptGuard::interrupted()) {
            return ExitCode::done;
        }
        if (!now) {
            return std::unexpected(now.error());
        }
        const std::string text = top_text(
            before, *now,
            {.with_paths = options.paths, .address = options.address, .note = clock_text()});
        if (auto written = write_output((shown == 0 ? "" : "\n") + text); !written) {
            return std::unexpected(written.error());
        }
        before = std::move(*now);
    }
    return ExitCode::done;
}

class Live {
  public:
    Live(const TopOptions& options, TopSample first)
        : options_(options), before_(first), now_(std::move(first)) {
        layout_.by_address = false;
        layout_.with_paths = options.paths;
        layout_.address = options.address;
    }
    CommandResult run();

  private:
    bool handle_key(char key); // false: quit
    void sample();
    void draw();

    const TopOptions& options_;
    TopSample before_;
    TopSample now_;
    TopLayout layout_;
    std::string problem_;
};

bool Live::handle_key(char key) {
    switch (key) {
    case 'q':
    case 'Q':
    case '\0':
        return false;
    case 'p':
        layout_.with_paths = !layout_.with_paths;
        layout_.page = 0;
        break;
    case 'o':
        layout_.by_address = !layout_.by_address;
        layout_.page = 0;
        break;
    case ' ':
        ++layout_.page;
        break;
    default:
        break;
    }
    return true;
}

// A daemon that is started again, or stands still, is waited for.
void Live::sample() {
    auto next = take_sample(options_);
    if (!next) {
        problem_ = next.error().what;
        return;
    }
    problem_.clear();
    before_ = std::exchange(now_, std::move(*next));
}

void Live::draw() {
    const Screen::Size size = Screen::size();
    layout_.columns = size.columns;
    layout_.rows = size.rows;
    layout_.note =
        problem_.empty() ? fmt::format("{}  q: quit, p: paths, o: order", clock_text()) : problem_;
    Screen::draw(top_text(before_, now_, layout_));
}

CommandResult Live::run() {
    const Screen screen;
    auto next = Clock::now() + 1s; // of the first interval, what there is after a second
    draw();
    while (!InterruptGuard::interrupted()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
        const auto key = Screen::wait_key(std::max(left, 0ms));
        if (key && !handle_key(*key)) {
            break;
        }
        if (!InterruptGuard::interrupted() && Clock::now() >= next) {
            sample();
            next = Clock::now() + options_.interval;
        }
        draw();
    }
    return ExitCode::done;
}

} // namespace

CommandResult run_top(const TopOptions& options) {
    const InterruptGuard guard;
    auto first = take_sample(options);
    if (InterruptGuard::interrupted()) {
        return ExitCode::done;
    }
    if (!first) {
        return std::unexpected(first.error());
    }
    const bool is_there =
        !options.address ||
        std::ranges::find(first->luns, *options.address, &TopLun::address) != first->luns.end();
    if (!is_there) {
        return std::unexpected(
            Error{.what = proto::to_string(*options.address) + " is not attached",
                  .why = "this uaoed has no such LUN",
                  .what_to_do = "`uaoe list` shows what it has",
                  .exit_code = ExitCode::no_such_target});
    }
    return options.count == 0 && Screen::is_possible() ? Live(options, std::move(*first)).run()
                                                       : run_plain(options, std::move(*first));
}

} // namespace uaoe::tools
