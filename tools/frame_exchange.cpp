// A packet link without a shard around it.
#include "tools/frame_exchange.hpp"

#include "initiator/linux/clock.hpp"
#include "initiator/linux/port_monitor.hpp"
#include "initiator/tag.hpp"

#include <algorithm>
#include <array>
#include <poll.h>

namespace uaoe::tools {

namespace {

constexpr std::size_t slots_count = 64;

Error interface_error(const std::string& name, const char* why, const std::string& what_to_do) {
    return {.what = "cannot use interface " + name, .why = why, .what_to_do = what_to_do};
}

} // namespace

std::expected<FrameExchange, Error> FrameExchange::open(const std::string& interface_name) {
    const auto monitor = initiator::PortMonitor::open({interface_name});
    if (!monitor) {
        return std::unexpected(monitor.error());
    }
    const auto& state = (*monitor)->state(0);
    if (!state) {
        return std::unexpected(interface_error(interface_name, "there is no such interface",
                                               "`ip link` lists those of this network namespace"));
    }
    if (!state->is_ethernet) {
        return std::unexpected(interface_error(interface_name, "it is not an Ethernet interface",
                                               "name the NIC of the SAN"));
    }
    if (!state->administratively_up) {
        return std::unexpected(interface_error(interface_name, "it is down",
                                               "`ip link set " + interface_name + " up`"));
    }
    auto number = ShardNumber::claim();
    if (!number) {
        return std::unexpected(number.error());
    }
    auto link =
        initiator::PacketLink::open(interface_name, state->ifindex, number->value(), slots_count);
    if (!link) {
        return std::unexpected(link.error());
    }
    return FrameExchange(std::move(*number), std::move(*link), state->port.mac,
                         state->port.mtu_bytes);
}

proto::Tag FrameExchange::tag_of(std::uint32_t number) const {
    return {initiator::tag_shard_pattern(number_.value()) | (number & ~initiator::tag_shard_mask)};
}

bool FrameExchange::send(const std::function<std::size_t(proto::Bytes)>& write) {
    std::array<std::byte, 2048> frame{};
    const std::size_t used = std::max(write(frame), proto::ethernet_frame_bytes_min);
    if (used > mtu_bytes_ + sizeof(proto::EthernetHeader)) {
        return false;
    }
    initiator::Transmit& transmit = link_->next_transmit();
    const std::size_t header_bytes = std::min(used, transmit.header.size());
    std::ranges::copy(std::span(frame).first(header_bytes), transmit.header.begin());
    transmit.header_bytes = static_cast<std::uint32_t>(header_bytes);
    transmit.payload = std::span(frame).subspan(header_bytes, used - header_bytes);
    link_->queue();
    link_->flush();
    return true;
}

bool FrameExchange::receive(
    proto::Tag tag, initiator::Time until,
    const std::function<bool(const proto::Frame& frame, proto::ConstBytes bytes)>& take) {
    bool done = false;
    while (!done) {
        link_->receive(1, [&](proto::ConstBytes bytes) {
            const auto frame = proto::parse_frame(bytes);
            done = frame && frame->is_response && frame->tag == tag && take(*frame, bytes);
        });
        if (done || link_->has_received()) {
            continue;
        }
        const initiator::Time now = initiator::clock_now();
        if (now >= until) {
            return false;
        }
        std::array<pollfd, 2> readable{};
        std::ranges::transform(link_->fds(), readable.begin(), [](int fd) {
            return pollfd{.fd = fd, .events = POLLIN, .revents = 0};
        });
        constexpr std::int64_t step_ms = 1000;
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - now).count() + 1;
        poll(readable.data(), readable.size(),
             static_cast<int>(std::clamp<std::int64_t>(left, 1, step_ms)));
    }
    return true;
}

} // namespace uaoe::tools
