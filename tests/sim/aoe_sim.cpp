// aoe_sim: runs seeds; a seed that fails is replayed exactly and leaves a pcap.
#include "tests/sim/seed.hpp"

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <mutex>
#include <thread>
#include <unistd.h>
#include <vector>

using uaoe::sim::run_seed;
using uaoe::sim::SeedResult;

namespace {

thread_local std::uint64_t seed_running = 0;

// An assertion of the engine ends the process: say first which seed it was.
void handle_abort(int /*signal*/) {
    char text[64] = "aoe_sim: aborted in --seed ";
    const std::size_t used = std::strlen(text);
    char* end = std::to_chars(text + used, text + sizeof(text) - 1, seed_running).ptr;
    *end++ = '\n';
    [[maybe_unused]] const auto written =
        write(STDERR_FILENO, text, static_cast<std::size_t>(end - text));
}

struct Options {
    std::uint64_t seed = 1;
    std::uint64_t count = 1;
    unsigned jobs = 1;
    std::string pcap;
    bool verbose = false;
};

struct Totals {
    std::mutex mutex;
    std::uint64_t requests = 0;
    std::uint64_t frames = 0;
    double virtual_seconds = 0;
    std::uint64_t failures = 0;
};

void report_failure(const Options& options, std::uint64_t seed, const SeedResult& result) {
    const std::string path =
        options.pcap.empty() ? fmt::format("aoe_sim-{}.pcap", seed) : options.pcap;
    const SeedResult again = run_seed(seed, {.pcap_path = path});
    fmt::print(stderr,
               "aoe_sim: seed {} at {:.6f} s: {}\n  replay: aoe_sim --seed {} --pcap {}{}\n", seed,
               result.virtual_seconds, *result.violation, seed, path,
               again.trace == result.trace ? "" : "\n  THE REPLAY WENT ANOTHER WAY");
}

void run_seeds(const Options& options, std::atomic<std::uint64_t>& next, Totals& totals) {
    while (true) {
        const std::uint64_t seed = next++;
        if (seed >= options.seed + options.count) {
            return;
        }
        seed_running = seed;
        const SeedResult result =
            run_seed(seed, {.pcap_path = options.count == 1 ? options.pcap : ""});
        const std::lock_guard lock(totals.mutex);
        totals.requests += result.requests;
        totals.frames += result.frames;
        totals.virtual_seconds += result.virtual_seconds;
        if (options.verbose) {
            fmt::print("seed {}: {} requests, {} frames, {:.1f} s, trace {:016x}\n", seed,
                       result.requests, result.frames, result.virtual_seconds, result.trace);
        }
        if (result.violation) {
            ++totals.failures;
            report_failure(options, seed, result);
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("Runs the engine in simulated worlds; the seed decides everything");
    Options options;
    app.add_option("--seed", options.seed, "the first one")->capture_default_str();
    app.add_option("--count", options.count, "how many")->capture_default_str();
    app.add_option("--jobs", options.jobs, "threads; worlds share nothing")->capture_default_str();
    app.add_option("--pcap", options.pcap, "where the frames of a failing (or the only) seed go");
    app.add_flag("--verbose", options.verbose, "a line for each seed");
    CLI11_PARSE(app, argc, argv);
    std::signal(SIGABRT, handle_abort);

    const auto begin = std::chrono::steady_clock::now();
    std::atomic<std::uint64_t> next = options.seed;
    Totals totals;
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < std::max(options.jobs, 1U); ++i) {
        threads.emplace_back([&] { run_seeds(options, next, totals); });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    fmt::print("{} seeds from {}: {} failed; {} requests, {} frames, {:.0f} s of virtual time in "
               "{:.1f} s\n",
               options.count, options.seed, totals.failures, totals.requests, totals.frames,
               totals.virtual_seconds, seconds);
    return totals.failures == 0 ? 0 : 1;
}
