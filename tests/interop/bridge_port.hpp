// One side of the lossy bridge: a packet socket that takes every AoE frame of an interface, whoever
// it is for, and sends frames as they are. In batches; knows nothing of faults.
#pragma once

#include "proto/wire.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace uaoe::bridge {

class BridgePort {
  public:
    // Throws std::runtime_error: what, why, what to do.
    explicit BridgePort(std::string interface);
    ~BridgePort();
    BridgePort(const BridgePort&) = delete;
    BridgePort& operator=(const BridgePort&) = delete;

    // Frames that have arrived, a batch at most; valid until the next call.
    std::span<const proto::ConstBytes> receive();

    // The bytes are read by send(), which a full batch calls by itself.
    void queue(proto::ConstBytes frame);
    void send();

    // When poll() or sending reports an error. A link that is down is none; an interface that is
    // gone throws.
    void handle_error();

    [[nodiscard]] const std::string& interface() const { return interface_; }
    [[nodiscard]] int descriptor() const { return descriptor_; }
    [[nodiscard]] std::uint64_t sent_count() const { return sent_count_; }
    [[nodiscard]] std::uint64_t send_failed_count() const { return send_failed_count_; }
    // Arrived and found no room in the socket. Not const: the kernel forgets it when asked.
    [[nodiscard]] std::uint64_t overrun_count();

  private:
    static constexpr std::size_t batch_count_max = 64;

    void open();

    std::string interface_;
    int interface_index_ = 0;
    int descriptor_ = -1;
    std::uint64_t sent_count_ = 0;
    std::uint64_t send_failed_count_ = 0;
    std::uint64_t overrun_count_ = 0;

    std::unique_ptr<std::byte[]> rooms_;
    std::vector<iovec> receive_vectors_;
    std::vector<mmsghdr> receive_messages_;
    std::vector<proto::ConstBytes> frames_;
    std::vector<iovec> send_vectors_;
    std::vector<mmsghdr> send_messages_;
    std::size_t queued_count_ = 0;
};

} // namespace uaoe::bridge
