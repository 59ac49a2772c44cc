// The AF_XDP link.
#include "initiator/linux/xdp_link.hpp"

#include <bit>
#include <cstring>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace uaoe::initiator {

namespace {

// Of the packet socket, which gets what is left.
constexpr std::size_t packet_slots_max = 256;
// Of each queue: all of them may come to the same one.
constexpr std::size_t chunks_count_min = 1024;

// An interface that does not tell has one.
std::uint32_t receive_queues_count(const std::string& interface_name) {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ethtool_channels channels{};
    channels.cmd = ETHTOOL_GCHANNELS;
    ifreq request{};
    interface_name.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char*>(&channels);
    const bool told = fd >= 0 && ioctl(fd, SIOCETHTOOL, &request) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return told ? std::max(channels.rx_count + channels.combined_count, 1U) : 1;
}

std::uint32_t chunks_of_queue(std::size_t slots_count, std::uint32_t queues_count) {
    const std::size_t bytes = slots_count * PacketLink::slot_bytes;
    return static_cast<std::uint32_t>(
        std::bit_floor(std::max(bytes / XdpSocket::chunk_bytes / queues_count, chunks_count_min)));
}

} // namespace

std::expected<std::unique_ptr<XdpLink>, Error> XdpLink::open(const XdpLinkConfig& config) {
    const std::string& name = config.interface_name;
    const std::uint32_t queues_count = receive_queues_count(name);
    if (queues_count > queues_count_max) {
        return std::unexpected(xdp_error(name,
                                         "it has " + std::to_string(queues_count) +
                                             " receive queues, and at most " +
                                             std::to_string(queues_count_max) + " are used",
                                         "`ethtool -L " + name + " combined 8` makes fewer"));
    }
    std::unique_ptr<XdpLink> made(new XdpLink);
    auto packet = PacketLink::open(name, config.ifindex, config.shard,
                                   std::min(config.slots_count, packet_slots_max));
    if (!packet) {
        return std::unexpected(std::move(packet.error()));
    }
    made->packet_ = std::move(*packet);
    auto program = XdpProgram::attach({.interface_name = name,
                                       .ifindex = config.ifindex,
                                       .mac = config.mac,
                                       .shard = config.shard,
                                       .queues_count = queues_count,
                                       .in_driver = config.in_driver});
    if (!program) {
        return std::unexpected(std::move(program.error()));
    }
    made->program_ = std::move(*program);
    const bool in_pieces = config.mtu_bytes > whole_mtu_bytes;
    made->mtu_bytes_max_ = in_pieces ? made->packet_->mtu_bytes_max() : whole_mtu_bytes;
    for (std::uint32_t queue = 0; queue < queues_count; ++queue) {
        auto socket =
            XdpSocket::open({.interface_name = name,
                             .ifindex = config.ifindex,
                             .queue = queue,
                             .chunks_count = chunks_of_queue(config.slots_count, queues_count),
                             .in_pieces = in_pieces});
        if (!socket) {
            if (in_pieces) {
                socket.error().what_to_do += socket.error().what_to_do.empty() ? "" : "; ";
                socket.error().what_to_do +=
                    "an MTU over " + std::to_string(whole_mtu_bytes) + " needs Linux 6.6";
            }
            return std::unexpected(std::move(socket.error()));
        }
        made->fds_.push_back((*socket)->fd());
        made->sockets_.push_back(std::move(*socket));
        if (!made->program_->set_socket(queue, made->fds_.back())) {
            return std::unexpected(
                xdp_error(name, "queue " + std::to_string(queue) + " takes no socket", errno));
        }
    }
    std::ranges::copy(made->packet_->fds(), std::back_inserter(made->fds_));
    return made;
}

// Sources take turns, so that a busy queue does not keep the others waiting.
std::span<const proto::ConstBytes> XdpLink::take(std::size_t frames_max) {
    const std::size_t sources_count = sockets_.size() + 1;
    for (std::size_t i = 0; i < sources_count; ++i) {
        source_ = (source_ + 1) % sources_count;
        if (source_ == sockets_.size()) {
            if (const auto batch = packet_->take(frames_max); !batch.empty()) {
                return batch;
            }
        } else if (const std::size_t count =
                       sockets_[source_]->take(std::span(frames_).first(frames_max));
                   count > 0) {
            frames_received_ += count;
            return std::span(frames_).first(count);
        }
    }
    return {};
}

void XdpLink::give_back() {
    if (source_ == sockets_.size()) {
        packet_->give_back();
    } else {
        sockets_[source_]->give_back();
    }
}

bool XdpLink::has_received() {
    return std::ranges::any_of(sockets_,
                               [](const auto& socket) { return socket->has_received(); }) ||
           packet_->has_received();
}

LinkCounters XdpLink::counters() {
    LinkCounters counters = packet_->counters();
    counters.frames_received += frames_received_;
    for (const auto& socket : sockets_) {
        counters.frames_cut += socket->frames_cut();
    }
    return counters;
}

} // namespace uaoe::initiator
