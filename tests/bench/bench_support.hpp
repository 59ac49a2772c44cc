// What the benchmark programs share: their processor, and what they spent.
#pragma once

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <sched.h>
#include <sys/resource.h>

#include <cstddef>
#include <string>

namespace uaoe::bench {

// Runs on this processor only; below zero: on any.
inline void pin_to_cpu(int cpu) {
    if (cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(static_cast<std::size_t>(cpu), &set);
        sched_setaffinity(0, sizeof(set), &set);
    }
}

// User and system time of the process so far.
inline double cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + (static_cast<double>(t.tv_usec) / 1e6);
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// --link packet|xdp
inline void add_link(CLI::App& app, bool& xdp) {
    app.add_option_function<std::string>(
           "--link", [&xdp](const std::string& kind) { xdp = kind == "xdp"; },
           "as `uaoe serve --link`, but xdp must be had")
        ->check(CLI::IsMember({"packet", "xdp"}));
}

inline int fail(const char* program, const std::string& line) {
    fmt::print(stderr, "{}: {}\n", program, line);
    return 1;
}

} // namespace uaoe::bench
