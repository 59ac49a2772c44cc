// A cable in a network namespace of this process alone, and what is at its other end.
#pragma once

#include "initiator/linux/link.hpp"
#include "initiator/tag.hpp"
#include "proto/frame.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <iostream>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace uaoe::initiator {

inline bool shell(const std::string& command) {
    return std::system(command.c_str()) == 0; // NOLINT(concurrency-mt-unsafe)
}

// A namespace with near0 and far0 joined, up, MTU 9000. Leaves it again at the end, which removes
// it.
class Namespace {
  public:
    Namespace() {
        before_ = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        ready_ = unshare(CLONE_NEWNET) == 0 &&
                 shell("ip link add near0 mtu 9000 type veth peer name far0 mtu 9000 && "
                       "ip link set near0 up && ip link set far0 up");
        if (!ready_) {
            std::cout << "SKIP: needs root, network namespaces and ip(8)\n";
        }
    }
    ~Namespace() {
        CHECK(setns(before_, CLONE_NEWNET) == 0);
        close(before_);
    }
    Namespace(const Namespace&) = delete;
    Namespace& operator=(const Namespace&) = delete;
    [[nodiscard]] bool ready() const { return ready_; }

  private:
    int before_ = -1;
    bool ready_ = false;
};

// The other end of the cable: a plain packet socket.
class Peer {
  public:
    explicit Peer(const char* interface = "far0")
        : fd_(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(proto::ethertype_aoe))) {
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(proto::ethertype_aoe);
        address.sll_ifindex = static_cast<int>(if_nametoindex(interface));
        const int buffer_bytes = 64 << 20;
        setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof(buffer_bytes));
        REQUIRE(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    }
    ~Peer() { close(fd_); }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    void send(std::uint32_t slot, std::size_t bytes,
              const proto::MacAddress& destination = proto::broadcast_mac, std::uint32_t shard = 0,
              proto::Command command = proto::Command::ata) const {
        std::vector<std::byte> frame(bytes, static_cast<std::byte>(slot));
        proto::write_frame_header(
            frame, {.destination = destination,
                    .version_flags = 0x18,
                    .address = {1, 0},
                    .command = command,
                    .tag = make_tag({.shard = shard, .slot = slot, .generation = 0})});
        send(frame);
    }
    // The same with a tag of VLAN 5.
    void send_tagged(std::uint32_t slot) const {
        std::vector<std::byte> frame(64);
        proto::write_frame_header(std::span(frame).subspan(4),
                                  {.version_flags = 0x18,
                                   .address = {1, 0},
                                   .command = proto::Command::ata,
                                   .tag = make_tag({.shard = 0, .slot = slot, .generation = 0})});
        std::fill_n(frame.begin(), 6, std::byte{0xff});
        std::fill_n(frame.begin() + 6, 6, std::byte{2});
        frame[12] = std::byte{0x81};
        frame[13] = std::byte{0};
        frame[14] = std::byte{0};
        frame[15] = std::byte{5};
        send(frame);
    }
    void send(const std::vector<std::byte>& frame) const {
        while (::send(fd_, frame.data(), frame.size(), 0) < 0 && errno == ENOBUFS) {
        }
    }
    // The next frame's size; 0 when there is none within a second.
    std::size_t receive() const {
        pollfd readable{.fd = fd_, .events = POLLIN, .revents = 0};
        std::byte frame[16384];
        if (poll(&readable, 1, 1000) <= 0) {
            return 0;
        }
        const ssize_t bytes = recv(fd_, frame, sizeof(frame), 0);
        return bytes < 0 ? 0 : static_cast<std::size_t>(bytes);
    }

  private:
    int fd_;
};

// The payload is the same for all: `bytes` are at most 9014.
inline void queue_frame(Link& link, std::size_t bytes) {
    static const std::vector<std::byte> payload(9014, std::byte{7});
    Transmit& transmit = link.next_transmit();
    transmit.header_bytes = static_cast<std::uint32_t>(proto::write_ata(
        transmit.header, {.destination = proto::broadcast_mac, .address = {1, 0}}, {}));
    transmit.payload = std::span(payload).first(bytes - 36);
    link.queue();
}

} // namespace uaoe::initiator
