// What every command starts with: the interfaces, a shard on them, and the shard's number.
#pragma once

#include "initiator/linux/error.hpp"
#include "initiator/linux/packet_link.hpp"
#include "initiator/linux/shard.hpp"
#include "tools/interface.hpp"

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace uaoe::tools {

// Answers go to the shard whose number is in their tag, so no two programs on one network may have
// the same number at a time: one could take the other's answer for its own. The number is held by
// an abstract socket's name, which the kernel keeps apart for each network namespace and gives back
// when the process ends, however it ends.
class ShardNumber {
  public:
    static std::expected<ShardNumber, Error> claim();
    ShardNumber(ShardNumber&& other) noexcept;
    ShardNumber& operator=(ShardNumber&&) = delete;
    ~ShardNumber();
    [[nodiscard]] std::uint8_t value() const { return value_; }

  private:
    ShardNumber(int socket, std::uint8_t value) : socket_(socket), value_(value) {}
    int socket_;
    std::uint8_t value_;
};

// For commands that only ask: as many data answers as are asked for at once
// (EngineConfig::identifies_in_flight_max), twice. 4 MiB an interface.
inline constexpr std::size_t discovery_slots_count = 256;
inline constexpr std::size_t serve_slots_count = initiator::PacketLink::slots_count_default;

struct Session {
    std::vector<Interface> interfaces; // PortIndex n is interfaces[n]
    ShardNumber number;
    std::unique_ptr<initiator::Shard> shard;

    [[nodiscard]] std::vector<std::string> interface_names() const { return names_of(interfaces); }
};

struct SessionOptions {
    std::size_t ring_slots_count = discovery_slots_count; // see ShardConfig
    // Of interfaces that are named or given; without names those that are up are taken.
    initiator::InterfacesUp interfaces_up = initiator::InterfacesUp::all;
    initiator::LinkKind link = initiator::LinkKind::packet;
    initiator::Duration busy_poll{}; // see ShardConfig; commands that look about sleep
};

// On the interfaces that find_interfaces() finds, at least one. `engine`: its shard_index is set
// here, and its ports_count_max is at least as many as there are.
[[nodiscard]] std::expected<Session, Error>
open_session(const std::vector<std::string>& interface_names, initiator::EngineConfig engine,
             const SessionOptions& options = {});
// On these, which may be none.
[[nodiscard]] std::expected<Session, Error> open_session(std::vector<Interface> interfaces,
                                                         initiator::EngineConfig engine,
                                                         const SessionOptions& options);

// Runs the shard for `wait`, or until `finished`, which is asked after every change and at least
// every 50 ms. Broadcasts Query Config at the start and again every now and then, because any of
// these frames and their answers may be lost. True when finished.
bool search(Session& session, initiator::Duration wait, const std::function<bool()>& finished);

// How many it has heard of: "1 target", "12 targets".
[[nodiscard]] std::string targets_text(const Session& session);

} // namespace uaoe::tools
