// Serves one LUN as a ublk disk, with the way to copy that is asked for: `uaoed` has no option for
// it, because it takes the better one. Prints the disk's path once it is usable; ends on SIGTERM.
// tests/bench/guest compares the two.
#include "bench_support.hpp"
#include "blockdev/ublk_device.hpp"
#include "initiator/linux/shard.hpp"

#include <csignal>
#include <future>
#include <pthread.h>
#include <thread>

using namespace uaoe;

namespace {

using namespace std::chrono_literals;

constexpr std::size_t buffer_bytes = std::size_t{96} << 20U; // as `uaoe serve`

struct Options {
    std::string interface;
    std::string address = "1.0";
    std::string copy = "automatic";
    std::uint16_t depth = blockdev::UblkOptions{}.queue_depth;
};

blockdev::UblkOptions ublk_options(const Options& options) {
    using Copy = blockdev::UblkOptions::Copy;
    return {.queue_depth = options.depth,
            .copy = options.copy == "user"     ? Copy::user
                    : options.copy == "kernel" ? Copy::kernel
                                               : Copy::automatic};
}

// The attached LUN; nullptr when it does not answer.
initiator::Device* attach(initiator::Shard& shard, proto::Address address) {
    const auto is_ready = [&] {
        const auto target = shard.engine().target(address);
        return target && target->state == initiator::TargetState::ready;
    };
    for (int i = 0; i < 10 && !is_ready(); ++i) {
        shard.discover();
        shard.run_until(is_ready, 1s);
    }
    const auto device = shard.attach(address, {.fail_after = 0s});
    return device ? *device : nullptr;
}

// Until a signal: 0, or what went wrong.
int serve(initiator::Shard& shard, initiator::Device& device, const Options& options,
          const sigset_t& signals) {
    auto control = blockdev::UblkControl::open();
    if (!control) {
        return bench::fail("bench_ublk", control.error().line());
    }
    auto arena = blockdev::BufferArena::make(buffer_bytes);
    if (!arena) {
        return bench::fail("bench_ublk", arena.error().line());
    }
    const blockdev::DataThread data{
        .ring = shard.ring(),
        .post = [&shard](std::function<void()> task) { shard.post(std::move(task)); },
        .buffers = std::make_shared<blockdev::BufferPool>(std::move(*arena))};
    auto disk = blockdev::UblkDevice::create(**control, data, device, ublk_options(options));
    if (!disk) {
        return bench::fail("bench_ublk", disk.error().line());
    }
    fmt::print("{}\n", (*disk)->name());
    std::fflush(stdout);
    int number = 0;
    sigwait(&signals, &number);
    const auto detach = [&] {
        std::promise<void> done;
        shard.post([&] {
            shard.detach(device);
            done.set_value();
        });
        done.get_future().wait();
    };
    const auto closed = (*disk)->close(2s, detach);
    return closed ? 0 : bench::fail("bench_ublk", closed.error().line());
}

int run(const Options& options) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr); // before any thread is made
    const auto address = proto::parse_address(options.address);
    if (!address) {
        return bench::fail("bench_ublk", "malformed address");
    }
    initiator::ShardConfig config;
    config.interfaces = {options.interface};
    config.engine.settle = initiator::Duration::zero(); // nothing was killed before
    // Not one that a server beside it uses, nor another program like this one.
    config.engine.shard_index = static_cast<std::uint8_t>(8 + (address->slot % 8));
    auto shard = initiator::Shard::open(config);
    if (!shard) {
        return bench::fail("bench_ublk", shard.error().line());
    }
    initiator::Device* const device = attach(**shard, *address);
    if (device == nullptr) {
        return bench::fail("bench_ublk", "cannot attach " + options.address);
    }
    int code = 0;
    std::thread front_end([&] { // the shard belongs to the thread that opened it
        code = serve(**shard, *device, options, signals);
        (*shard)->stop();
    });
    (*shard)->run();
    front_end.join();
    return code;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("One LUN as a ublk disk, with either way to copy");
    Options options;
    app.add_option("-i,--interface", options.interface)->required();
    app.add_option("--address", options.address);
    app.add_option("--copy", options.copy)->check(CLI::IsMember({"automatic", "user", "kernel"}));
    app.add_option("--depth", options.depth, "of the disk's queue");
    CLI11_PARSE(app, argc, argv);
    return run(options);
}
