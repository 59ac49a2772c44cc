// Frames of one interface in through AF_XDP: past most of the kernel's receive path, and with a
// driver that can, without a copy in the kernel. Each receive queue has a socket.
//
// A packet socket beside them sends, and receives what the XDP program leaves to the kernel: Query
// Config; and, so that nothing is ever lost by it, answers on a queue without a socket, and all
// answers after the interface got another MAC address.
//
// It does not send through AF_XDP. A frame in a transmit ring that the NIC does not take (no
// carrier) cannot be taken back, and a write that leaves minutes later may overwrite newer data.
#pragma once

#include "initiator/linux/packet_link.hpp"
#include "initiator/linux/xdp_program.hpp"
#include "initiator/linux/xdp_socket.hpp"

#include <vector>

namespace uaoe::initiator {

struct XdpLinkConfig {
    std::string interface_name;
    int ifindex = 0; // of an Ethernet interface that is administratively up
    proto::MacAddress mac;
    std::uint32_t mtu_bytes = 1500;
    std::uint32_t shard = 0;
    // Memory for received frames is as much as the data's ring of a PacketLink with so many slots;
    // more where the interface has many queues: 4 MiB for each at least. The packet socket's ring
    // is beside it, and at most 4 MiB.
    std::size_t slots_count = PacketLink::slots_count_default;
    // False: in the kernel's generic receive path although the driver has XDP, for tests.
    bool in_driver = true;
};

class XdpLink final : public Link {
  public:
    static constexpr std::uint32_t queues_count_max = 64;
    // Frames of a larger MTU come in pieces. A driver may need a little room behind them, too.
    static constexpr std::uint32_t whole_mtu_bytes = XdpSocket::chunk_frame_bytes - 40;

    // Fails when another program uses XDP there, and where kernel or driver lack what it needs; the
    // error does not say what is used instead.
    static std::expected<std::unique_ptr<XdpLink>, Error> open(const XdpLinkConfig& config);
    ~XdpLink() override = default;

    [[nodiscard]] std::span<const int> fds() const override { return fds_; }
    [[nodiscard]] std::uint32_t mtu_bytes_max() const override { return mtu_bytes_max_; }
    [[nodiscard]] std::span<const proto::ConstBytes> take(std::size_t frames_max) override;
    void give_back() override;
    [[nodiscard]] bool has_received() override;
    void send(std::span<const Transmit> transmits) override { packet_->send(transmits); }
    [[nodiscard]] LinkCounters counters() override; // with those of the packet socket

    // Of the packet socket alone: what the XDP program left to the kernel.
    [[nodiscard]] LinkCounters packet_counters() const { return packet_->counters(); }
    [[nodiscard]] bool is_in_driver() const { return program_->is_in_driver(); }

  private:
    XdpLink() = default;

    std::unique_ptr<PacketLink> packet_;
    std::vector<std::unique_ptr<XdpSocket>> sockets_; // of queue 0, 1, ...
    std::unique_ptr<XdpProgram> program_;             // taken off before the sockets close
    std::vector<int> fds_;
    std::uint32_t mtu_bytes_max_ = 0;
    std::size_t source_ = 0; // that the batch came from: a socket, or behind them the packet socket
    std::array<proto::ConstBytes, batch_frames> frames_;
    std::uint64_t frames_received_ = 0; // by the sockets
};

} // namespace uaoe::initiator
