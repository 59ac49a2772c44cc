// An AF_XDP socket on one receive queue of an interface: frames in, in memory of its own (a umem)
// that the kernel, or a NIC that can, writes them to. It sends nothing: see XdpLink.
#pragma once

#include "initiator/linux/error.hpp"
#include "initiator/linux/xdp_ring.hpp"
#include "proto/wire.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace uaoe::initiator {

struct XdpSocketConfig {
    std::string interface_name;
    int ifindex = 0;
    std::uint32_t queue = 0;
    std::uint32_t chunks_count = 4096; // of memory; a power of two, 1024 at least
    bool in_pieces = false;            // frames may be larger than a chunk holds
};

class XdpSocket {
  public:
    // Of memory; the kernel allows no more than a page.
    static constexpr std::size_t chunk_bytes = 4096;
    // What of a chunk holds a frame: the kernel keeps XDP_PACKET_HEADROOM of it.
    static constexpr std::size_t chunk_frame_bytes = chunk_bytes - 256;
    // Of a frame in pieces; a longer one is ignored and counted.
    static constexpr std::size_t frame_bytes_max = 16384;

    // With zero copies where the driver can, else with one. `in_pieces` needs Linux 6.6.
    static std::expected<std::unique_ptr<XdpSocket>, Error> open(const XdpSocketConfig& config);
    ~XdpSocket();
    XdpSocket(const XdpSocket&) = delete;
    XdpSocket& operator=(const XdpSocket&) = delete;

    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] bool has_received() const { return received_.available() > 0; }

    // As Link::take() and give_back(): how many frames were put into `frames`.
    [[nodiscard]] std::size_t take(std::span<proto::ConstBytes> frames);
    void give_back();

    // Frames that were longer than frame_bytes_max.
    [[nodiscard]] std::uint64_t frames_cut() const { return frames_cut_; }

  private:
    // A frame in pieces is copied together, into memory that stays in the processor's cache: so few
    // at a time.
    static constexpr std::size_t joined_frames_max = 8;
    using Joined = std::array<std::byte, frame_bytes_max>;

    // Chunks that the kernel has at least, for as many answers as come at once without notice.
    static constexpr std::uint32_t level_min_whole = 512;
    static constexpr std::uint32_t level_min_pieces = 1024; // three to a frame of MTU 9000
    // Entries after which `level_` is looked at.
    static constexpr std::uint32_t level_period = 4096;

    XdpSocket() = default;
    std::expected<void, Error> set_up(const XdpSocketConfig& config);
    [[nodiscard]] bool map_rings(std::uint32_t chunks_count);
    [[nodiscard]] bool bind(const XdpSocketConfig& config) const;
    [[nodiscard]] proto::ConstBytes bytes_of(const xdp_desc& piece) const;
    [[nodiscard]] std::uint32_t pieces_count(std::uint32_t first, std::uint32_t available) const;
    void note_level();
    void fill();
    proto::ConstBytes join(std::uint32_t first, std::uint32_t count, Joined& joined);

    int fd_ = -1;
    std::byte* memory_ = nullptr;
    std::size_t memory_bytes_ = 0;
    XdpRing<std::uint64_t> fill_; // chunks for the kernel to receive in
    XdpRing<xdp_desc> received_;
    // The kernel uses its chunks in turn, whatever their number: so it has only as many as seem
    // needed, twice what it lately used, and those that were used last. With all of them the
    // processor's cache was of no use, and each frame a tenth to a fifth dearer (1,500, veth).
    std::vector<std::uint64_t> free_;
    std::uint32_t chunks_count_ = 0;
    std::uint32_t level_min_ = level_min_whole;
    std::uint32_t level_ = 0;        // that the fill ring is filled up to
    std::uint32_t left_min_ = 0;     // in it, of this period
    std::uint32_t period_count_ = 0; // entries of this period
    std::uint32_t taken_ = 0;        // entries of the batch that is out
    std::vector<Joined> joined_;
    std::uint64_t frames_cut_ = 0;
};

} // namespace uaoe::initiator
