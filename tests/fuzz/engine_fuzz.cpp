// The engine under a list of operations: each byte of the input chooses the next one, the bytes
// behind it its arguments. A hostile network answers its frames, changed and unchanged, late and
// twice, sends what nobody asked for, and pulls cables. Checked: no assertion of the engine fails;
// each request comes back once, and never as done without an answer that can have done it; no more
// is in flight than the advertised buffers; at the end a detach brings everything back.
#include "initiator/engine.hpp"
#include "proto/assert.hpp"
#include "proto/frame.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

using namespace uaoe;
using namespace uaoe::initiator;

namespace {

constexpr proto::Address lun{1, 0};
constexpr std::uint64_t disk_sectors = 256;
constexpr std::uint32_t ports_count = 2;
constexpr std::size_t requests_count = 8;
constexpr std::size_t history_count = 64;
constexpr Duration question_patience_max = std::chrono::seconds{5};

// The input as a stream of small numbers; zeroes when it is at its end.
class Choices {
  public:
    explicit Choices(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
    [[nodiscard]] bool is_empty() const { return bytes_.empty(); }
    std::uint8_t byte() {
        if (bytes_.empty()) {
            return 0;
        }
        const std::uint8_t value = bytes_.front();
        bytes_ = bytes_.subspan(1);
        return value;
    }
    std::uint32_t below(std::uint32_t limit) { return byte() % limit; }
    std::vector<std::byte> bytes(std::size_t count) {
        std::vector<std::byte> out(count);
        for (std::byte& value : out) {
            value = std::byte{byte()};
        }
        return out;
    }

  private:
    std::span<const std::uint8_t> bytes_;
};

struct Sent {
    PortIndex port;
    std::vector<std::byte> bytes;
};

struct Io {
    Request request;
    std::array<std::byte, 32UL * 512> buffer{};
    bool is_lent = false;
};

proto::Identify disk() {
    proto::Identify identify;
    identify.serial = {{'S', '1'}, 2};
    identify.model = {{'M'}, 1};
    identify.sectors = {disk_sectors};
    identify.lba48 = true;
    identify.flush_cache = true;
    identify.flush_cache_ext = true;
    identify.trim = true;
    return identify;
}

class World {
  public:
    explicit World(Duration settle)
        : engine_({.ports_count_max = ports_count,
                   .targets_count_max = 4,
                   .devices_count_max = 2,
                   .paths_per_target_max = 4,
                   .commands_count_max = 24,
                   .window_frames_max = 16,
                   .settle = settle}) {
        for (std::uint32_t index = 0; index < ports_count; ++index) {
            set_port(index, true, 1500);
        }
        drain();
    }

    void operate(Choices& choices) {
        switch (choices.below(11)) {
        case 0:
            submit(choices);
            break;
        case 1:
        case 2:
            answer(choices, false);
            break;
        case 3:
            answer(choices, true);
            break;
        case 4:
            config_answer(choices);
            break;
        case 5:
            unasked(choices);
            break;
        case 6:
            set_port(choices.below(ports_count), choices.below(4) != 0,
                     choices.below(2) == 0 ? 1500 : 400 + (choices.byte() * 40U));
            break;
        case 7:
            advance(std::chrono::microseconds{1 + (choices.byte() * 100)});
            break;
        case 8:
            advance(std::chrono::milliseconds{1 + (choices.byte() * 20)});
            break;
        case 9:
            attach_or_detach(choices);
            break;
        default:
            look(choices);
        }
        drain();
    }

    // Everything that is lent comes back, whatever went before.
    void finish() {
        if (device_) {
            engine_.detach(now_, *device_);
            device_.reset();
            drain();
        }
        UAOE_ASSERT(std::ranges::none_of(ios_, &Io::is_lent));
        if (is_asking_) {
            advance(question_patience_max + std::chrono::seconds{1});
            UAOE_ASSERT(!is_asking_); // silence is an answer
        }
    }

  private:
    void set_port(std::uint32_t index, bool up, std::uint32_t mtu_bytes) {
        engine_.handle_port(now_, {index},
                            {.up = up, .mtu_bytes = mtu_bytes, .mac = port_mac(index)});
    }

    void look(Choices& choices) {
        switch (choices.below(3)) {
        case 0:
            engine_.discover(now_);
            break;
        case 1:
            engine_.probe(now_, lun);
            break;
        default:
            if (!is_asking_) {
                AdminQuestion question{.address = lun,
                                       .command = static_cast<proto::Command>(choices.below(4)),
                                       .argument = choices.bytes(12 + choices.byte() * 6UL),
                                       .is_change = choices.below(2) == 0};
                question.patience = question_patience_max / (1 + choices.below(100));
                is_asking_ = engine_.ask(now_, std::move(question)).has_value();
            }
        }
    }

    void submit(Choices& choices) {
        const auto io = std::ranges::find_if(ios_, [](const Io& i) { return !i.is_lent; });
        if (!device_ || io == ios_.end()) {
            return;
        }
        Request& request = io->request;
        request.operation = static_cast<Operation>(choices.below(5));
        request.fua = choices.below(4) == 0;
        request.lba = {choices.byte() * 2UL}; // some are past the end
        request.sectors = {choices.below(33)};
        const bool has_data =
            request.operation == Operation::read || request.operation == Operation::write;
        request.buffer = std::span(io->buffer).first(has_data ? request.sectors.value * 512 : 0);
        io->is_lent = true;
        answered_ = false;
        engine_.submit(now_, *device_, request);
    }

    // As a target would, or with bytes of it changed.
    void answer(Choices& choices, bool damaged) {
        if (sent_.empty()) {
            return;
        }
        const Sent& sent = sent_[choices.byte() % sent_.size()];
        const proto::Frame asked = *proto::parse_frame(sent.bytes);
        proto::FrameHeader header{
            .destination = asked.source,
            .source = asked.destination == proto::broadcast_mac ? mac_of(0) : asked.destination,
            .version_flags = (proto::aoe_version << 4U) | proto::flag_response,
            .address = lun,
            .command = asked.command,
            .tag = asked.tag};
        std::array<std::byte, 32768> bytes;
        std::size_t used = 0;
        if (asked.command == proto::Command::ata) {
            const proto::AtaFields ata = *proto::parse_ata(asked.argument);
            const bool is_identify =
                ata.command_status == static_cast<std::uint8_t>(proto::AtaCommand::identify_device);
            const auto identify = proto::make_identify(disk());
            static const std::array<std::byte, 256UL * 512> zeroes{};
            const bool is_write = (ata.flags & proto::ata_flag_write) != 0;
            used = proto::write_ata(bytes, header,
                                    {.command_status = proto::ata_status_ready,
                                     .data = is_identify ? proto::ConstBytes(identify)
                                             : is_write  ? proto::ConstBytes()
                                                         : std::span(zeroes).first(std::min(
                                                              ata.sector_count * 512U, 16384U))});
        } else {
            used = proto::write_query_config(
                bytes, header, {.buffer_count = 4, .sectors_per_frame = 17, .string = {}});
        }
        if (damaged) {
            for (std::uint32_t count = 1 + choices.below(3); count > 0; --count) {
                bytes[choices.byte() % std::min<std::size_t>(used, 80)] = std::byte{choices.byte()};
            }
            used -= std::min<std::size_t>(used, choices.below(4) == 0 ? choices.byte() : 0U);
        }
        answered_ = true;
        engine_.handle_frame(now_, sent.port, std::span(bytes).first(used));
    }

    void config_answer(Choices& choices) {
        std::array<std::byte, 128> bytes;
        const auto string = choices.bytes(choices.below(8));
        const PortIndex port{choices.below(ports_count + 1)};
        const std::size_t used = proto::write_query_config(
            bytes,
            {.destination = choices.below(4) == 0 ? proto::broadcast_mac : port_mac(port.value),
             .source = mac_of(choices.below(6)),
             .version_flags = (proto::aoe_version << 4U) | proto::flag_response,
             .address = choices.below(4) == 0 ? proto::Address{choices.byte(), 1} : lun,
             .command = proto::Command::query_config,
             .tag = {choices.below(2) == 0 ? 0U : 0x87ffc000U}},
            {.buffer_count = static_cast<std::uint16_t>(choices.byte() * choices.byte()),
             .sectors_per_frame = choices.byte(),
             .string = string});
        engine_.handle_frame(now_, port, std::span(bytes).first(used));
    }

    void unasked(Choices& choices) {
        const auto bytes = choices.bytes(choices.below(80));
        answered_ = true;
        engine_.handle_frame(now_, {choices.below(ports_count)}, bytes);
    }

    void advance(Duration duration) {
        const Time end = now_ + duration;
        std::uint32_t turns_count = 0;
        while (engine_.poll_timeout() && *engine_.poll_timeout() <= end) {
            UAOE_ASSERT(++turns_count < 100000); // time goes on
            now_ = std::max(now_, *engine_.poll_timeout());
            engine_.handle_timeout(now_);
            drain();
        }
        now_ = end;
    }

    void attach_or_detach(Choices& choices) {
        if (device_ && choices.below(8) == 0) {
            engine_.detach(now_, *device_);
            device_.reset();
        } else if (!device_) {
            const std::uint8_t choice = choices.byte();
            const DeviceOptions options{.fail_after = std::chrono::seconds{choice % 4},
                                        .read_only = choices.below(8) == 0};
            const bool is_known = (choice / 4) % 4 == 3;
            const auto device = is_known
                                    ? engine_.attach_known(now_, lun, known(choice / 16), options)
                                    : engine_.attach(now_, lun, options);
            UAOE_ASSERT(device || !is_known || device.error() == AttachError::no_room ||
                        device.error() == AttachError::bad_identity);
            if (device) {
                device_ = *device;
            }
        }
    }

    // The disk that answers, or another, or nonsense; with some of its MACs.
    static KnownDisk known(std::uint32_t variant) {
        proto::Identify identify = disk();
        identify.serial.characters[0] = variant % 4 == 1 ? 'X' : 'S';
        KnownDisk known;
        if (variant % 4 != 2) {
            known.identify_data = proto::make_identify(identify);
        }
        for (std::uint32_t number = 0; number < variant / 4; ++number) {
            known.target_macs.push_back(mac_of(number));
        }
        return known;
    }

    void drain() {
        Transmit transmit;
        while (engine_.poll_transmit(now_, transmit)) {
            Sent sent{.port = transmit.port, .bytes = {}};
            UAOE_ASSERT(transmit.port.value < ports_count);
            sent.bytes.assign(transmit.header.begin(),
                              transmit.header.begin() + transmit.header_bytes);
            sent.bytes.insert(sent.bytes.end(), transmit.payload.begin(), transmit.payload.end());
            UAOE_ASSERT(proto::parse_frame(sent.bytes).has_value());
            UAOE_ASSERT(sent.bytes.size() >= 60);
            if (sent_.size() == history_count) {
                sent_.erase(sent_.begin());
            }
            sent_.push_back(std::move(sent));
        }
        while (Request* request = engine_.poll_completion()) {
            const auto io =
                std::ranges::find_if(ios_, [&](const Io& i) { return &i.request == request; });
            UAOE_ASSERT(io != ios_.end() && io->is_lent);
            io->is_lent = false;
            // Nothing was said since the last request, so none can have been carried out.
            UAOE_ASSERT(request->status != Status::ok || answered_);
        }
        while (engine_.poll_event()) {
        }
        if (engine_.poll_answer()) {
            UAOE_ASSERT(is_asking_);
            is_asking_ = false;
        }
        for (const TargetStatus& target : engine_.targets()) {
            for (const PathStatus& path : target.paths) {
                UAOE_ASSERT(path.in_flight <= 16);
            }
        }
    }

    static proto::MacAddress port_mac(std::uint32_t index) {
        return {{2, 0, 0, 0, 1, static_cast<std::uint8_t>(index)}};
    }
    static proto::MacAddress mac_of(std::uint32_t number) {
        return {{2, 0, 0, 0, 0, static_cast<std::uint8_t>(0x0a + number)}};
    }

    Time now_{std::chrono::seconds{1}};
    Engine engine_;
    std::array<Io, requests_count> ios_;
    std::optional<DeviceIndex> device_;
    std::vector<Sent> sent_;
    bool answered_ = false;
    bool is_asking_ = false;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 4096) {
        return 0;
    }
    Choices choices(std::span(data, size));
    // One in four had a predecessor.
    const bool settles = size > 0 && data[size - 1] % 4 == 3;
    World world(settles ? std::chrono::seconds{1} : std::chrono::seconds{0});
    while (!choices.is_empty()) {
        world.operate(choices);
    }
    world.finish();
    return 0;
}
