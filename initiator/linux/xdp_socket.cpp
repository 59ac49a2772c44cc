// The AF_XDP socket (Documentation/networking/af_xdp.rst of Linux).
#include "initiator/linux/xdp_socket.hpp"

#include "initiator/linux/xdp_program.hpp"
#include "proto/assert.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <time.h> // NOLINT: nanosleep(2)
#include <unistd.h>

namespace uaoe::initiator {

namespace {

// Of Linux 6.6, which Debian 12's headers do not know.
constexpr std::uint16_t use_pieces = 1U << 4U;      // XDP_USE_SG, of a bind
constexpr std::uint32_t piece_continues = 1U << 0U; // XDP_PKT_CONTD, of a descriptor

// Entries of a ring that is not used, but that the kernel wants.
constexpr std::uint32_t unused_ring_entries = 64;

// The kernel frees the queue a little after the process that had it has ended.
constexpr timespec busy_wait{.tv_sec = 0, .tv_nsec = 5'000'000};
constexpr int busy_waits_max = 40;

template <class T>
bool set_option(int fd, int option, const T& value) {
    return setsockopt(fd, SOL_XDP, option, &value, sizeof(value)) == 0;
}

} // namespace

std::expected<std::unique_ptr<XdpSocket>, Error> XdpSocket::open(const XdpSocketConfig& config) {
    UAOE_ASSERT(std::has_single_bit(config.chunks_count));
    std::unique_ptr<XdpSocket> made(new XdpSocket);
    if (auto done = made->set_up(config); !done) {
        return std::unexpected(std::move(done.error()));
    }
    return made;
}

std::expected<void, Error> XdpSocket::set_up(const XdpSocketConfig& config) {
    const auto fail = [&](const std::string& step) {
        return std::unexpected(xdp_error(config.interface_name, step, errno));
    };
    fd_ = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (fd_ < 0) {
        return fail("no socket");
    }
    memory_bytes_ = std::size_t{config.chunks_count} * chunk_bytes;
    void* memory = mmap(nullptr, memory_bytes_, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) {
        return fail("no memory");
    }
    memory_ = static_cast<std::byte*>(memory);
    // From here on the kernel keeps it from being swapped out.
    const xdp_umem_reg area{.addr = reinterpret_cast<std::uintptr_t>(memory_),
                            .len = memory_bytes_,
                            .chunk_size = chunk_bytes,
                            .headroom = 0,
                            .flags = 0};
    if (!set_option(fd_, XDP_UMEM_REG, area)) {
        return fail("its memory is refused");
    }
    if (!map_rings(config.chunks_count)) {
        return fail("no rings");
    }
    chunks_count_ = config.chunks_count;
    level_min_ = config.in_pieces ? level_min_pieces : level_min_whole;
    UAOE_ASSERT(chunks_count_ >= level_min_);
    level_ = level_min_;
    left_min_ = level_min_;
    free_.reserve(chunks_count_);
    for (std::uint64_t i = 0; i < chunks_count_; ++i) {
        free_.push_back(i * chunk_bytes);
    }
    fill();
    if (config.in_pieces) {
        joined_.resize(joined_frames_max);
    }
    for (int waits = 0; !bind(config); ++waits) {
        if (errno != EBUSY) {
            return fail("queue " + std::to_string(config.queue));
        }
        if (waits == busy_waits_max) {
            return std::unexpected(
                xdp_error(config.interface_name,
                          "queue " + std::to_string(config.queue) + " has an AF_XDP socket already",
                          "end the program that uses it"));
        }
        nanosleep(&busy_wait, nullptr);
    }
    return {};
}

// The fill ring and the receive ring have room for all chunks, so neither ever overflows.
bool XdpSocket::map_rings(std::uint32_t chunks_count) {
    xdp_mmap_offsets offsets{};
    socklen_t offsets_bytes = sizeof(offsets);
    return set_option(fd_, XDP_UMEM_FILL_RING, chunks_count) &&
           set_option(fd_, XDP_UMEM_COMPLETION_RING, unused_ring_entries) &&
           set_option(fd_, XDP_RX_RING, chunks_count) &&
           getsockopt(fd_, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &offsets_bytes) == 0 &&
           fill_.map(fd_, offsets.fr, XDP_UMEM_PGOFF_FILL_RING, chunks_count) &&
           received_.map(fd_, offsets.rx, XDP_PGOFF_RX_RING, chunks_count);
}

bool XdpSocket::bind(const XdpSocketConfig& config) const {
    sockaddr_xdp address{};
    address.sxdp_family = AF_XDP;
    address.sxdp_flags = XDP_USE_NEED_WAKEUP;
    if (config.in_pieces) {
        address.sxdp_flags |= use_pieces;
    }
    address.sxdp_ifindex = static_cast<std::uint32_t>(config.ifindex);
    address.sxdp_queue_id = config.queue;
    return ::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

XdpSocket::~XdpSocket() {
    if (fd_ >= 0) {
        close(fd_);
    }
    if (memory_ != nullptr) {
        munmap(memory_, memory_bytes_);
    }
}

proto::ConstBytes XdpSocket::bytes_of(const xdp_desc& piece) const {
    return {memory_ + piece.addr, piece.len};
}

// 0: its end is not there yet.
std::uint32_t XdpSocket::pieces_count(std::uint32_t first, std::uint32_t available) const {
    for (std::uint32_t i = first; i < available; ++i) {
        if ((received_.entry(i).options & piece_continues) == 0) {
            return i - first + 1;
        }
    }
    return 0;
}

// The one more copy of this link, of frames larger than a chunk holds.
proto::ConstBytes XdpSocket::join(std::uint32_t first, std::uint32_t count, Joined& joined) {
    std::size_t bytes = 0;
    for (std::uint32_t i = first; i < first + count; ++i) {
        const proto::ConstBytes piece = bytes_of(received_.entry(i));
        if (piece.size() > joined.size() - bytes) {
            ++frames_cut_;
            return {};
        }
        std::memcpy(joined.data() + bytes, piece.data(), piece.size());
        bytes += piece.size();
    }
    return std::span(joined).first(bytes);
}

std::size_t XdpSocket::take(std::span<proto::ConstBytes> frames) {
    UAOE_ASSERT(taken_ == 0);
    const std::uint32_t available = received_.available();
    std::size_t count = 0;
    std::size_t joined_count = 0;
    while (count < frames.size() && taken_ < available) {
        const std::uint32_t pieces = pieces_count(taken_, available);
        if (pieces == 1) {
            frames[count++] = bytes_of(received_.entry(taken_));
        } else if (pieces == 0 || joined_count == joined_.size()) {
            break;
        } else {
            frames[count++] = join(taken_, pieces, joined_[joined_count++]);
        }
        taken_ += pieces;
    }
    return count;
}

// Grows at once, ahead of a window that doubles with each round trip, and shrinks later.
void XdpSocket::note_level() {
    const std::uint32_t left = fill_.pending();
    left_min_ = std::min(left_min_, left);
    if (left < level_ / 2 && level_ < chunks_count_) {
        level_ = std::min(level_ * 2, chunks_count_);
        period_count_ = 0;
        left_min_ = level_;
    } else if (period_count_ >= level_period) {
        if (left_min_ > level_ / 4 * 3) {
            level_ = std::max(level_ / 2, level_min_);
        }
        period_count_ = 0;
        left_min_ = level_;
    }
}

void XdpSocket::fill() {
    for (std::uint32_t left = fill_.pending(); left < level_ && !free_.empty(); ++left) {
        fill_.put(free_.back());
        free_.pop_back();
    }
    fill_.submit();
}

void XdpSocket::give_back() {
    note_level();
    for (std::uint32_t i = 0; i < taken_; ++i) {
        free_.push_back(received_.entry(i).addr & ~std::uint64_t{chunk_bytes - 1});
    }
    period_count_ += taken_;
    received_.release(taken_);
    taken_ = 0;
    fill();
    if (fill_.needs_wakeup()) { // a driver with zero copies that had no chunk left
        recvfrom(fd_, nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
    }
}

} // namespace uaoe::initiator
