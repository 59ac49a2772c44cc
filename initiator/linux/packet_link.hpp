// A packet socket on one interface: frames in through a PACKET_MMAP ring, frames out in batches.
// Knows nothing of AoE but the filter it is given.
//
// TPACKET_V2, because V3 hands over blocks when they are full or a timer says so: at a low rate
// each answer would wait for that timer.
#pragma once

#include "initiator/engine.hpp"
#include "initiator/linux/error.hpp"

#include <array>
#include <cstdint>
#include <expected>
#include <linux/if_packet.h>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <sys/uio.h>

namespace uaoe::initiator {

struct LinkCounters {
    std::uint64_t frames_received = 0;
    std::uint64_t frames_sent = 0;
    std::uint64_t frames_cut = 0;        // longer than a ring slot: ignored
    std::uint64_t frames_foreign = 0;    // of an interface on top of this one: ignored
    std::uint64_t frames_unsendable = 0; // refused by the kernel: dropped, the engine sends again
};

class PacketLink {
  public:
    // Frames of one sendmmsg.
    static constexpr std::size_t batch_frames = 64;

    // A slot of the receive ring holds the largest frame of any Ethernet MTU in use (9,216 and
    // headers); as a power of two it never straddles a block.
    static constexpr std::size_t slot_bytes = 16384;
    // The largest MTU whose frames fit a slot, behind the kernel's headers and the frame's own.
    static constexpr std::uint32_t mtu_bytes_max = slot_bytes - 128;
    // The answers of a full command pool: 64 MiB.
    static constexpr std::size_t slots_count_default = 4096;

    // `ifindex`: of an Ethernet interface that exists. Frames for other shards never reach the
    // socket. `slots_count`: a multiple of 64; the kernel allocates all of them at once.
    static std::expected<std::unique_ptr<PacketLink>, Error>
    open(const std::string& interface_name, int ifindex, std::uint32_t shard,
         std::size_t slots_count = slots_count_default);
    ~PacketLink();
    PacketLink(const PacketLink&) = delete;
    PacketLink& operator=(const PacketLink&) = delete;

    [[nodiscard]] int fd() const { return fd_; }

    // Hands up to `frames_max` received frames to `handle(ConstBytes)`, straight from the ring.
    // Returns how many.
    template <class Handle>
    std::size_t receive(std::size_t frames_max, Handle&& handle) {
        std::size_t count = 0;
        while (count < frames_max) {
            tpacket2_hdr* header = slot_ready();
            if (header == nullptr) {
                break;
            }
            if (!is_own(*header)) {
                ++counters_.frames_foreign;
            } else if (header->tp_snaplen == header->tp_len) {
                handle(
                    proto::ConstBytes(reinterpret_cast<const std::byte*>(header) + header->tp_mac,
                                      header->tp_snaplen));
            } else {
                ++counters_.frames_cut;
            }
            release_slot(header);
            ++count;
        }
        counters_.frames_received += count;
        return count;
    }

    // Whether receive() would find a frame.
    [[nodiscard]] bool has_received() { return slot_ready() != nullptr; }

    // Where the next frame to send is written; queue() puts it behind the others. Room is there as
    // long as is_full() is not.
    [[nodiscard]] Transmit& next_transmit() { return transmits_[queued_]; }
    void queue();
    [[nodiscard]] bool is_full() const { return queued_ == batch_frames; }

    // Sends what is queued, waiting shortly when the socket or the NIC has no room. What the kernel
    // refuses is dropped and counted: to the engine it is a frame lost on the wire.
    void flush();

    [[nodiscard]] const LinkCounters& counters() const { return counters_; }

  private:
    PacketLink() = default;
    std::expected<void, Error> set_up(const std::string& interface_name, int ifindex,
                                      std::uint32_t shard, std::size_t slots_count);
    enum class Refusal : std::uint8_t { try_again, skip_frame, drop_all };
    [[nodiscard]] Refusal after_refusal(int error, int& queue_waits_count) const;
    tpacket2_hdr* slot_ready();
    // A VLAN or macvlan interface on top of this one takes its frames off with the tag, but the
    // kernel shows them to this socket, too.
    [[nodiscard]] bool is_own(const tpacket2_hdr& header) const;
    void release_slot(tpacket2_hdr* header);

    int fd_ = -1;
    int ifindex_ = 0;
    std::byte* ring_ = nullptr;
    std::size_t ring_bytes_ = 0;
    std::size_t slots_count_ = 0;
    std::size_t slot_next_ = 0;
    std::size_t queued_ = 0;
    std::array<Transmit, batch_frames> transmits_;
    std::array<std::array<iovec, 2>, batch_frames> vectors_{};
    std::array<mmsghdr, batch_frames> messages_{};
    LinkCounters counters_;
};

} // namespace uaoe::initiator
