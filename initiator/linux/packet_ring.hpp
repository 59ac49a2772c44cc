// Frames in through a packet socket's receive ring (PACKET_MMAP): the kernel fills slots in turn,
// and the owner takes them in the same order, without a system call.
//
// TPACKET_V2, because V3 hands over blocks when they are full or a timer says so: at a low rate
// each answer would wait for that timer.
#pragma once

#include "initiator/linux/error.hpp"
#include "initiator/linux/packet_filter.hpp"
#include "proto/wire.hpp"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <linux/if_packet.h>
#include <memory>
#include <span>
#include <string>

namespace uaoe::initiator {

struct PacketRingConfig {
    std::string interface_name;
    int ifindex = 0; // of an Ethernet interface that exists
    std::uint32_t shard = 0;
    Answers answers = Answers::data;
    // A power of two: 2,048 to block_bytes.
    std::size_t slot_bytes = 0;
    // A multiple of block_bytes / slot_bytes; the kernel allocates all of them at once. It uses
    // them in turn, so a ring larger than needed costs: it does not stay in the cache.
    std::size_t slots_count = 0;
};

class PacketRing {
  public:
    static constexpr std::size_t block_bytes = 1U << 20U;
    // Of a slot: the kernel's header, and the frame's own.
    static constexpr std::size_t overhead_bytes = 128;

    // What the shard does not want never reaches the socket.
    static std::expected<std::unique_ptr<PacketRing>, Error> open(const PacketRingConfig& config);
    ~PacketRing();
    PacketRing(const PacketRing&) = delete;
    PacketRing& operator=(const PacketRing&) = delete;

    [[nodiscard]] int fd() const { return fd_; }

    // As Link::take(), into `frames`: returns how many.
    [[nodiscard]] std::size_t take(std::span<proto::ConstBytes> frames);
    void give_back();
    [[nodiscard]] bool has_received() const { return slot_ready(0) != nullptr; }

    struct Counters {
        std::uint64_t received = 0; // taken, with the next two
        std::uint64_t cut = 0;      // longer than a slot: ignored
        std::uint64_t foreign = 0;  // of an interface on top of this one: ignored
        std::uint64_t dropped = 0;  // by the kernel, because all slots were full
    };
    [[nodiscard]] Counters counters(); // asks the kernel

  private:
    PacketRing() = default;
    [[nodiscard]] bool set_up(const PacketRingConfig& config); // false: errno says why
    // `index`: up to twice the slots, because the ring has no end.
    [[nodiscard]] tpacket2_hdr* slot(std::size_t index) const;
    // The slot `ahead` of the next one, when the kernel has filled it.
    [[nodiscard]] tpacket2_hdr* slot_ready(std::size_t ahead) const;
    // A VLAN or macvlan interface on top of this one takes its frames off with the tag, but the
    // kernel shows them to this socket, too.
    [[nodiscard]] bool is_own(const tpacket2_hdr& header) const;

    int fd_ = -1;
    int ifindex_ = 0;
    std::byte* memory_ = nullptr;
    std::size_t slot_bytes_ = 0;
    std::size_t slots_count_ = 0;
    std::size_t slot_next_ = 0;
    std::size_t taken_ = 0; // slots of the batch that is out
    Counters counters_;
};

} // namespace uaoe::initiator
