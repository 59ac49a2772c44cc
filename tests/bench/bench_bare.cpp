// The ceiling: a windowed loop on the same packet link, with nothing of an initiator in it. Every
// answer is matched to its slot by its tag, read data is copied once (as any initiator must), and
// the next command is sent. No timers but one that ends a stall, no splitting, no windows, no tags
// that change.
#include "bench_support.hpp"
#include "initiator/linux/clock.hpp"
#include "initiator/linux/port_monitor.hpp"
#include "initiator/linux/xdp_link.hpp"
#include "initiator/tag.hpp"
#include "proto/frame.hpp"

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <poll.h>

#include <array>
#include <cstring>
#include <expected>
#include <memory>
#include <vector>

using namespace uaoe;
using namespace uaoe::initiator;

namespace {

// Not one that an engine beside it uses, which would have to look at every frame of this loop.
constexpr std::uint8_t bare_shard = 15;

struct Options {
    std::string interface;
    std::string address = "1.0";
    std::uint32_t sectors = 2;
    std::uint32_t window = 16;
    std::uint32_t frames_per_request = 1;
    std::uint64_t disk_sectors = 1U << 18U;
    double seconds = 2;
    bool write = false;
    bool sequential = false;
    int cpu = -1;
    bool xdp = false;
};

class Loop {
  public:
    Loop(Link& link, const Options& options, const proto::MacAddress& own_mac)
        : link_(link), options_(options), own_mac_(own_mac),
          address_(proto::parse_address(options.address).value_or(proto::Address{})),
          memory_(static_cast<std::size_t>(options.window) * options.sectors * 512),
          unanswered_(options.window / options.frames_per_request) {}

    // Broadcasts Query Config until the LUN answers.
    bool find_target() {
        for (int tries = 0; tries < 20; ++tries) {
            Transmit& transmit = link_.next_transmit();
            const proto::FrameHeader header{
                .destination = proto::broadcast_mac,
                .source = own_mac_,
                .address = address_,
                .command = proto::Command::query_config,
                .tag = make_tag(
                    {.shard = bare_shard, .slot = tag_slot_query_config, .generation = 0})};
            const std::size_t used =
                proto::write_query_config(transmit.header, header, {.version = 1, .string = {}});
            transmit.header_bytes =
                static_cast<std::uint32_t>(proto::pad_frame(transmit.header, used));
            transmit.payload = {};
            link_.queue();
            link_.flush();
            wait(100);
            bool found = false;
            link_.receive(64, [&](proto::ConstBytes bytes) {
                const auto frame = proto::parse_frame(bytes);
                if (frame && frame->command == proto::Command::query_config &&
                    frame->address == address_) {
                    target_mac_ = frame->source;
                    found = true;
                }
            });
            if (found) {
                return true;
            }
        }
        return false;
    }

    void run_until(Time end) {
        if (!started_) {
            started_ = true;
            fill_window();
        }
        std::uint32_t idle_turns = 0;
        while (clock_now() < end) {
            const std::size_t received =
                link_.receive(256, [&](proto::ConstBytes bytes) { handle_answer(bytes); });
            link_.flush();
            if (received > 0) {
                idle_turns = 0;
            } else if (!wait(50) && ++idle_turns > 3) {
                ++stalls_; // something was lost: begin again
                fill_window();
                idle_turns = 0;
            }
        }
    }

    [[nodiscard]] std::uint64_t done() const { return done_; }
    [[nodiscard]] std::uint64_t stalls() const { return stalls_; }

  private:
    bool wait(int milliseconds) const {
        std::array<pollfd, XdpLink::queues_count_max + 1> readable;
        nfds_t count = 0;
        for (const int fd : link_.fds()) {
            readable[count++] = {.fd = fd, .events = POLLIN, .revents = 0};
        }
        return poll(readable.data(), count, milliseconds) > 0;
    }

    void fill_window() {
        for (std::uint32_t request = 0; request < unanswered_.size(); ++request) {
            send_request(request);
        }
        link_.flush();
    }

    // A request is as many frames as an initiator cuts it into; the next one takes its place when
    // all of them are answered.
    void send_request(std::uint32_t request) {
        unanswered_[request] = options_.frames_per_request;
        for (std::uint32_t i = 0; i < options_.frames_per_request; ++i) {
            send((request * options_.frames_per_request) + i);
        }
    }

    void send(std::uint32_t slot) {
        const std::uint64_t places = options_.disk_sectors / options_.sectors;
        const std::uint64_t place =
            options_.sequential ? next_++ % places : next_++ * 7919 % places;
        Transmit& transmit = link_.next_transmit();
        const proto::FrameHeader header{
            .destination = target_mac_,
            .source = own_mac_,
            .address = address_,
            .command = proto::Command::ata,
            .tag = make_tag({.shard = bare_shard, .slot = slot, .generation = 1})};
        const auto opcode = options_.write ? proto::AtaCommand::write_sectors_ext
                                           : proto::AtaCommand::read_sectors_ext;
        std::size_t used = proto::write_ata(
            transmit.header, header,
            {.flags = static_cast<std::uint8_t>(proto::ata_flag_extended |
                                                (options_.write ? proto::ata_flag_write : 0U)),
             .sector_count = static_cast<std::uint8_t>(options_.sectors),
             .command_status = static_cast<std::uint8_t>(opcode),
             .lba = {place * options_.sectors}});
        transmit.payload = {};
        if (options_.write) {
            transmit.payload = buffer(slot);
        } else {
            used = proto::pad_frame(transmit.header, used);
        }
        transmit.header_bytes = static_cast<std::uint32_t>(used);
        link_.queue();
        if (link_.is_full()) {
            link_.flush();
        }
    }

    void handle_answer(proto::ConstBytes bytes) {
        const auto frame = proto::parse_frame(bytes);
        if (!frame || frame->command != proto::Command::ata) {
            return;
        }
        const std::uint32_t slot = split_tag(frame->tag).slot;
        if (slot >= options_.window || unanswered_[slot / options_.frames_per_request] == 0) {
            return;
        }
        if (!options_.write &&
            bytes.size() >= proto::ata_frame_header_bytes + buffer(slot).size()) {
            std::memcpy(buffer(slot).data(), bytes.data() + proto::ata_frame_header_bytes,
                        buffer(slot).size());
        }
        ++done_;
        const std::uint32_t request = slot / options_.frames_per_request;
        if (--unanswered_[request] == 0) {
            send_request(request);
        }
    }

    proto::Bytes buffer(std::uint32_t slot) {
        const std::size_t bytes = options_.sectors * std::size_t{512};
        return std::span(memory_).subspan(slot * bytes, bytes);
    }

    Link& link_;
    const Options& options_;
    proto::MacAddress own_mac_;
    proto::MacAddress target_mac_;
    proto::Address address_;
    std::vector<std::byte> memory_;
    std::vector<std::uint32_t> unanswered_; // frames of each request
    std::uint64_t next_ = 0;
    std::uint64_t done_ = 0;
    std::uint64_t stalls_ = 0;
    bool started_ = false;
};

std::expected<std::unique_ptr<Link>, Error> open_link(const Options& options,
                                                      const InterfaceState& state) {
    if (options.xdp) {
        return XdpLink::open({.interface_name = options.interface,
                              .ifindex = state.ifindex,
                              .mac = state.port.mac,
                              .mtu_bytes = state.port.mtu_bytes,
                              .shard = bare_shard});
    }
    return PacketLink::open(options.interface, state.ifindex, bare_shard);
}

int run(const Options& options) {
    auto monitor = PortMonitor::open({options.interface});
    if (!monitor || !(*monitor)->state(0)) {
        return bench::fail("bench_bare", "no such interface");
    }
    const InterfaceState state = *(*monitor)->state(0);
    auto link = open_link(options, state);
    if (!link) {
        return bench::fail("bench_bare", link.error().line());
    }
    Loop loop(**link, options, state.port.mac);
    if (!loop.find_target()) {
        return bench::fail("bench_bare", "no target " + options.address);
    }
    loop.run_until(clock_now() + 200ms);
    const std::uint64_t done_before = loop.done();
    const double cpu_before = bench::cpu_seconds();
    const Time begin = clock_now();
    loop.run_until(begin +
                   std::chrono::nanoseconds{static_cast<std::int64_t>(options.seconds * 1e9)});
    const double elapsed = std::chrono::duration<double>(clock_now() - begin).count();
    const double cpu = bench::cpu_seconds() - cpu_before;
    const auto frames = static_cast<double>(loop.done() - done_before);
    fmt::print("{{\"frames_per_s\":{:.0f},\"mb_per_s\":{:.1f},\"cpu_us_per_frame\":{:.3f},"
               "\"stalls\":{}}}\n",
               frames / elapsed, frames * options.sectors * 512 / elapsed / 1e6, cpu * 1e6 / frames,
               loop.stalls());
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("A bare windowed loop against one LUN");
    Options options;
    app.add_option("-i,--interface", options.interface)->required();
    app.add_option("--address", options.address);
    app.add_option("--sectors", options.sectors, "of one frame");
    app.add_option("--window", options.window, "frames in flight");
    app.add_option("--frames-per-request", options.frames_per_request,
                   "divides --window; the next request is sent when the whole one is answered");
    app.add_option("--seconds", options.seconds);
    app.add_flag("--write", options.write);
    app.add_flag("--sequential", options.sequential);
    app.add_option("--cpu", options.cpu, "run on this processor only");
    bench::add_link(app, options.xdp);
    CLI11_PARSE(app, argc, argv);
    if (options.frames_per_request == 0 || options.window % options.frames_per_request != 0) {
        return bench::fail("bench_bare", "--frames-per-request does not divide --window");
    }
    bench::pin_to_cpu(options.cpu);
    return run(options);
}
