// A workbench for engine tests: an engine with ports that are up, a disk that answers by hand, and
// every frame in the test's hands. Time moves only when the test says so.
#pragma once

#include "initiator/engine.hpp"
#include "initiator/tag.hpp"
#include "proto/frame.hpp"
#include "proto/identify.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

namespace uaoe::initiator::test {

using namespace std::chrono_literals;

inline constexpr proto::Address lun{1, 0};
inline constexpr proto::MacAddress target_mac_a{{2, 0, 0, 0, 0, 0x0a}};
inline constexpr proto::MacAddress target_mac_b{{2, 0, 0, 0, 0, 0x0b}};

inline proto::Identify small_disk(std::uint64_t sectors = 4096) {
    proto::Identify identify;
    identify.serial = {{'S', '1'}, 2};
    identify.model = {{'M'}, 1};
    identify.sectors = {sectors};
    identify.lba48 = true;
    identify.flush_cache = true;
    identify.flush_cache_ext = true;
    identify.trim = true;
    return identify;
}

struct SentFrame {
    SentFrame() = default;
    ~SentFrame() = default;
    // What was parsed points into the bytes.
    SentFrame(const SentFrame& other) : port(other.port), bytes(other.bytes) { parse(); }
    SentFrame(SentFrame&&) = default;
    SentFrame& operator=(const SentFrame& other) { return *this = SentFrame(other); }
    SentFrame& operator=(SentFrame&&) = default;

    void parse() {
        frame = proto::parse_frame(bytes).value();
        if (frame.command == proto::Command::ata) {
            ata = proto::parse_ata(frame.argument).value();
        }
    }

    PortIndex port;
    std::vector<std::byte> bytes;
    proto::Frame frame;
    proto::AtaFields ata; // of ATA commands
    [[nodiscard]] bool is(proto::AtaCommand command) const {
        return frame.command == proto::Command::ata &&
               ata.command_status == static_cast<std::uint8_t>(command);
    }
};

class Bench final : public RequestOwner {
  public:
    // `settle` and `payload_retry` replace those of the configuration: few tests want to wait for
    // their first write, or to have probes among the frames that they look at.
    explicit Bench(EngineConfig config = {}, std::uint32_t mtu_bytes = 1500,
                   std::uint32_t ports_count = 1, Duration settle = 0s, Duration payload_retry = 0s)
        : engine(with(config, settle, payload_retry)) {
        for (std::uint32_t i = 0; i < ports_count; ++i) {
            set_port(i, true, mtu_bytes);
        }
    }

    void set_port(std::uint32_t index, bool up, std::uint32_t mtu_bytes = 1500) {
        engine.handle_port(now, {index},
                           {.up = up, .mtu_bytes = mtu_bytes, .mac = port_mac({index})});
    }

    // Everything the engine wants to send now.
    std::deque<SentFrame> take_sent() {
        std::deque<SentFrame> sent;
        Transmit transmit;
        while (engine.poll_transmit(now, transmit)) {
            SentFrame& frame = sent.emplace_back();
            frame.port = transmit.port;
            frame.bytes.assign(transmit.header.begin(),
                               transmit.header.begin() + transmit.header_bytes);
            frame.bytes.insert(frame.bytes.end(), transmit.payload.begin(), transmit.payload.end());
            frame.parse();
        }
        return sent;
    }

    void config_answer(const proto::MacAddress& mac, std::uint16_t buffer_count = 16,
                       PortIndex port = {0}, std::uint8_t sectors = 2, bool is_boot = false) {
        std::array<std::byte, 256> bytes;
        const proto::Tag tag =
            is_boot ? proto::Tag{0}
                    : make_tag({.shard = 0, .slot = tag_slot_query_config, .generation = 0});
        proto::FrameHeader head = header(mac, proto::Command::query_config, tag, port);
        if (is_boot) {
            head.destination = proto::broadcast_mac;
        }
        const std::size_t used = proto::write_query_config(
            bytes, head,
            {.buffer_count = buffer_count, .sectors_per_frame = sectors, .string = {}});
        engine.handle_frame(now, port, std::span(bytes).first(used));
    }

    void answer(const SentFrame& sent, std::uint8_t status = proto::ata_status_ready,
                std::uint8_t error = 0, proto::ConstBytes data = {}) {
        std::vector<std::byte> bytes(64 + data.size());
        const std::size_t used = proto::write_ata(
            bytes, header(sent.frame.destination, proto::Command::ata, sent.frame.tag, sent.port),
            {.error_feature = error, .command_status = status, .data = data});
        engine.handle_frame(now, sent.port, std::span(bytes).first(used));
    }

    void answer_error(const SentFrame& sent, proto::AoeError error) {
        std::array<std::byte, 64> bytes;
        proto::FrameHeader head =
            header(sent.frame.destination, proto::Command::ata, sent.frame.tag, sent.port);
        head.version_flags |= proto::flag_error;
        head.error = error;
        engine.handle_frame(now, sent.port,
                            std::span(bytes).first(proto::write_frame_header(bytes, head)));
    }

    void answer_identify(const SentFrame& sent, const proto::Identify& data) {
        answer(sent, proto::ata_status_ready, 0, proto::make_identify(data));
    }

    // To a Query Config of ours, with its tag.
    void answer_config(const SentFrame& sent) {
        std::array<std::byte, 64> bytes;
        const std::size_t used = proto::write_query_config(
            bytes,
            header(sent.frame.destination, proto::Command::query_config, sent.frame.tag, sent.port),
            {.buffer_count = buffers_advertised,
             .sectors_per_frame = sectors_advertised,
             .string = {}});
        engine.handle_frame(now, sent.port, std::span(bytes).first(used));
    }

    // Executes reads, writes and flushes on `disk` and answers.
    void serve(const SentFrame& sent) {
        if (sent.frame.command == proto::Command::query_config) {
            if (!sent.frame.destination.is_multicast()) {
                answer_config(sent);
            }
        } else if (sent.is(proto::AtaCommand::identify_device)) {
            answer_identify(sent, identify);
        } else if (sent.is(proto::AtaCommand::write_sectors_ext)) {
            std::memcpy(disk.data() + sent.ata.lba.value * 512, sent.ata.data.data(),
                        sent.ata.sector_count * std::size_t{512});
            answer(sent);
        } else if (sent.is(proto::AtaCommand::read_sectors_ext)) {
            answer(sent, proto::ata_status_ready, 0,
                   std::span(disk).subspan(sent.ata.lba.value * 512,
                                           sent.ata.sector_count * std::size_t{512}));
        } else {
            answer(sent);
        }
    }

    void serve_all() {
        for (auto sent = take_sent(); !sent.empty(); sent = take_sent()) {
            for (const SentFrame& frame : sent) {
                serve(frame);
            }
        }
    }

    DeviceIndex attach(DeviceOptions options = {.fail_after = 0s}, std::uint16_t buffer_count = 16,
                       std::uint8_t sectors = 2) {
        buffers_advertised = buffer_count;
        sectors_advertised = sectors;
        config_answer(target_mac_a, buffer_count, {0}, sectors);
        serve_all();
        const auto device = engine.attach(now, lun, options);
        REQUIRE(device.has_value());
        attached = *device;
        return *device;
    }

    // Whether anybody answers or not; the disk is `identify`.
    DeviceIndex attach_known(DeviceOptions options = {.fail_after = 0s},
                             std::vector<proto::MacAddress> macs = {target_mac_a}) {
        const auto device = engine.attach_known(
            now, lun,
            {.identify_data = proto::make_identify(identify), .target_macs = std::move(macs)},
            options);
        REQUIRE(device.has_value());
        attached = *device;
        return *device;
    }

    // Takes back every request that is still lent to the engine.
    void detach() {
        if (attached) {
            engine.detach(now, *attached);
            attached.reset();
            drain();
        }
    }

    void advance(Duration duration) {
        const Time end = now + duration;
        while (engine.poll_timeout() && *engine.poll_timeout() <= end) {
            now = std::max(now, *engine.poll_timeout());
            engine.handle_timeout(now);
        }
        now = end;
    }

    void drain() {
        while (Request* request = engine.poll_completion()) {
            handle_completion(*request);
        }
    }
    void handle_completion(Request& request) override { completed.push_back(&request); }

    // Whether it completed; takes it off the list.
    bool completed_with(const Request& request, Status status) {
        drain();
        const auto found = std::find(completed.begin(), completed.end(), &request);
        if (found == completed.end() || request.status != status) {
            return false;
        }
        completed.erase(found);
        return true;
    }

    static EngineConfig with(EngineConfig config, Duration settle, Duration payload_retry) {
        config.settle = settle;
        config.payload_retry = payload_retry;
        return config;
    }

    static proto::MacAddress port_mac(PortIndex port) {
        return {{2, 0, 0, 0, 1, static_cast<std::uint8_t>(port.value)}};
    }

    static proto::FrameHeader header(const proto::MacAddress& source, proto::Command command,
                                     proto::Tag tag, PortIndex port = {0}) {
        return {.destination = port_mac(port),
                .source = source,
                .version_flags = (proto::aoe_version << 4U) | proto::flag_response,
                .address = lun,
                .command = command,
                .tag = tag};
    }

    Time now{1s};
    std::uint16_t buffers_advertised = 16;
    std::uint8_t sectors_advertised = 2;
    Engine engine;
    proto::Identify identify = small_disk();
    std::vector<std::byte> disk = std::vector<std::byte>(4096 * 512);
    std::vector<Request*> completed;
    std::optional<DeviceIndex> attached;
};

// A request with its buffer.
struct Io {
    Io(Bench& io_bench, Operation operation, std::uint64_t lba, std::uint64_t sectors,
       std::uint8_t fill = 0)
        : bench(io_bench),
          buffer(operation == Operation::read || operation == Operation::write ? sectors * 512 : 0,
                 std::byte{fill}) {
        request.operation = operation;
        request.lba = {lba};
        request.sectors = {sectors};
        request.buffer = buffer;
        request.owner = &bench;
    }
    // The engine must not keep what is gone.
    ~Io() {
        if (bench.attached && bench.engine.device_status(*bench.attached).requests_pending > 0) {
            bench.detach();
        }
    }
    Io(const Io&) = delete;
    Io& operator=(const Io&) = delete;

    Bench& bench;
    std::vector<std::byte> buffer;
    Request request;
};

} // namespace uaoe::initiator::test
