// Packet sockets on one interface: frames in through PACKET_MMAP rings, frames out in batches.
//
// Query Config has a ring of its own: thousands of LUNs answer one broadcast at once, and need not
// have the ring that data comes in by be as large, nor push data out of it.
#pragma once

#include "initiator/linux/error.hpp"
#include "initiator/linux/link.hpp"
#include "initiator/linux/packet_ring.hpp"

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <sys/uio.h>

namespace uaoe::initiator {

class PacketLink final : public Link {
  public:
    // A slot of the data's ring holds the largest frame of any Ethernet MTU in use (9,216 and
    // headers).
    static constexpr std::size_t slot_bytes = 16384;
    static constexpr std::uint32_t slot_mtu_bytes = slot_bytes - PacketRing::overhead_bytes;
    // As many as one path may have in flight (EngineConfig::window_frames_max): 16 MiB. Four times
    // as many were measured to cost 5 to 25 % of the frames a second, see tests/bench/README.md.
    static constexpr std::size_t slots_count_default = 1024;

    // `ifindex`: of an Ethernet interface that exists. Frames for other shards never reach the
    // sockets. `slots_count`: of the data's ring, a multiple of 64.
    static std::expected<std::unique_ptr<PacketLink>, Error>
    open(const std::string& interface_name, int ifindex, std::uint32_t shard,
         std::size_t slots_count = slots_count_default);
    ~PacketLink() override = default;

    [[nodiscard]] std::span<const int> fds() const override { return fds_; }
    [[nodiscard]] std::uint32_t mtu_bytes_max() const override { return slot_mtu_bytes; }
    [[nodiscard]] std::span<const proto::ConstBytes> take(std::size_t frames_max) override;
    void give_back() override;
    [[nodiscard]] bool has_received() override {
        return data_->has_received() || queries_->has_received();
    }
    void send(std::span<const Transmit> transmits) override;
    [[nodiscard]] LinkCounters counters() override;

  private:
    PacketLink() = default;
    enum class Refusal : std::uint8_t { try_again, skip_frame, drop_all };
    struct Refusals { // of one batch
        int queue_waits_count = 0;
        bool was_down = false;
    };
    [[nodiscard]] Refusal after_refusal(int error, Refusals& refusals) const;

    std::unique_ptr<PacketRing> data_; // its socket sends, too
    std::unique_ptr<PacketRing> queries_;
    std::array<int, 2> fds_{-1, -1};
    PacketRing* source_ = nullptr; // of the batch that is out
    std::array<proto::ConstBytes, batch_frames> frames_;
    std::array<std::array<iovec, 2>, batch_frames> vectors_{};
    std::array<mmsghdr, batch_frames> messages_{};
    std::uint64_t frames_sent_ = 0;
    std::uint64_t frames_unsendable_ = 0;
};

} // namespace uaoe::initiator
