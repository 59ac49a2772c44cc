// The engine without any I/O: what one command costs, from submit() over the frame that it becomes
// and the answer that is handed in to its completion. The other end is a frame that is always the
// same but for its tag; time is a number. Prints one JSON line. With `--commands` alone the work is
// the same each time, so that instructions can be counted.
#include "bench_support.hpp"
#include "initiator/engine.hpp"
#include "initiator/linux/clock.hpp"
#include "initiator/tag.hpp"
#include "proto/frame.hpp"
#include "proto/identify.hpp"

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <cstring>
#include <memory>
#include <vector>

using namespace uaoe;
using namespace uaoe::initiator;

namespace {

constexpr proto::Address lun{1, 0};
constexpr proto::MacAddress port_mac{{2, 0, 0, 0, 1, 0}};
constexpr proto::MacAddress target_mac{{2, 0, 0, 0, 0, 0x0a}};
constexpr std::size_t tag_offset = 20; // of the Ethernet frame, AoEr11 2
constexpr std::uint16_t buffer_count = 256;
constexpr std::uint8_t sectors_per_frame = 16;
constexpr std::uint64_t disk_sectors = 1U << 21U;

struct Options {
    std::uint64_t commands = 2'000'000;
    std::uint32_t bytes = 4096; // at most sectors_per_frame
    std::uint32_t depth = 16;
    bool write = false;
};

proto::FrameHeader answer_header(proto::Command command, proto::Tag tag) {
    return {.destination = port_mac,
            .source = target_mac,
            .version_flags = (proto::aoe_version << 4U) | proto::flag_response,
            .address = lun,
            .command = command,
            .tag = tag};
}

// An engine with one LUN behind one port, and the answers of a target that is always well.
class Rig {
  public:
    explicit Rig(const Options& options)
        : engine_(config()), requests_(options.depth),
          memory_(static_cast<std::size_t>(options.depth) * options.bytes) {
        engine_.handle_port(now_, {0}, {.up = true, .mtu_bytes = 9000, .mac = port_mac});
        std::array<std::byte, 64> advertisement;
        const std::size_t used = proto::write_query_config(
            advertisement,
            answer_header(proto::Command::query_config,
                          make_tag({.shard = 0, .slot = tag_slot_query_config, .generation = 0})),
            {.buffer_count = buffer_count, .sectors_per_frame = sectors_per_frame, .string = {}});
        engine_.handle_frame(now_, {0}, std::span(advertisement).first(used));
        serve_identify();
        device_ = engine_.attach(now_, lun, {.fail_after = 0s}).value();

        const std::vector<std::byte> data(options.write ? 0 : options.bytes);
        answer_.resize(64 + data.size());
        answer_.resize(proto::write_ata(answer_, answer_header(proto::Command::ata, {0}),
                                        {.command_status = proto::ata_status_ready, .data = data}));
        const std::uint64_t sectors = options.bytes / 512;
        for (std::size_t i = 0; i < requests_.size(); ++i) {
            Request& request = requests_[i];
            request.operation = options.write ? Operation::write : Operation::read;
            request.lba = {i * sectors};
            request.sectors = {sectors};
            request.buffer = std::span(memory_).subspan(i * options.bytes, options.bytes);
        }
    }

    // Returns false when a request failed.
    bool run(std::uint64_t commands) {
        std::uint64_t sent = 0;
        std::uint64_t done = 0;
        for (Request& request : requests_) {
            engine_.submit(now_, device_, request);
        }
        std::vector<std::array<std::byte, 4>> tags(requests_.size());
        while (done < commands) {
            std::size_t count = 0;
            Transmit transmit;
            while (count < tags.size() && engine_.poll_transmit(now_, transmit)) {
                std::memcpy(tags[count].data(), transmit.header.data() + tag_offset, 4);
                ++count;
            }
            sent += count;
            // As a shard asks before it waits.
            timeouts_ += engine_.poll_timeout().has_value() ? 1U : 0U;
            now_ += 20us;
            if (count == 0) {
                return false; // somebody waits for what never comes
            }
            for (const auto& tag : std::span(tags).first(count)) {
                std::memcpy(answer_.data() + tag_offset, tag.data(), 4);
                engine_.handle_frame(now_, {0}, answer_);
            }
            while (Request* request = engine_.poll_completion()) {
                if (request->status != Status::ok) {
                    return false;
                }
                ++done;
                request->lba = {(request->lba.value + 4099U * request->sectors.value) %
                                (disk_sectors - request->sectors.value)};
                engine_.submit(now_, device_, *request);
            }
        }
        engine_.detach(now_, device_);
        while (engine_.poll_completion() != nullptr) {
        }
        return timeouts_ > 0 && sent >= done;
    }

  private:
    static EngineConfig config() {
        EngineConfig config;
        config.settle = Duration::zero();
        config.payload_retry = Duration::zero(); // no probes among the commands
        config.discover_interval = Duration::zero();
        config.identify_interval = Duration::zero();
        return config;
    }

    void serve_identify() {
        proto::Identify identify;
        identify.serial = {{'S', '1'}, 2};
        identify.sectors = {disk_sectors};
        identify.lba48 = true;
        const auto data = proto::make_identify(identify);
        Transmit transmit;
        while (engine_.poll_transmit(now_, transmit)) {
            const auto sent = proto::parse_frame(
                std::span<const std::byte>(transmit.header).first(transmit.header_bytes));
            if (sent && sent->command == proto::Command::ata) {
                std::array<std::byte, 600> bytes;
                const std::size_t used =
                    proto::write_ata(bytes, answer_header(proto::Command::ata, sent->tag),
                                     {.command_status = proto::ata_status_ready, .data = data});
                engine_.handle_frame(now_, {0}, std::span(bytes).first(used));
            }
        }
    }

    Time now_{1s};
    Engine engine_;
    DeviceIndex device_;
    std::vector<Request> requests_;
    std::vector<std::byte> memory_;
    std::vector<std::byte> answer_;
    std::uint64_t timeouts_ = 0;
};

int run(const Options& options) {
    Rig rig(options);
    const Time begin = clock_now();
    const double cpu_before = bench::cpu_seconds();
    if (!rig.run(options.commands)) {
        return bench::fail("bench_alone", "a request failed");
    }
    const double cpu = bench::cpu_seconds() - cpu_before;
    const double elapsed = std::chrono::duration<double>(clock_now() - begin).count();
    const auto commands = static_cast<double>(options.commands);
    fmt::print("{{\"commands\":{},\"ns_per_command\":{:.1f},\"cpu_ns_per_command\":{:.1f}}}\n",
               options.commands, elapsed * 1e9 / commands, cpu * 1e9 / commands);
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("The engine without I/O");
    Options options;
    int cpu = -1;
    app.add_option("--commands", options.commands)->check(CLI::Range(1, 1'000'000'000));
    app.add_option("--bytes", options.bytes)->check(CLI::Range(512U, sectors_per_frame * 512U));
    app.add_option("--depth", options.depth)->check(CLI::Range(1U, std::uint32_t{buffer_count}));
    app.add_flag("--write", options.write);
    app.add_option("--cpu", cpu, "run on this processor only");
    CLI11_PARSE(app, argc, argv);
    bench::pin_to_cpu(cpu);
    return run(options);
}
