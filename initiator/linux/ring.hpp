// One io_uring of one thread. Everything a shard waits for is an operation on it.
#pragma once

#include "initiator/linux/error.hpp"
#include "initiator/time.hpp"

#include <boost/intrusive/slist.hpp>
#include <cstdint>
#include <expected>
#include <liburing.h>
#include <optional>

namespace uaoe::initiator {

// Something that is submitted to the ring; its address is the user_data, so it must stay where it
// is until its last completion (the one without IORING_CQE_F_MORE) has been dispatched. Embed or
// derive.
struct RingOperation {
    // `result` as in the CQE: >= 0, or -errno. Called from Ring::dispatch() on the ring's thread.
    using Complete = void (*)(RingOperation& self, int result, std::uint32_t cqe_flags);
    Complete complete = nullptr;
};

// Something to prepare once for all that a turn brings, just before the ring is handed to the
// kernel: one message for many replies. Not linked once its call has begun.
struct RingLateWork : boost::intrusive::slist_base_hook<> {
    void (*prepare)(RingLateWork& self) = nullptr;
};

// Something to do once the kernel has been handed what was prepared before: giving back memory that
// it copies from at that moment. Not linked once its call has begun.
struct RingHandover : boost::intrusive::slist_base_hook<> {
    void (*handed_over)(RingHandover& self) = nullptr;
    // Whether somebody waits for that: then the ring does not wait for completions first.
    bool (*is_urgent)(const RingHandover& self) = nullptr;
};

// Opened on any thread; belongs to the first one that uses it.
class Ring {
  public:
    // `entries`: submission queue size, a power of two. `completions_count`: how many may arrive at
    // once without the kernel having to allocate for each more (it never loses one).
    static std::expected<Ring, Error> open(unsigned entries, unsigned completions_count = 0);
    Ring(Ring&& other) noexcept;
    Ring& operator=(Ring&&) = delete;
    ~Ring();

    // A cleared SQE whose completion goes to `operation`. Never fails: a full submission queue is
    // submitted first.
    io_uring_sqe& prepare(RingOperation& operation);

    // Calls work.prepare() in the next submit_and_wait(), which it may use for prepare(). `work` is
    // not linked yet.
    void do_late(RingLateWork& work) { late_.push_back(work); }

    // Calls handover.handed_over() once all that has been prepared until now, and by late work, is
    // with the kernel. `handover` is not linked yet.
    void tell_handover(RingHandover& handover) { handovers_.push_back(handover); }

    // Does the late work, submits what was prepared and, unless completions are there already,
    // waits for one or until `timeout` (nothing: for ever; zero: does not wait).
    void submit_and_wait(std::optional<Duration> timeout);

    // Does the late work and submits what was prepared. Enters the kernel only if there is
    // something.
    void submit();

    // Whether there is something to submit.
    [[nodiscard]] bool has_prepared() const;

    // Whether dispatch() would find a completion, after submit_and_wait(zero) at the latest.
    [[nodiscard]] bool has_news() const;

    // Calls complete() of each completion that has arrived; returns how many.
    unsigned dispatch();

  private:
    Ring() = default;
    void enable();
    void do_late_work();
    [[nodiscard]] bool has_urgent_handover() const;
    void tell_handovers();

    io_uring ring_{};
    boost::intrusive::slist<RingLateWork, boost::intrusive::cache_last<true>> late_;
    boost::intrusive::slist<RingHandover, boost::intrusive::cache_last<true>> handovers_;
    bool open_ = false;
    bool enabled_ = false;
};

} // namespace uaoe::initiator
