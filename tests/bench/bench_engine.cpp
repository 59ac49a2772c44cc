// The engine and its packet link alone, without a front end: keeps `--depth` requests of `--bytes`
// in flight on one LUN for `--seconds`, and prints what that took as one JSON line. tests/bench/run
// sets it beside bench_bare.
#include "bench_support.hpp"
#include "initiator/linux/clock.hpp"
#include "initiator/linux/shard.hpp"

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <vector>

using namespace uaoe;
using namespace uaoe::initiator;

namespace {

struct Options {
    std::string interface;
    std::string address = "1.0";
    std::uint32_t bytes = 4096;
    std::uint32_t depth = 16;
    double seconds = 2;
    bool write = false;
    bool sequential = false;
    int cpu = -1;
};

class Load final : public RequestOwner {
  public:
    Load(Device& device, const Options& options)
        : device_(device), options_(options), sectors_(options.bytes / device.info().sector_bytes),
          requests_(options.depth),
          memory_(static_cast<std::size_t>(options.depth) * options.bytes) {
        for (std::size_t i = 0; i < requests_.size(); ++i) {
            Request& request = requests_[i];
            request.operation = options.write ? Operation::write : Operation::read;
            request.sectors = {sectors_};
            request.buffer = std::span(memory_).subspan(i * options.bytes, options.bytes);
            request.owner = this;
        }
    }

    void start() {
        for (Request& request : requests_) {
            submit(request);
        }
    }
    void stop() { stopping_ = true; }

    void handle_completion(Request& request) override {
        --in_flight_;
        failed_ += request.status == Status::ok ? 0 : 1;
        ++done_;
        if (!stopping_) {
            submit(request);
        }
    }

    [[nodiscard]] std::uint64_t done() const { return done_; }
    [[nodiscard]] std::uint64_t failed() const { return failed_; }
    [[nodiscard]] bool is_idle() const { return in_flight_ == 0; }

  private:
    void submit(Request& request) {
        // Writes in flight must not overlap, or they would wait for each other: each slot has its
        // own stripe.
        const std::uint64_t places = device_.info().sectors.value / sectors_;
        const auto slot = static_cast<std::uint64_t>(&request - requests_.data());
        const std::uint64_t stripes = places / requests_.size();
        const std::uint64_t place =
            options_.sequential ? next_++ % places : random_() % stripes * requests_.size() + slot;
        request.lba = {place * sectors_};
        ++in_flight_;
        device_.submit(request);
    }

    Device& device_;
    const Options& options_;
    std::uint64_t sectors_;
    std::vector<Request> requests_;
    std::vector<std::byte> memory_;
    std::minstd_rand random_;
    std::uint64_t next_ = 0;
    std::uint64_t done_ = 0;
    std::uint64_t failed_ = 0;
    std::uint32_t in_flight_ = 0;
    bool stopping_ = false;
};

int run(const Options& options) {
    ShardConfig config;
    config.interfaces = {options.interface};
    config.engine.settle = Duration::zero(); // nothing was killed before
    config.engine.shard_index = 14;          // not one that a server beside it uses
    auto shard = Shard::open(config);
    if (!shard) {
        return bench::fail("bench_engine", shard.error().line());
    }
    const auto address = proto::parse_address(options.address);
    if (!address) {
        return bench::fail("bench_engine", "malformed address");
    }
    (*shard)->discover();
    const auto is_ready = [&] {
        const auto target = (*shard)->engine().target(*address);
        return target && target->state == TargetState::ready;
    };
    if (!(*shard)->run_until(is_ready, 5s)) {
        return bench::fail("bench_engine", "no target " + options.address);
    }
    const auto device = (*shard)->attach(*address, {.fail_after = 10s});
    if (!device) {
        return bench::fail("bench_engine", "cannot attach " + options.address);
    }
    Load load(**device, options);
    load.start();
    const auto never = [] { return false; };
    (*shard)->run_until(never, 200ms); // the window opens
    const std::uint64_t done_before = load.done();
    const double cpu_before = bench::cpu_seconds();
    const Time begin = clock_now();
    (*shard)->run_until(never,
                        std::chrono::nanoseconds{static_cast<std::int64_t>(options.seconds * 1e9)});
    const double elapsed = std::chrono::duration<double>(clock_now() - begin).count();
    const double cpu = bench::cpu_seconds() - cpu_before;
    const std::uint64_t done = load.done() - done_before;
    load.stop();
    (*shard)->run_until([&] { return load.is_idle(); }, 15s);
    const PathStatus path = (*shard)->engine().target(*address)->paths.at(0);
    const double sectors_per_frame =
        std::min<double>(path.sectors_per_frame, static_cast<double>(options.bytes) / 512);
    const double frames_per_request =
        std::ceil(static_cast<double>(options.bytes) / 512 / sectors_per_frame);
    const double frames = static_cast<double>(done) * frames_per_request;
    fmt::print("{{\"requests_per_s\":{:.0f},\"frames_per_s\":{:.0f},\"mb_per_s\":{:.1f},"
               "\"cpu_us_per_frame\":{:.3f},\"cpu_us_per_4k\":{:.3f},\"failed\":{},"
               "\"retransmitted\":{},\"sectors_per_frame\":{},\"cwnd\":{}}}\n",
               static_cast<double>(done) / elapsed, frames / elapsed,
               static_cast<double>(done) * options.bytes / elapsed / 1e6, cpu * 1e6 / frames,
               cpu * 1e6 / (static_cast<double>(done) * options.bytes / 4096), load.failed(),
               path.retransmitted, path.sectors_per_frame, path.cwnd);
    (*shard)->detach(**device);
    return load.failed() == 0 ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("Engine and packet link against one LUN");
    Options options;
    app.add_option("-i,--interface", options.interface)->required();
    app.add_option("--address", options.address);
    app.add_option("--bytes", options.bytes);
    app.add_option("--depth", options.depth);
    app.add_option("--seconds", options.seconds);
    app.add_flag("--write", options.write);
    app.add_flag("--sequential", options.sequential);
    app.add_option("--cpu", options.cpu, "run on this processor only");
    CLI11_PARSE(app, argc, argv);
    bench::pin_to_cpu(options.cpu);
    return run(options);
}
