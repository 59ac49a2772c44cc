// One io_uring, made by the thread that first uses it.
#include "initiator/linux/ring.hpp"

#include "proto/assert.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

namespace uaoe::initiator {

namespace {

// SINGLE_ISSUER and DEFER_TASKRUN (6.1): completions are run when the thread asks for them, not in
// between; TASKRUN_FLAG tells that there are some to run. The ring starts disabled, so that it
// belongs to the thread that enables it and not to the one that opened it.
constexpr unsigned flags_wanted = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                  IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED;

} // namespace

std::expected<Ring, Error> Ring::open(unsigned entries, unsigned completions_count) {
    Ring ring;
    const auto init = [&](unsigned flags) {
        io_uring_params params{};
        params.flags = flags | IORING_SETUP_CQSIZE;
        params.cq_entries = std::max(completions_count, 2 * entries);
        return io_uring_queue_init_params(entries, &ring.ring_, &params);
    };
    int result = init(flags_wanted);
    ring.enabled_ = false;
    if (result == -EINVAL) { // an older kernel
        result = init(0);
        ring.enabled_ = true;
    }
    if (result < 0) {
        const bool forbidden = result == -EPERM || result == -ENOSYS;
        return std::unexpected(
            Error{.what = "cannot make an io_uring",
                  .why = std::strerror(-result),
                  .what_to_do = forbidden ? "allow it: `sysctl kernel.io_uring_disabled=0`, and no "
                                            "seccomp profile that forbids it"
                                          : "check `ulimit -l` and free memory",
                  .exit_code = forbidden ? ExitCode::no_permission : ExitCode::failed});
    }
    ring.open_ = true;
    return ring;
}

Ring::Ring(Ring&& other) noexcept
    : ring_(other.ring_), open_(std::exchange(other.open_, false)), enabled_(other.enabled_) {}

Ring::~Ring() {
    late_.clear();
    handovers_.clear();
    if (open_) {
        io_uring_queue_exit(&ring_);
    }
}

void Ring::enable() {
    if (!enabled_) {
        // By number: liburing 2.3 declares io_uring_enable_rings() and does not export it.
        const long result = syscall(__NR_io_uring_register, ring_.ring_fd,
                                    IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
        UAOE_ASSERT(result == 0);
        enabled_ = true;
    }
}

io_uring_sqe& Ring::prepare(RingOperation& operation) {
    enable();
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    while (sqe == nullptr) {
        // Full: hand over what is there. With completions waiting for room the kernel says EBUSY
        // until they are reaped, which its overflow list makes unnecessary here.
        const int result = io_uring_submit(&ring_);
        UAOE_ASSERT(result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY);
        sqe = io_uring_get_sqe(&ring_);
    }
    std::memset(sqe, 0, sizeof(*sqe));
    io_uring_sqe_set_data(sqe, &operation);
    return *sqe;
}

void Ring::do_late_work() {
    while (!late_.empty()) {
        RingLateWork& work = late_.front();
        late_.pop_front();
        work.prepare(work);
    }
}

bool Ring::has_urgent_handover() const {
    return std::ranges::any_of(
        handovers_, [](const RingHandover& handover) { return handover.is_urgent(handover); });
}

// Those that come meanwhile are for the next time.
void Ring::tell_handovers() {
    if (handovers_.empty() || io_uring_sq_ready(&ring_) > 0) { // the kernel was short of memory
        return;
    }
    auto due = std::move(handovers_);
    while (!due.empty()) {
        RingHandover& handover = due.front();
        due.pop_front();
        handover.handed_over(handover);
    }
}

void Ring::submit() {
    enable();
    do_late_work();
    if (io_uring_sq_ready(&ring_) > 0) {
        const int result = io_uring_submit(&ring_);
        UAOE_ASSERT(result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY);
    }
    tell_handovers();
}

bool Ring::has_prepared() const {
    return !late_.empty() || io_uring_sq_ready(&ring_) > 0;
}

bool Ring::has_news() const {
    constexpr unsigned waiting = IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW;
    return io_uring_cq_ready(&ring_) > 0 ||
           (__atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED) & waiting) != 0;
}

void Ring::submit_and_wait(std::optional<Duration> timeout) {
    enable();
    do_late_work();
    if ((timeout && *timeout <= Duration::zero()) || has_urgent_handover()) {
        // Also runs the deferred completion work.
        io_uring_submit_and_get_events(&ring_);
        tell_handovers();
        return;
    }
    __kernel_timespec wait{};
    if (timeout) {
        wait.tv_sec = std::chrono::duration_cast<std::chrono::seconds>(*timeout).count();
        wait.tv_nsec = (*timeout % std::chrono::seconds{1}).count();
    }
    io_uring_cqe* cqe = nullptr;
    const int result =
        io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, timeout ? &wait : nullptr, nullptr);
    UAOE_ASSERT(result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN ||
                result == -EBUSY);
    tell_handovers();
}

unsigned Ring::dispatch() {
    enable();
    unsigned count = 0;
    io_uring_cqe* cqe = nullptr;
    while (io_uring_peek_cqe(&ring_, &cqe) == 0) {
        // Taken off before the call, which may submit or dispatch nothing itself but may need the
        // room.
        auto* operation = static_cast<RingOperation*>(io_uring_cqe_get_data(cqe));
        const int result = cqe->res;
        const std::uint32_t flags = cqe->flags;
        io_uring_cqe_seen(&ring_, cqe);
        if (operation != nullptr) {
            operation->complete(*operation, result, flags);
        }
        ++count;
    }
    return count;
}

} // namespace uaoe::initiator
