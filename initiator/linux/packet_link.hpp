// A packet socket on one interface: frames in through a PACKET_MMAP ring, frames out in batches.
// Knows nothing of AoE but the filter it is given.
//
// TPACKET_V2, because V3 hands over blocks when they are full or a timer says so: at a low rate
// each answer would wait for that timer.
#pragma once

#include "initiator/linux/error.hpp"
#include "initiator/linux/link.hpp"

#include <array>
#include <cstdint>
#include <expected>
#include <linux/if_packet.h>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <sys/uio.h>

namespace uaoe::initiator {

class PacketLink final : public Link {
  public:
    // A slot of the receive ring holds the largest frame of any Ethernet MTU in use (9,216 and
    // headers); as a power of two it never straddles a block.
    static constexpr std::size_t slot_bytes = 16384;
    // The largest MTU whose frames fit a slot, behind the kernel's headers and the frame's own.
    static constexpr std::uint32_t slot_mtu_bytes = slot_bytes - 128;
    // The answers of a full command pool: 64 MiB.
    static constexpr std::size_t slots_count_default = 4096;

    // `ifindex`: of an Ethernet interface that exists. Frames for other shards never reach the
    // socket. `slots_count`: a multiple of 64; the kernel allocates all of them at once.
    static std::expected<std::unique_ptr<PacketLink>, Error>
    open(const std::string& interface_name, int ifindex, std::uint32_t shard,
         std::size_t slots_count = slots_count_default);
    ~PacketLink() override;

    [[nodiscard]] std::span<const int> fds() const override { return {&fd_, 1}; }
    [[nodiscard]] std::uint32_t mtu_bytes_max() const override { return slot_mtu_bytes; }
    [[nodiscard]] std::span<const proto::ConstBytes> take(std::size_t frames_max) override;
    void give_back() override;
    [[nodiscard]] bool has_received() override;
    void send(std::span<const Transmit> transmits) override;
    [[nodiscard]] LinkCounters counters() const override { return counters_; }

  private:
    PacketLink() = default;
    std::expected<void, Error> set_up(const std::string& interface_name, int ifindex,
                                      std::uint32_t shard, std::size_t slots_count);
    enum class Refusal : std::uint8_t { try_again, skip_frame, drop_all };
    [[nodiscard]] Refusal after_refusal(int error, int& queue_waits_count) const;
    // The slot `ahead` of the next one, when the kernel has filled it.
    [[nodiscard]] tpacket2_hdr* slot_ready(std::size_t ahead) const;
    // A VLAN or macvlan interface on top of this one takes its frames off with the tag, but the
    // kernel shows them to this socket, too.
    [[nodiscard]] bool is_own(const tpacket2_hdr& header) const;

    int fd_ = -1;
    int ifindex_ = 0;
    std::byte* ring_ = nullptr;
    std::size_t ring_bytes_ = 0;
    std::size_t slots_count_ = 0;
    std::size_t slot_next_ = 0;
    std::size_t taken_ = 0; // slots of the batch that is out
    std::array<proto::ConstBytes, batch_frames> frames_;
    std::array<std::array<iovec, 2>, batch_frames> vectors_{};
    std::array<mmsghdr, batch_frames> messages_{};
    LinkCounters counters_;
};

} // namespace uaoe::initiator
