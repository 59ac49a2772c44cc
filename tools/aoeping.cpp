// aoeping: one target by single frames.
#include "tools/aoetools.hpp"
#include "tools/aoetools_text.hpp"
#include "tools/frame_exchange.hpp"
#include "tools/output.hpp"

#include "initiator/linux/clock.hpp"
#include "proto/ata.hpp"
#include "proto/identify.hpp"
#include "proto/smart.hpp"

#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <optional>
#include <unistd.h>
#include <vector>

namespace uaoe::tools {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t sector_bytes = 512;
// Any frame may be lost. A question that changes nothing is asked again then.
constexpr initiator::Duration resend_interval = 1s;

struct Answer {
    proto::Frame frame; // its argument borrows `bytes`
    std::vector<std::byte> bytes;
};

class Ping {
  public:
    Ping(FrameExchange exchange, const AoePingOptions& options)
        : exchange_(std::move(exchange)), options_(options), next_tag_(options.tag) {}

    std::expected<void, Error> run();

  private:
    std::expected<void, Error> find();
    std::expected<void, Error> identify();
    std::expected<void, Error> smart(const AoePingSmart& asked);
    std::expected<void, Error> print(const std::string& text) { return write_output(text); }
    using Write = std::function<std::size_t(proto::Bytes, const proto::FrameHeader&)>;
    std::expected<Answer, Error> ask(proto::Command command, const Write& write, bool is_change);
    std::expected<proto::AtaFields, Error> ask_ata(const proto::AtaFields& fields, bool is_change,
                                                   Answer& answer);

    [[nodiscard]] std::string name() const { return "e" + proto::to_string(options_.address); }

    FrameExchange exchange_;
    const AoePingOptions& options_;
    std::uint32_t next_tag_;
    proto::MacAddress target_mac_ = proto::broadcast_mac;
    std::vector<std::byte> identify_data_;
};

std::expected<Answer, Error> Ping::ask(proto::Command command, const Write& write, bool is_change) {
    const proto::FrameHeader header{.destination = target_mac_,
                                    .source = exchange_.mac(),
                                    .address = options_.address,
                                    .command = command,
                                    .tag = exchange_.tag_of(next_tag_++)};
    const initiator::Time begin = initiator::clock_now();
    const initiator::Time end =
        options_.wait == 0s ? initiator::Time::max() : begin + options_.wait;
    Answer answer;
    const auto take = [&](const proto::Frame& frame, proto::ConstBytes bytes) {
        if (frame.address != options_.address || frame.command != command) {
            return false;
        }
        answer.bytes.assign(bytes.begin(), bytes.end());
        return true;
    };
    while (true) {
        if (!exchange_.send([&](proto::Bytes out) { return write(out, header); })) {
            return std::unexpected(Error{.what = "cannot ask " + name(),
                                         .why = "the interface's MTU is too small",
                                         .what_to_do = "`ip link set IF mtu 1500`"});
        }
        const initiator::Time until =
            is_change ? end : std::min(end, initiator::clock_now() + resend_interval);
        if (exchange_.receive(header.tag, until, take)) {
            answer.frame = *proto::parse_frame(answer.bytes);
            return answer;
        }
        if (initiator::clock_now() >= end) {
            return std::unexpected(
                Error{.what = "no answer from " + name() + " on " + options_.interface,
                      .why = fmt::format("none came within {} s", options_.wait.count()),
                      .what_to_do = "check the target, the cables and the VLAN"});
        }
    }
}

std::expected<void, Error> Ping::find() {
    if (options_.verbose) {
        const auto printed = print(fmt::format(
            "tag: {:x}\neth: {}\nshelf: {}\nslot: {}\n", exchange_.tag_of(options_.tag).value,
            options_.interface, options_.address.shelf, options_.address.slot));
        if (!printed) {
            return printed;
        }
    }
    const auto answer = ask(
        proto::Command::query_config,
        [](proto::Bytes out, const proto::FrameHeader& header) {
            return proto::write_query_config(out, header,
                                             {.version = proto::aoe_version, .string = {}});
        },
        false);
    if (!answer) {
        return std::unexpected(answer.error());
    }
    target_mac_ = answer->frame.source;
    if (!options_.verbose) {
        return {};
    }
    std::string mac;
    for (const std::uint8_t octet : target_mac_.octets) {
        mac += fmt::format("{:02x}", octet);
    }
    return print("config query response:\n" + octets_text(answer->bytes) + "found " + name() +
                 " with mac " + mac + "\n");
}

std::expected<proto::AtaFields, Error> Ping::ask_ata(const proto::AtaFields& fields, bool is_change,
                                                     Answer& answer) {
    auto asked = ask(
        proto::Command::ata,
        [&](proto::Bytes out, const proto::FrameHeader& header) {
            return proto::write_ata(out, header, fields);
        },
        is_change);
    if (!asked) {
        return std::unexpected(asked.error());
    }
    answer = std::move(*asked);
    if (answer.frame.is_error) {
        return std::unexpected(
            Error{.what = name() + " refused the command",
                  .why = fmt::format("AoE error {}", static_cast<unsigned>(answer.frame.error)),
                  .what_to_do = "`uaoe discover` shows its state"});
    }
    const auto parsed = proto::parse_ata(answer.frame.argument);
    if (!parsed) {
        return std::unexpected(Error{.what = name() + " gave an answer that makes no sense",
                                     .why = "it is too short",
                                     .what_to_do = {}});
    }
    if ((parsed->command_status & (proto::ata_status_error | proto::ata_status_device_fault)) !=
        0) {
        return std::unexpected(
            Error{.what = name() + " did not do the command",
                  .why = fmt::format("its disk says status 0x{:02x}, error 0x{:02x}",
                                     parsed->command_status, parsed->error_feature),
                  .what_to_do = "its disk may not have it"});
    }
    return *parsed;
}

std::expected<void, Error> Ping::identify() {
    Answer answer;
    const auto fields =
        ask_ata({.sector_count = 1,
                 .command_status = static_cast<std::uint8_t>(proto::AtaCommand::identify_device)},
                false, answer);
    if (!fields) {
        return std::unexpected(fields.error());
    }
    if (fields->data.size() < proto::identify_bytes) {
        return std::unexpected(Error{.what = name() + " gave an answer that makes no sense",
                                     .why = "IDENTIFY data has 512 bytes",
                                     .what_to_do = {}});
    }
    const proto::ConstBytes words = fields->data.first(proto::identify_bytes);
    identify_data_.assign(words.begin(), words.end());
    if (options_.identify_fields) { // with both, this one
        return print("device identify fields:\n" + identify_fields_text(words));
    }
    return options_.identify_words ? print("device identify response:\n" + octets_text(words))
                                   : std::expected<void, Error>{};
}

// One sector, all of it.
std::expected<std::array<std::byte, sector_bytes>, Error> read_sector() {
    std::array<std::byte, sector_bytes> sector{};
    std::size_t used = 0;
    while (used < sector.size()) {
        const ssize_t count = read(STDIN_FILENO, sector.data() + used, sector.size() - used);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return std::unexpected(Error{.what = "cannot write the log",
                                         .why = fmt::format("standard input has {} bytes", used),
                                         .what_to_do = "give it the 512 bytes of the log"});
        }
        used += static_cast<std::size_t>(count);
    }
    return sector;
}

std::expected<void, Error> Ping::smart(const AoePingSmart& asked) {
    const auto identify = proto::parse_identify(identify_data_);
    if (!identify || !identify->smart_supported) {
        return std::unexpected(Error{.what = "cannot ask " + name() + " for its health",
                                     .why = "its disk has no SMART",
                                     .what_to_do = "targets that serve a file have none"});
    }
    std::array<std::byte, sector_bytes> sector{};
    if (asked.writes) {
        const auto given = read_sector();
        if (!given) {
            return std::unexpected(given.error());
        }
        sector = *given;
    }
    // As many sectors as the command transfers (ATA8-ACS 7.52).
    proto::AtaFields question{.flags = asked.writes ? proto::ata_flag_write : std::uint8_t{0},
                              .error_feature = asked.feature,
                              .sector_count =
                                  static_cast<std::uint8_t>(asked.reads || asked.writes ? 1 : 0),
                              .command_status = static_cast<std::uint8_t>(proto::AtaCommand::smart),
                              .lba = proto::smart_lba(asked.low_octet)};
    if (asked.writes) {
        question.data = sector;
    }
    const bool is_return_status =
        asked.feature == static_cast<std::uint8_t>(proto::SmartFeature::return_status);
    Answer answer;
    const auto fields = ask_ata(question, !asked.reads && !is_return_status, answer);
    if (!fields) {
        return std::unexpected(fields.error());
    }
    std::string text = registers_text(*fields);
    if (asked.reads) {
        text += "SMART data:\n" +
                octets_text(fields->data.first(std::min(fields->data.size(), sector_bytes)));
    }
    return print(text);
}

std::expected<void, Error> Ping::run() {
    if (auto found = find(); !found) {
        return found;
    }
    if (!options_.identify_words && !options_.identify_fields && !options_.smart) {
        return {};
    }
    if (auto identified = identify(); !identified) {
        return identified;
    }
    return options_.smart ? smart(*options_.smart) : std::expected<void, Error>{};
}

} // namespace

CommandResult run_aoeping(const AoePingOptions& options) {
    auto exchange = FrameExchange::open(options.interface);
    if (!exchange) {
        return std::unexpected(exchange.error());
    }
    if (auto done = Ping(std::move(*exchange), options).run(); !done) {
        return std::unexpected(done.error());
    }
    return ExitCode::done;
}

} // namespace uaoe::tools
