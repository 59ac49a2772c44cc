// aoecfg: config strings, of one target or of all, by one frame.
#include "tools/aoetools.hpp"
#include "tools/aoetools_text.hpp"
#include "tools/frame_exchange.hpp"
#include "tools/output.hpp"

#include "initiator/linux/clock.hpp"

#include <span>

namespace uaoe::tools {

namespace {

// Some error answers are the header alone.
std::string string_of(const proto::Frame& answer) {
    const auto fields = proto::parse_query_config(answer.argument);
    std::string string;
    if (fields) {
        for (const std::byte octet : fields->string) {
            string += static_cast<char>(octet);
        }
    }
    return string;
}

} // namespace

CommandResult run_aoecfg(const AoeCfgOptions& options) {
    auto exchange = FrameExchange::open(options.interface);
    if (!exchange) {
        return std::unexpected(exchange.error());
    }
    const proto::FrameHeader header{.destination = proto::broadcast_mac,
                                    .source = exchange->mac(),
                                    .address = options.address,
                                    .command = proto::Command::query_config,
                                    .tag = exchange->tag_of(0)};
    const bool sent = exchange->send([&](proto::Bytes out) {
        return proto::write_query_config(out, header,
                                         {.version = proto::aoe_version,
                                          .command = options.command,
                                          .string = std::as_bytes(std::span(options.string))});
    });
    if (!sent) {
        return std::unexpected(Error{.what = "cannot send the config string",
                                     .why = "it does not fit into the interface's MTU",
                                     .what_to_do = "`ip link set IF mtu 1500`"});
    }
    const bool is_one = !options.address.is_broadcast();
    const initiator::Time until =
        options.wait ? initiator::clock_now() + *options.wait : initiator::Time::max();
    std::expected<void, Error> written;
    exchange->receive(header.tag, until, [&](const proto::Frame& frame, proto::ConstBytes) {
        if (frame.command != proto::Command::query_config) {
            return false;
        }
        written = write_output(config_line(frame, string_of(frame), !is_one));
        return is_one || !written;
    });
    if (!written) {
        return std::unexpected(written.error());
    }
    return ExitCode::done;
}

} // namespace uaoe::tools
