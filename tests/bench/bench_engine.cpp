// The engine and its packet link alone, without a front end: keeps `--depth` requests of `--bytes`
// in flight on one or more LUNs for `--seconds`, and prints what that took as one JSON line.
// tests/bench/run sets it beside bench_bare.
#include "bench_support.hpp"
#include "initiator/linux/clock.hpp"
#include "initiator/linux/shard.hpp"

#include "initiator/tag.hpp"

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <expected>
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
    std::uint32_t busy_poll_us = 0;
    std::uint32_t luns = 1;
    std::uint32_t shard = 14; // not one that a server beside it uses
    bool idle = false;
    bool xdp = false;
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
        const std::uint64_t stripes = std::max<std::uint64_t>(places / requests_.size(), 1);
        const std::uint64_t place =
            options_.sequential ? next_++ % places : random_() % stripes * requests_.size() + slot;
        request.lba = {place % places * sectors_};
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

using Loads = std::vector<std::unique_ptr<Load>>;

template <typename Value>
std::uint64_t sum(const Loads& loads, Value value) {
    std::uint64_t total = 0;
    for (const auto& load : loads) {
        total += value(*load);
    }
    return total;
}

// The first of them that answer, all of them attached.
std::expected<std::vector<Device*>, std::string> attach(Shard& shard, const Options& options) {
    const auto first = proto::parse_address(options.address);
    if (!first) {
        return std::unexpected("malformed address");
    }
    std::vector<proto::Address> found;
    const auto are_ready = [&] {
        found.clear();
        for (const auto& target : shard.engine().targets()) {
            if (target.address >= *first && target.state == TargetState::ready) {
                found.push_back(target.address);
            }
        }
        return found.size() >= options.luns;
    };
    for (int i = 0; i < 10 && !are_ready(); ++i) {
        shard.discover();
        shard.run_until(are_ready, 1s);
    }
    if (found.size() < options.luns) {
        return std::unexpected(
            fmt::format("{} of {} LUNs from {}", found.size(), options.luns, options.address));
    }
    std::vector<Device*> devices;
    for (const proto::Address& address : std::span(found).first(options.luns)) {
        const auto device = shard.attach(address, {.fail_after = 10s});
        if (!device) {
            return std::unexpected("cannot attach " + proto::to_string(address));
        }
        devices.push_back(*device);
    }
    return devices;
}

constexpr auto never = [] { return false; };

// Nothing to do: what the attached LUNs cost all the same.
void measure_idle(Shard& shard, const Options& options) {
    shard.run_until(never, 500ms); // what an attach begins has ended
    const double cpu_before = bench::cpu_seconds();
    shard.run_until(never, std::chrono::duration_cast<Duration>(
                               std::chrono::duration<double>(options.seconds)));
    fmt::print("{{\"luns\":{},\"idle_cpu_us_per_s\":{:.1f}}}\n", options.luns,
               (bench::cpu_seconds() - cpu_before) * 1e6 / options.seconds);
}

// Whether no request failed.
bool measure(Shard& shard, const std::vector<Device*>& devices, const Options& options) {
    Options of_each = options;
    of_each.depth = std::max(options.depth / options.luns, 1U);
    Loads loads;
    for (Device* device : devices) {
        loads.push_back(std::make_unique<Load>(*device, of_each));
        loads.back()->start();
    }
    shard.run_until(never, 200ms); // the window opens
    const auto done_now = [&] { return sum(loads, [](const Load& load) { return load.done(); }); };
    const std::uint64_t done_before = done_now();
    const double cpu_before = bench::cpu_seconds();
    const Time begin = clock_now();
    shard.run_until(never, std::chrono::duration_cast<Duration>(
                               std::chrono::duration<double>(options.seconds)));
    const double elapsed = std::chrono::duration<double>(clock_now() - begin).count();
    const double cpu = bench::cpu_seconds() - cpu_before;
    const std::uint64_t done = done_now() - done_before;
    for (const auto& load : loads) {
        load->stop();
    }
    shard.run_until(
        [&] { return std::ranges::all_of(loads, [](const auto& l) { return l->is_idle(); }); },
        15s);
    std::uint64_t retransmitted = 0;
    for (const auto& target : shard.engine().targets()) {
        for (const PathStatus& path : target.paths) {
            retransmitted += path.retransmitted;
        }
    }
    const std::uint64_t failed = sum(loads, [](const Load& load) { return load.failed(); });
    const PathStatus path =
        shard.engine().target(proto::parse_address(options.address).value())->paths.at(0);
    const double sectors_per_frame =
        std::min<double>(path.sectors_per_frame, static_cast<double>(options.bytes) / 512);
    const double frames_per_request =
        std::ceil(static_cast<double>(options.bytes) / 512 / sectors_per_frame);
    const double requests = static_cast<double>(done);
    const double frames = requests * frames_per_request;
    fmt::print("{{\"requests_per_s\":{:.0f},\"frames_per_s\":{:.0f},\"mb_per_s\":{:.1f},"
               "\"latency_us\":{:.2f},\"cpu_us_per_s\":{:.0f},"
               "\"cpu_us_per_frame\":{:.3f},\"cpu_us_per_4k\":{:.3f},\"failed\":{},"
               "\"retransmitted\":{},\"sectors_per_frame\":{},\"cwnd\":{}}}\n",
               requests / elapsed, frames / elapsed, requests * options.bytes / elapsed / 1e6,
               elapsed * 1e6 * of_each.depth * options.luns / requests, cpu * 1e6 / elapsed,
               cpu * 1e6 / frames, cpu * 1e6 / (requests * options.bytes / 4096), failed,
               retransmitted, path.sectors_per_frame, path.cwnd);
    return failed == 0;
}

int run(const Options& options) {
    ShardConfig config;
    config.interfaces = {options.interface};
    config.engine.settle = Duration::zero(); // nothing was killed before
    config.engine.shard_index = static_cast<std::uint8_t>(options.shard);
    config.busy_poll = std::chrono::microseconds{options.busy_poll_us};
    config.link = options.xdp ? LinkKind::xdp : LinkKind::packet;
    auto shard = Shard::open(config);
    if (!shard) {
        return bench::fail("bench_engine", shard.error().line());
    }
    if (!(*shard)->links_replaced().empty()) { // it would measure something else
        return bench::fail("bench_engine", (*shard)->links_replaced().front().line());
    }
    const auto devices = attach(**shard, options);
    if (!devices) {
        return bench::fail("bench_engine", devices.error());
    }
    bool is_good = true;
    if (options.idle) {
        measure_idle(**shard, options);
    } else {
        is_good = measure(**shard, *devices, options);
    }
    for (Device* device : *devices) {
        (*shard)->detach(*device);
    }
    return is_good ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("Engine and packet link against one LUN");
    Options options;
    app.add_option("-i,--interface", options.interface)->required();
    app.add_option("--address", options.address);
    app.add_option("--bytes", options.bytes);
    app.add_option("--depth", options.depth, "of all LUNs together; one each at least");
    app.add_option("--seconds", options.seconds);
    app.add_flag("--write", options.write);
    app.add_flag("--sequential", options.sequential);
    app.add_option("--cpu", options.cpu, "run on this processor only");
    app.add_option("--busy-poll", options.busy_poll_us, "as `uaoe serve --busy-poll`");
    bench::add_link(app, options.xdp);
    app.add_option("--luns", options.luns, "so many, from --address on");
    app.add_option("--shard", options.shard, "another than each program beside it")
        ->check(CLI::Range(tag_shards_max - 1));
    app.add_flag("--idle", options.idle, "attached, and nothing to do");
    CLI11_PARSE(app, argc, argv);
    bench::pin_to_cpu(options.cpu);
    return run(options);
}
