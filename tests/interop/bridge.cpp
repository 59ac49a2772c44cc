// Forwarding, faults in real time, and commands.
#include "tests/interop/bridge.hpp"

#include <fmt/format.h>

#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <optional>

namespace uaoe::bridge {

namespace {

// What waits is bounded: 4096 frames, 40 ms of 100,000 a second. The memory comes as it is used.
constexpr std::size_t held_frame_bytes_max = 65536 + 64;
constexpr std::size_t held_frames_count_max = 4096;
constexpr std::size_t command_bytes_max = 4096;

std::uint64_t clock_ns() {
    return static_cast<std::uint64_t>(
        std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

} // namespace

Bridge::Bridge(const Faults& faults, const std::string& a, const std::string& b)
    : faults_(faults), sides_{Side{.port = BridgePort(a), .counters = {}},
                              Side{.port = BridgePort(b), .counters = {}}},
      held_(held_frames_count_max * held_frame_bytes_max, held_frame_bytes_max) {}

void Bridge::run(int signals, int commands) {
    while (wait(signals, commands)) {
    }
}

// Sleeps until there is something to do and does it. False: a signal came.
bool Bridge::wait(int signals, int commands) {
    std::array<pollfd, 4> waiting{
        {{.fd = sides_[0].port.descriptor(), .events = POLLIN, .revents = 0},
         {.fd = sides_[1].port.descriptor(), .events = POLLIN, .revents = 0},
         {.fd = signals, .events = POLLIN, .revents = 0},
         {.fd = commands, .events = POLLIN, .revents = 0}}};
    timespec timeout{};
    const auto due_ns = held_.next_due_ns();
    if (due_ns) {
        const std::uint64_t before_ns = clock_ns();
        const std::uint64_t left_ns = *due_ns > before_ns ? *due_ns - before_ns : 0;
        timeout = {.tv_sec = static_cast<time_t>(left_ns / 1'000'000'000),
                   .tv_nsec = static_cast<long>(left_ns % 1'000'000'000)};
    }
    if (::ppoll(waiting.data(), waiting.size(), due_ns ? &timeout : nullptr, nullptr) < 0) {
        return true; // EINTR
    }
    if (waiting[2].revents != 0) {
        return false;
    }
    if (waiting[3].revents != 0) {
        read_commands(commands);
    }
    now_ns_ = clock_ns();
    forward_due();
    for (std::size_t i = 0; i < sides_.size(); ++i) {
        if ((waiting[i].revents & POLLERR) != 0) {
            sides_[i].port.handle_error();
        }
        if ((waiting[i].revents & POLLIN) != 0) {
            forward_arrived(i);
        }
    }
    return true;
}

void Bridge::forward_arrived(std::size_t side_index) {
    for (const proto::ConstBytes frame : sides_[side_index].port.receive()) {
        forward(side_index, frame);
    }
    opposite(side_index).send();
}

void Bridge::forward(std::size_t side_index, proto::ConstBytes frame) {
    BridgeCounters& counters = sides_[side_index].counters;
    const Fate fate =
        draw_fate(faults_, static_cast<Direction>(side_index), counters.received++, frame.size());
    switch (fate.verdict) {
    case Verdict::cut:
        ++counters.cut;
        return;
    case Verdict::too_long:
        ++counters.too_long;
        return;
    case Verdict::lost:
        ++counters.lost;
        return;
    case Verdict::forward:
        break;
    }
    counters.duplicated += fate.copies_count - 1U;
    counters.late += fate.is_late ? 1 : 0;
    counters.reordered += fate.is_reordered ? 1 : 0;
    if (fate.wait.count() == 0) {
        for (unsigned copy = 0; copy < fate.copies_count; ++copy) {
            opposite(side_index).queue(frame);
        }
        return;
    }
    const auto wait_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds(fate.wait).count());
    const bool is_held = held_.hold({.due_ns = now_ns_ + wait_ns,
                                     .port_index = static_cast<std::uint16_t>(side_index),
                                     .copies_count = fate.copies_count},
                                    frame);
    (is_held ? counters.held : counters.queue_full) += fate.copies_count;
}

void Bridge::forward_due() {
    while (held_.next_due_ns().value_or(~std::uint64_t{0}) <= now_ns_) {
        const auto entry = due_.emplace_back(held_.take());
        sides_[entry.port_index].counters.held -= entry.copies_count;
        for (unsigned copy = 0; copy < entry.copies_count; ++copy) {
            opposite(entry.port_index).queue(held_.bytes(entry));
        }
    }
    if (due_.empty()) {
        return;
    }
    for (Side& side : sides_) {
        side.port.send();
    }
    for (const auto& entry : due_) {
        held_.done(entry); // not before its bytes were sent
    }
    due_.clear();
}

void Bridge::read_commands(int commands) {
    std::array<char, 512> bytes{};
    const ssize_t count = ::read(commands, bytes.data(), bytes.size());
    if (count <= 0) {
        return;
    }
    command_text_.append(bytes.data(), static_cast<std::size_t>(count));
    std::size_t end = 0;
    while ((end = command_text_.find('\n')) != std::string::npos) {
        fmt::print("{}\n", execute(std::string_view(command_text_).substr(0, end)));
        command_text_.erase(0, end + 1);
    }
    if (command_text_.size() > command_bytes_max) {
        command_text_.clear();
        fmt::print("error: a line that does not end\n");
    }
    std::fflush(stdout);
}

std::string Bridge::execute(std::string_view line) {
    if (line == "stats") {
        return statistics_json();
    }
    if (line == "cut" || line == "restore") {
        faults_.is_cut = line == "cut";
        return "ok";
    }
    const std::size_t blank = line.find(' ');
    const std::string_view value = blank == std::string_view::npos ? "" : line.substr(blank + 1);
    const std::string problem = set_fault(faults_, line.substr(0, blank), value);
    return problem.empty() ? "ok" : "error: " + problem;
}

std::string Bridge::statistics_json() {
    std::string text = fmt::format(R"({{"seed":{})", faults_.seed);
    for (std::size_t i = 0; i < sides_.size(); ++i) {
        const BridgeCounters& counters = sides_[i].counters;
        text += fmt::format(
            R"(,"{}":{{"from":"{}","to":"{}","received":{},"forwarded":{},"send_failed":{},)"
            R"("lost":{},"duplicated":{},"late":{},"reordered":{},"too_long":{},"cut":{},)"
            R"("queue_full":{},"held":{},"overrun":{}}})",
            i == 0 ? "a_to_b" : "b_to_a", sides_[i].port.interface(), opposite(i).interface(),
            counters.received, opposite(i).sent_count(), opposite(i).send_failed_count(),
            counters.lost, counters.duplicated, counters.late, counters.reordered,
            counters.too_long, counters.cut, counters.queue_full, counters.held,
            sides_[i].port.overrun_count());
    }
    return text + "}";
}

} // namespace uaoe::bridge
