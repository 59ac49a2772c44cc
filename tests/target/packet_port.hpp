// A packet socket for the model target's program: requests are read in place from a receive ring,
// replies leave in batches. Knows Ethernet, not AoE. Deliberately shares nothing with the
// initiator's links, so that one fault cannot hide in both ends of a test.
#pragma once

#include "tests/target/model_target.hpp"

#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace uaoe::target {

struct PortOptions {
    std::string interface;
    std::optional<proto::MacAddress> mac; // answers under this one instead of the interface's
    std::size_t ring_bytes = std::size_t{4} << 20U;
};

struct PortCounters {
    std::uint64_t received_frames = 0;
    std::uint64_t received_bytes = 0;
    std::uint64_t sent_frames = 0;
    std::uint64_t sent_bytes = 0;
    std::uint64_t send_calls = 0;
    std::uint64_t send_failed = 0; // the kernel did not take it: a loss
    std::uint64_t ring_full = 0;   // arrived, found no room
    std::uint64_t not_ours = 0;    // another MAC's, or cut short by the ring's slot
};

class PacketPort {
  public:
    explicit PacketPort(PortOptions options); // throws std::system_error, std::runtime_error
    ~PacketPort();
    PacketPort(const PacketPort&) = delete;
    PacketPort& operator=(const PacketPort&) = delete;

    // The next request, where the kernel put it; nothing when there is none. It is valid until
    // release(), which must follow before the next call.
    std::optional<proto::ConstBytes> receive();
    void release();

    // Room for the next frame of the batch: mtu_bytes + 14 or more. queue() adds what was written
    // there and a payload that lies elsewhere; a full batch is sent.
    proto::Bytes room();
    void queue(const Reply& frame);
    void queue_copy(proto::ConstBytes frame);
    void send();

    // Between batches, when the MTU is another or poll() reports an error. Throws when the
    // interface is gone.
    void refresh();

    [[nodiscard]] bool has_other_mtu() const { return ask_mtu() != mtu_bytes_; }
    [[nodiscard]] int descriptor() const { return descriptor_; }
    [[nodiscard]] std::uint32_t mtu_bytes() const { return mtu_bytes_; }
    [[nodiscard]] const proto::MacAddress& mac() const { return mac_; }
    [[nodiscard]] const std::string& interface() const { return options_.interface; }
    [[nodiscard]] const PortCounters& counters(); // asks the kernel for its part

  private:
    // Larger batches make the target and its client wait for each other in turns.
    static constexpr std::size_t batch_count_max = 32;

    void open();
    void close();
    void open_ring();
    void open_batch();
    [[nodiscard]] std::uint32_t ask_mtu() const;
    [[nodiscard]] tpacket2_hdr* slot() const;

    PortOptions options_;
    PortCounters counters_;
    int descriptor_ = -1;
    int interface_index_ = 0;
    proto::MacAddress mac_{};
    std::uint32_t mtu_bytes_ = 0;

    std::byte* ring_ = nullptr;
    std::size_t ring_bytes_ = 0;
    std::size_t slot_bytes_ = 0;
    std::size_t slots_per_block_ = 0;
    std::size_t slots_count_ = 0;
    std::size_t slot_index_ = 0;

    std::size_t room_bytes_ = 0;
    std::vector<std::byte> rooms_;
    std::vector<iovec> vectors_; // two a message
    std::vector<mmsghdr> messages_;
    std::size_t batch_count_ = 0;
};

} // namespace uaoe::target
