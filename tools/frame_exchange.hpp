// Single frames to targets and their answers, as they are: for what shows or needs the frames
// themselves. The engine is not in it: nothing is sent again unless its user does.
#pragma once

#include "initiator/linux/packet_link.hpp"
#include "initiator/time.hpp"
#include "proto/frame.hpp"
#include "tools/session.hpp"

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace uaoe::tools {

class FrameExchange {
  public:
    // The interface must be up.
    static std::expected<FrameExchange, Error> open(const std::string& interface_name);

    // The shard's bits, and the low 27 of `number`.
    [[nodiscard]] proto::Tag tag_of(std::uint32_t number) const;
    [[nodiscard]] const proto::MacAddress& mac() const { return mac_; }
    [[nodiscard]] std::uint32_t mtu_bytes() const { return mtu_bytes_; }

    // `write` makes the frame and returns its size; up to 60 bytes it is padded. Frames that do not
    // fit into the MTU are not sent, and false comes back.
    bool send(const std::function<std::size_t(proto::Bytes)>& write);

    // Answers to `tag`, one after the other, until `take` returns true. `bytes` is the whole frame.
    // False when `until` is over before.
    bool
    receive(proto::Tag tag, initiator::Time until,
            const std::function<bool(const proto::Frame& frame, proto::ConstBytes bytes)>& take);

  private:
    FrameExchange(ShardNumber number, std::unique_ptr<initiator::PacketLink> link,
                  const proto::MacAddress& mac, std::uint32_t mtu_bytes)
        : number_(std::move(number)), link_(std::move(link)), mac_(mac), mtu_bytes_(mtu_bytes) {}

    ShardNumber number_;
    std::unique_ptr<initiator::PacketLink> link_;
    proto::MacAddress mac_;
    std::uint32_t mtu_bytes_;
};

} // namespace uaoe::tools
