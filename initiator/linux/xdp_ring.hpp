// One of the rings that an AF_XDP socket shares with the kernel (Documentation/networking/af_xdp).
// One side writes entries and `producer`, the other takes them and writes `consumer`; both count on
// for ever and wrap. A ring is used as producer or as consumer, never as both.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <linux/if_xdp.h>
#include <sys/mman.h>
#include <utility>

namespace uaoe::initiator {

template <class Entry>
class XdpRing {
  public:
    XdpRing() = default;
    ~XdpRing() {
        if (memory_ != nullptr) {
            munmap(memory_, bytes_);
        }
    }
    XdpRing(const XdpRing&) = delete;
    XdpRing& operator=(const XdpRing&) = delete;

    // `entries_count`: as the socket was told, a power of two. False with errno.
    [[nodiscard]] bool map(int fd, const xdp_ring_offset& offsets, std::uint64_t page_offset,
                           std::uint32_t entries_count) {
        bytes_ = offsets.desc + entries_count * sizeof(Entry);
        void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
                            static_cast<off_t>(page_offset));
        if (memory == MAP_FAILED) {
            return false;
        }
        memory_ = static_cast<std::byte*>(memory);
        producer_ = reinterpret_cast<std::uint32_t*>(memory_ + offsets.producer);
        consumer_ = reinterpret_cast<std::uint32_t*>(memory_ + offsets.consumer);
        flags_ = reinterpret_cast<std::uint32_t*>(memory_ + offsets.flags);
        entries_ = reinterpret_cast<Entry*>(memory_ + offsets.desc);
        mask_ = entries_count - 1;
        return true;
    }

    // ---- as consumer ----
    [[nodiscard]] std::uint32_t available() const {
        return std::atomic_ref(*producer_).load(std::memory_order_acquire) - own_;
    }
    // The one `ahead` of the next, less than available().
    [[nodiscard]] const Entry& entry(std::uint32_t ahead) const {
        return entries_[(own_ + ahead) & mask_];
    }
    void release(std::uint32_t count) {
        own_ += count;
        std::atomic_ref(*consumer_).store(own_, std::memory_order_release);
    }

    // ---- as producer ----
    // What was submitted and not yet taken.
    [[nodiscard]] std::uint32_t pending() const {
        return own_ - std::atomic_ref(*consumer_).load(std::memory_order_acquire);
    }
    // Seen by the other side after submit().
    void put(const Entry& entry) { entries_[own_++ & mask_] = entry; }
    void submit() { std::atomic_ref(*producer_).store(own_, std::memory_order_release); }
    // Whether the kernel takes nothing more without being called.
    [[nodiscard]] bool needs_wakeup() const {
        return (std::atomic_ref(*flags_).load(std::memory_order_relaxed) & XDP_RING_NEED_WAKEUP) !=
               0;
    }

  private:
    std::byte* memory_ = nullptr;
    std::size_t bytes_ = 0;
    std::uint32_t* producer_ = nullptr;
    std::uint32_t* consumer_ = nullptr;
    std::uint32_t* flags_ = nullptr;
    Entry* entries_ = nullptr;
    std::uint32_t mask_ = 0;
    std::uint32_t own_ = 0; // this side's count
};

} // namespace uaoe::initiator
