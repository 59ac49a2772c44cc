// What a shard needs of a link: frames of one interface in and out, in batches. A link calls the
// kernel; it knows nothing of AoE but the filter it is given. Virtual calls are made for a batch,
// never for a frame.
#pragma once

#include "initiator/engine.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace uaoe::initiator {

struct LinkCounters {
    std::uint64_t frames_received = 0;
    std::uint64_t frames_sent = 0;
    std::uint64_t frames_cut = 0;        // longer than the link can receive: ignored
    std::uint64_t frames_foreign = 0;    // of an interface on top of this one: ignored
    std::uint64_t frames_dropped = 0;    // by the kernel, because there was no room for them
    std::uint64_t frames_unsendable = 0; // refused by the kernel: dropped, the engine sends again
};

class Link {
  public:
    // Frames of one batch, in either direction.
    static constexpr std::size_t batch_frames = 64;

    Link() = default;
    virtual ~Link() = default;
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;

    // One of them is readable when a frame arrives. They stay the same.
    [[nodiscard]] virtual std::span<const int> fds() const = 0;

    // The largest MTU whose frames it can receive.
    [[nodiscard]] virtual std::uint32_t mtu_bytes_max() const = 0;

    // Hands up to `frames_max` received frames to `handle(ConstBytes)`, straight from the kernel's
    // memory where it can. Returns how many it took, with those that are ignored.
    template <class Handle>
    std::size_t receive(std::size_t frames_max, Handle&& handle) {
        std::size_t count = 0;
        while (count < frames_max) {
            const auto batch = take(std::min(frames_max - count, batch_frames));
            if (batch.empty()) {
                break;
            }
            // Another processor wrote the headers: all are on their way before the first is read.
            for (const proto::ConstBytes frame : batch) {
                __builtin_prefetch(frame.data());
            }
            for (const proto::ConstBytes frame : batch) {
                if (!frame.empty()) {
                    handle(frame);
                }
            }
            count += batch.size();
            give_back();
        }
        return count;
    }

    // Received frames, 1 to `frames_max` (1..batch_frames), in order; nothing when there are none.
    // Empty ones are those that are ignored. give_back() follows each that returned something, and
    // ends their memory.
    [[nodiscard]] virtual std::span<const proto::ConstBytes> take(std::size_t frames_max) = 0;
    virtual void give_back() = 0;

    // Whether take() would find a frame.
    [[nodiscard]] virtual bool has_received() = 0;

    // Where the next frame to send is written; queue() puts it behind the others. Room is there as
    // long as is_full() is not.
    [[nodiscard]] Transmit& next_transmit() { return transmits_[queued_]; }
    void queue() { ++queued_; }
    [[nodiscard]] bool is_full() const { return queued_ == batch_frames; }

    // Sends what is queued, waiting shortly when the socket or the NIC has no room. What the kernel
    // refuses is dropped and counted: to the engine it is a frame lost on the wire.
    void flush() {
        send(std::span(transmits_).first(queued_));
        queued_ = 0;
    }
    virtual void send(std::span<const Transmit> transmits) = 0; // at most batch_frames

    [[nodiscard]] virtual LinkCounters counters() = 0;

  private:
    std::size_t queued_ = 0;
    std::array<Transmit, batch_frames> transmits_;
};

} // namespace uaoe::initiator
