// One administrative question at a time, from the first copy to the answer: retransmission, which
// copy was answered, and when it is given up. A state machine without I/O, as the engine that owns
// it; it knows no targets and no paths, and its tags have a slot of their own.
//
//   idle -> asking -> lingering -> done -> idle
//             |________________/
#pragma once

#include "initiator/engine.hpp"
#include "proto/frame.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace uaoe::initiator {

class Administration {
  public:
    struct Destination {
        PortIndex port;
        proto::MacAddress target_mac;
        proto::MacAddress local_mac;
        std::uint32_t mtu_bytes = 0;
    };

    // `linger`: how long a frame may live in the fabric.
    Administration(std::uint8_t shard_index, std::uint32_t generation_first, Duration linger)
        : shard_index_(shard_index), generation_next_(generation_first), linger_(linger) {}

    [[nodiscard]] bool is_idle() const { return phase_ == Phase::idle; }
    // Only when idle. The first copy goes to the first destination, and so does the second; then
    // they take turns. `timeout` is the first one; it doubles.
    void ask(Time now, AdminQuestion question, std::vector<Destination> destinations,
             Duration timeout);

    [[nodiscard]] bool wants_transmit() const { return wants_transmit_; }
    void transmit(Time now, Transmit& transmit); // only when it wants to

    enum class Use : std::uint8_t { taken, late, unknown_tag, mismatched };
    Use handle_frame(Time now, PortIndex port, const proto::Frame& frame);
    void handle_timeout(Time now);
    [[nodiscard]] std::optional<Time> deadline() const;
    std::optional<AdminAnswer> poll_answer();

  private:
    enum class Phase : std::uint8_t { idle, asking, lingering, done };
    struct Copy {
        std::size_t destination_index = 0;
        std::uint32_t generation = 0;
        Time sent_at;
        bool is_answered = false;
    };
    static constexpr std::size_t copies_max = 16;

    [[nodiscard]] std::optional<Time> copies_land_until() const; // nothing: all are answered
    void finish();

    std::uint8_t shard_index_;
    std::uint32_t generation_next_;
    Duration linger_;

    Phase phase_ = Phase::idle;
    bool wants_transmit_ = false;
    AdminQuestion question_;
    std::vector<Destination> destinations_;
    Duration timeout_{};
    Time resend_at_;
    Time give_up_at_;
    std::array<Copy, copies_max> copies_;
    std::size_t copies_count_ = 0;
    AdminAnswer answer_;
};

} // namespace uaoe::initiator
