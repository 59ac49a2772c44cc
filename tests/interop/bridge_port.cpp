// recvmmsg and sendmmsg on a packet socket.
#include "tests/interop/bridge_port.hpp"

#include "proto/ethernet.hpp"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace uaoe::bridge {

namespace {

// The largest MTU there is, the Ethernet header, and a cache line, so that the heads of a batch do
// not share a cache set. Only what frames fill is ever touched.
constexpr std::size_t room_bytes = 65536 + 64 + 64;
constexpr int receive_buffer_bytes = 32 << 20; // a burst waits while the other side is sent to
constexpr int send_wait_ms = 20;               // for room in the socket; then the frame is lost

} // namespace

BridgePort::BridgePort(std::string interface)
    : interface_(std::move(interface)),
      rooms_(std::make_unique_for_overwrite<std::byte[]>(room_bytes * batch_count_max)),
      receive_vectors_(batch_count_max), receive_messages_(batch_count_max),
      send_vectors_(batch_count_max), send_messages_(batch_count_max) {
    frames_.reserve(batch_count_max);
    for (std::size_t i = 0; i < batch_count_max; ++i) {
        receive_vectors_[i] = {.iov_base = rooms_.get() + i * room_bytes, .iov_len = room_bytes};
        receive_messages_[i].msg_hdr.msg_iov = &receive_vectors_[i];
        receive_messages_[i].msg_hdr.msg_iovlen = 1;
        send_messages_[i].msg_hdr.msg_iov = &send_vectors_[i];
        send_messages_[i].msg_hdr.msg_iovlen = 1;
    }
    try {
        open();
    } catch (...) {
        if (descriptor_ >= 0) {
            ::close(descriptor_);
        }
        throw;
    }
}

BridgePort::~BridgePort() {
    ::close(descriptor_);
}

void BridgePort::open() {
    const auto fail = [this](const char* what_to_do) {
        throw std::runtime_error("cannot bridge " + interface_ + ": " + std::strerror(errno) +
                                 "; " + what_to_do);
    };
    interface_index_ = static_cast<int>(::if_nametoindex(interface_.c_str()));
    if (interface_index_ == 0) {
        fail("name an interface of this network namespace (ip link)");
    }
    // Protocol 0: nothing arrives before the options are set.
    descriptor_ = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor_ < 0) {
        fail("packet sockets need root, or the capability CAP_NET_RAW");
    }
    const auto set = [&](int level, int option, const auto& value) {
        if (::setsockopt(descriptor_, level, option, &value, sizeof(value)) != 0) {
            fail("it needs root and a kernel from 4.20 on");
        }
    };
    set(SOL_SOCKET, SO_RCVBUFFORCE, receive_buffer_bytes);
    set(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1); // or each frame would come round again
    set(SOL_PACKET, PACKET_QDISC_BYPASS, 1);
    packet_mreq everything{};
    everything.mr_ifindex = interface_index_;
    everything.mr_type = PACKET_MR_PROMISC;
    set(SOL_PACKET, PACKET_ADD_MEMBERSHIP, everything);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(proto::ethertype_aoe);
    address.sll_ifindex = interface_index_;
    const void* untyped = &address;
    if (::bind(descriptor_, static_cast<const sockaddr*>(untyped), sizeof(address)) != 0) {
        fail("check that it is an Ethernet interface (ip link)");
    }
}

std::span<const proto::ConstBytes> BridgePort::receive() {
    frames_.clear();
    const int count =
        ::recvmmsg(descriptor_, receive_messages_.data(), batch_count_max, MSG_DONTWAIT, nullptr);
    for (int i = 0; i < count; ++i) {
        const auto index = static_cast<std::size_t>(i);
        frames_.emplace_back(rooms_.get() + index * room_bytes, receive_messages_[index].msg_len);
    }
    return frames_;
}

void BridgePort::queue(proto::ConstBytes frame) {
    // sendmmsg only reads it.
    send_vectors_[queued_count_] = {.iov_base = const_cast<std::byte*>(frame.data()),
                                    .iov_len = frame.size()};
    ++queued_count_;
    if (queued_count_ == batch_count_max) {
        send();
    }
}

void BridgePort::send() {
    std::size_t done = 0;
    bool has_waited = false;
    while (done < queued_count_) {
        const int sent = ::sendmmsg(descriptor_, &send_messages_[done],
                                    static_cast<unsigned>(queued_count_ - done), 0);
        if (sent > 0) {
            done += static_cast<std::size_t>(sent);
            sent_count_ += static_cast<std::uint64_t>(sent);
            has_waited = false;
        } else if (errno == EAGAIN && !has_waited) {
            pollfd waiting{.fd = descriptor_, .events = POLLOUT, .revents = 0};
            ::poll(&waiting, 1, send_wait_ms);
            has_waited = true;
        } else if (errno != EINTR) {
            ++send_failed_count_; // the link is down, or the frame is over the MTU
            ++done;
            handle_error();
        }
    }
    queued_count_ = 0;
}

void BridgePort::handle_error() {
    int error = 0;
    socklen_t size = sizeof(error);
    ::getsockopt(descriptor_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (static_cast<int>(::if_nametoindex(interface_.c_str())) != interface_index_) {
        throw std::runtime_error("cannot go on bridging " + interface_ +
                                 ": the interface is gone; make it anew and start again");
    }
}

std::uint64_t BridgePort::overrun_count() {
    tpacket_stats kernel{};
    socklen_t size = sizeof(kernel);
    if (::getsockopt(descriptor_, SOL_PACKET, PACKET_STATISTICS, &kernel, &size) == 0) {
        overrun_count_ += kernel.tp_drops;
    }
    return overrun_count_;
}

} // namespace uaoe::bridge
