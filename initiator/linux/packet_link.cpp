// The packet socket.
#include "initiator/linux/packet_link.hpp"

#include "initiator/linux/packet_filter.hpp"
#include "proto/aoe.hpp"
#include "proto/assert.hpp"

#include <arpa/inet.h>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <linux/if_ether.h>
#include <poll.h>
#include <sys/mman.h>
#include <time.h> // NOLINT: nanosleep(2)
#include <unistd.h>

namespace uaoe::initiator {

namespace {

constexpr std::size_t block_bytes = 1U << 20U;

// A full send queue is waited for this long before the batch goes on anyway; only a stuck NIC is
// slower.
constexpr int send_wait_ms = 10;

// A full queue of the NIC refuses frames one by one, without telling when there is room again. It
// is waited for this often in one batch; a NIC that works drains a full queue meanwhile.
constexpr timespec queue_wait{.tv_sec = 0, .tv_nsec = 100'000};
constexpr int queue_waits_max = 20;

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

std::expected<std::unique_ptr<PacketLink>, Error>
PacketLink::open(const std::string& interface_name, int ifindex, std::uint32_t shard,
                 std::size_t slots_count) {
    UAOE_ASSERT(slots_count > 0 && slots_count * slot_bytes % block_bytes == 0);
    std::unique_ptr<PacketLink> link(new PacketLink);
    if (auto done = link->set_up(interface_name, ifindex, shard, slots_count); !done) {
        return std::unexpected(done.error());
    }
    return link;
}

std::expected<void, Error> PacketLink::set_up(const std::string& interface_name, int ifindex,
                                              std::uint32_t shard, std::size_t slots_count) {
    const auto fail = [&] { return std::unexpected(set_up_error(interface_name, errno)); };
    ifindex_ = ifindex;
    // Protocol 0: nothing is received until bind, so no frame gets past the filter.
    fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd_ < 0) {
        return fail();
    }
    auto filter = make_packet_filter(shard);
    const sock_fprog program{.len = static_cast<unsigned short>(filter.size()),
                             .filter = filter.data()};
    const int version = TPACKET_V2;
    const int on = 1;
    const tpacket_req ring{.tp_block_size = block_bytes,
                           .tp_block_nr =
                               static_cast<unsigned>(slots_count * slot_bytes / block_bytes),
                           .tp_frame_size = slot_bytes,
                           .tp_frame_nr = static_cast<unsigned>(slots_count)};
    if (setsockopt(fd_, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0 ||
        !set_option(fd_, PACKET_VERSION, version) || !set_option(fd_, PACKET_RX_RING, ring) ||
        !set_option(fd_, PACKET_IGNORE_OUTGOING, on) || !set_option(fd_, PACKET_QDISC_BYPASS, on)) {
        return fail();
    }
    const int send_buffer_bytes = 8 << 20;
    // Refused without CAP_NET_ADMIN: the default is smaller, and flush() waits for room.
    setsockopt(fd_, SOL_SOCKET, SO_SNDBUFFORCE, &send_buffer_bytes, sizeof(send_buffer_bytes));
    slots_count_ = slots_count;
    ring_bytes_ = slots_count * slot_bytes;
    void* memory = mmap(nullptr, ring_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (memory == MAP_FAILED) {
        return fail();
    }
    ring_ = static_cast<std::byte*>(memory);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(proto::ethertype_aoe);
    address.sll_ifindex = ifindex;
    if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        return fail();
    }
    return {};
}

PacketLink::~PacketLink() {
    if (ring_ != nullptr) {
        munmap(ring_, ring_bytes_);
    }
    if (fd_ >= 0) {
        close(fd_);
    }
}

tpacket2_hdr* PacketLink::slot_ready(std::size_t ahead) const {
    const std::size_t slot = (slot_next_ + ahead) % slots_count_;
    auto* header = reinterpret_cast<tpacket2_hdr*>(ring_ + slot * slot_bytes);
    const std::atomic_ref<std::uint32_t> status(header->tp_status);
    return (status.load(std::memory_order_acquire) & TP_STATUS_USER) != 0 ? header : nullptr;
}

bool PacketLink::has_received() {
    return slot_ready(0) != nullptr;
}

bool PacketLink::is_own(const tpacket2_hdr& header) const {
    static_assert(sizeof(header) % TPACKET_ALIGNMENT == 0); // the address follows directly
    sockaddr_ll address{};
    std::memcpy(&address, &header + 1, sizeof(address));
    return address.sll_ifindex == ifindex_;
}

std::span<const proto::ConstBytes> PacketLink::take(std::size_t frames_max) {
    UAOE_ASSERT(taken_ == 0);
    const std::size_t wanted = std::min(frames_max, slots_count_);
    while (taken_ < wanted) {
        const tpacket2_hdr* header = slot_ready(taken_);
        if (header == nullptr) {
            break;
        }
        proto::ConstBytes& frame = frames_[taken_++];
        frame = {};
        if (!is_own(*header)) {
            ++counters_.frames_foreign;
        } else if (header->tp_snaplen == header->tp_len) {
            frame = {reinterpret_cast<const std::byte*>(header) + header->tp_mac,
                     header->tp_snaplen};
        } else {
            ++counters_.frames_cut;
        }
    }
    counters_.frames_received += taken_;
    return std::span(frames_).first(taken_);
}

void PacketLink::give_back() {
    for (; taken_ > 0; --taken_) {
        auto* header = reinterpret_cast<tpacket2_hdr*>(ring_ + slot_next_ * slot_bytes);
        std::atomic_ref<std::uint32_t>(header->tp_status)
            .store(TP_STATUS_KERNEL, std::memory_order_release);
        slot_next_ = (slot_next_ + 1) % slots_count_;
    }
}

void PacketLink::send(std::span<const Transmit> transmits) {
    UAOE_ASSERT(transmits.size() <= batch_frames);
    for (std::size_t i = 0; i < transmits.size(); ++i) {
        const Transmit& transmit = transmits[i];
        auto& vector = vectors_[i];
        vector[0] = {const_cast<std::byte*>(transmit.header.data()), transmit.header_bytes};
        vector[1] = {const_cast<std::byte*>(transmit.payload.data()), transmit.payload.size()};
        msghdr& message = messages_[i].msg_hdr;
        message.msg_iov = vector.data();
        message.msg_iovlen = transmit.payload.empty() ? 1 : 2;
    }
    std::size_t done = 0;
    int queue_waits_count = 0;
    while (done < transmits.size()) {
        const int sent = sendmmsg(fd_, messages_.data() + done,
                                  static_cast<unsigned>(transmits.size() - done), MSG_DONTWAIT);
        if (sent > 0) {
            done += static_cast<std::size_t>(sent);
            counters_.frames_sent += static_cast<std::uint64_t>(sent);
            continue;
        }
        switch (after_refusal(errno, queue_waits_count)) {
        case Refusal::try_again:
            break;
        case Refusal::skip_frame:
            ++counters_.frames_unsendable;
            ++done;
            break;
        case Refusal::drop_all: // as good as lost on the wire
            counters_.frames_unsendable += transmits.size() - done;
            done = transmits.size();
            break;
        }
    }
}

// Of the first frame that was not sent.
PacketLink::Refusal PacketLink::after_refusal(int error, int& queue_waits_count) const {
    switch (error) {
    case EINTR:
        return Refusal::try_again;
    case EAGAIN: {
        pollfd writable{.fd = fd_, .events = POLLOUT, .revents = 0};
        return poll(&writable, 1, send_wait_ms) > 0 ? Refusal::try_again : Refusal::drop_all;
    }
    case ENOBUFS:
        if (queue_waits_count++ == queue_waits_max) {
            return Refusal::drop_all;
        }
        nanosleep(&queue_wait, nullptr);
        return Refusal::try_again;
    case ENETDOWN:
    case ENXIO:
    case ENODEV:
        return Refusal::drop_all;
    default: // EMSGSIZE: the MTU has just become smaller
        return Refusal::skip_frame;
    }
}

} // namespace uaoe::initiator
