// The receive ring.
#include "initiator/linux/packet_ring.hpp"

#include "proto/aoe.hpp"
#include "proto/assert.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <linux/if_ether.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

namespace uaoe::initiator {

namespace {

Error set_up_error(const std::string& interface_name, int error) {
    if (error == EPERM || error == EACCES) {
        return {.what = "cannot open a packet socket on " + interface_name,
                .why = std::strerror(error),
                .what_to_do = "it needs CAP_NET_RAW: run as root",
                .exit_code = ExitCode::no_permission};
    }
    return {.what = "cannot open a packet socket on " + interface_name,
            .why = std::strerror(error),
            .what_to_do = error == ENOMEM ? "free memory for its receive ring" : ""};
}

template <class T>
bool set_option(int fd, int option, const T& value) {
    return setsockopt(fd, SOL_PACKET, option, &value, sizeof(value)) == 0;
}

} // namespace

std::expected<std::unique_ptr<PacketRing>, Error> PacketRing::open(const PacketRingConfig& config) {
    UAOE_ASSERT(std::has_single_bit(config.slot_bytes) && config.slot_bytes <= block_bytes);
    UAOE_ASSERT(config.slots_count > 0 &&
                config.slots_count * config.slot_bytes % block_bytes == 0);
    std::unique_ptr<PacketRing> ring(new PacketRing);
    if (!ring->set_up(config)) {
        return std::unexpected(set_up_error(config.interface_name, errno));
    }
    return ring;
}

bool PacketRing::set_up(const PacketRingConfig& config) {
    ifindex_ = config.ifindex;
    slot_bytes_ = config.slot_bytes;
    slots_count_ = config.slots_count;
    // Protocol 0: nothing is received until bind, so no frame gets past the filter.
    fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd_ < 0) {
        return false;
    }
    auto filter = make_packet_filter(config.shard, config.answers);
    const sock_fprog program{.len = static_cast<unsigned short>(filter.size()),
                             .filter = filter.data()};
    const int version = TPACKET_V2;
    const int on = 1;
    const std::size_t ring_bytes = slots_count_ * slot_bytes_;
    const tpacket_req ring{.tp_block_size = block_bytes,
                           .tp_block_nr = static_cast<unsigned>(ring_bytes / block_bytes),
                           .tp_frame_size = static_cast<unsigned>(slot_bytes_),
                           .tp_frame_nr = static_cast<unsigned>(slots_count_)};
    if (setsockopt(fd_, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0 ||
        !set_option(fd_, PACKET_VERSION, version) || !set_option(fd_, PACKET_RX_RING, ring) ||
        !set_option(fd_, PACKET_IGNORE_OUTGOING, on)) {
        return false;
    }
    void* memory = mmap(nullptr, ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (memory == MAP_FAILED) {
        return false;
    }
    memory_ = static_cast<std::byte*>(memory);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(proto::ethertype_aoe);
    address.sll_ifindex = config.ifindex;
    return bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

PacketRing::~PacketRing() {
    if (memory_ != nullptr) {
        munmap(memory_, slots_count_ * slot_bytes_);
    }
    if (fd_ >= 0) {
        close(fd_);
    }
}

tpacket2_hdr* PacketRing::slot(std::size_t index) const {
    const std::size_t wrapped = index < slots_count_ ? index : index - slots_count_;
    return reinterpret_cast<tpacket2_hdr*>(memory_ + wrapped * slot_bytes_);
}

tpacket2_hdr* PacketRing::slot_ready(std::size_t ahead) const {
    tpacket2_hdr* header = slot(slot_next_ + ahead);
    const std::atomic_ref<std::uint32_t> status(header->tp_status);
    return (status.load(std::memory_order_acquire) & TP_STATUS_USER) != 0 ? header : nullptr;
}

bool PacketRing::is_own(const tpacket2_hdr& header) const {
    static_assert(sizeof(header) % TPACKET_ALIGNMENT == 0); // the address follows directly
    sockaddr_ll address{};
    std::memcpy(&address, &header + 1, sizeof(address));
    return address.sll_ifindex == ifindex_;
}

std::size_t PacketRing::take(std::span<proto::ConstBytes> frames) {
    UAOE_ASSERT(taken_ == 0);
    const std::size_t wanted = std::min(frames.size(), slots_count_);
    while (taken_ < wanted) {
        const tpacket2_hdr* header = slot_ready(taken_);
        if (header == nullptr) {
            break;
        }
        proto::ConstBytes& frame = frames[taken_++];
        frame = {};
        if (!is_own(*header)) {
            ++counters_.foreign;
        } else if (header->tp_snaplen == header->tp_len) {
            frame = {reinterpret_cast<const std::byte*>(header) + header->tp_mac,
                     header->tp_snaplen};
        } else {
            ++counters_.cut;
        }
    }
    counters_.received += taken_;
    return taken_;
}

void PacketRing::give_back() {
    for (; taken_ > 0; --taken_) {
        std::atomic_ref<std::uint32_t>(slot(slot_next_)->tp_status)
            .store(TP_STATUS_KERNEL, std::memory_order_release);
        slot_next_ = slot_next_ + 1 < slots_count_ ? slot_next_ + 1 : 0;
    }
}

PacketRing::Counters PacketRing::counters() {
    tpacket_stats news{}; // since they were last asked for
    socklen_t bytes = sizeof(news);
    if (getsockopt(fd_, SOL_PACKET, PACKET_STATISTICS, &news, &bytes) == 0) {
        counters_.dropped += news.tp_drops;
    }
    return counters_;
}

} // namespace uaoe::initiator
