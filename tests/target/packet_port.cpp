// The packet socket of the model target's program: PACKET_MMAP version 2 for what comes in,
// sendmmsg past the queueing discipline for what goes out.
#include "tests/target/packet_port.hpp"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

namespace uaoe::target {

namespace {

constexpr std::size_t block_bytes = std::size_t{256} << 10U;
constexpr std::size_t cache_line_bytes = 64;
constexpr std::size_t vlan_tag_bytes = 4;
constexpr int send_wait_ms = 20; // for room in the socket; then the frame is lost

[[noreturn]] void fail(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

template <class T>
void set_option(int descriptor, int option, const T& value, const char* what) {
    if (::setsockopt(descriptor, SOL_PACKET, option, &value, sizeof(value)) != 0) {
        fail(what);
    }
}

ifreq request_for(const std::string& interface) {
    ifreq request{};
    interface.copy(request.ifr_name, sizeof(request.ifr_name) - 1);
    return request;
}

// AoE requests only: the replies of other targets on the wire never wake this one.
void attach_filter(int descriptor) {
    constexpr std::uint32_t accept_all = 0xffff'ffff;
    constexpr std::uint32_t ethertype_offset = 12;
    constexpr std::uint32_t flags_offset = 14;
    std::array<sock_filter, 6> code{{
        {BPF_LD | BPF_H | BPF_ABS, 0, 0, ethertype_offset},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, proto::ethertype_aoe},
        {BPF_LD | BPF_B | BPF_ABS, 0, 0, flags_offset},
        {BPF_JMP | BPF_JSET | BPF_K, 1, 0, proto::flag_response},
        {BPF_RET | BPF_K, 0, 0, accept_all},
        {BPF_RET | BPF_K, 0, 0, 0},
    }};
    const sock_fprog program{.len = code.size(), .filter = code.data()};
    if (::setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0) {
        fail("cannot attach the packet filter");
    }
}

} // namespace

PacketPort::PacketPort(PortOptions options) : options_(std::move(options)) {
    open();
}

PacketPort::~PacketPort() {
    close();
}

void PacketPort::open() {
    interface_index_ = static_cast<int>(::if_nametoindex(options_.interface.c_str()));
    if (interface_index_ == 0) {
        fail("no interface " + options_.interface);
    }
    // Protocol 0: nothing arrives before the filter and the ring are there.
    descriptor_ = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor_ < 0) {
        fail("cannot open a packet socket");
    }
    ifreq request = request_for(options_.interface);
    if (::ioctl(descriptor_, SIOCGIFHWADDR, &request) != 0) {
        fail("cannot read the MAC of " + options_.interface);
    }
    std::memcpy(mac_.octets.data(), request.ifr_hwaddr.sa_data, mac_.octets.size());
    mtu_bytes_ = ask_mtu();
    attach_filter(descriptor_);
    set_option(descriptor_, PACKET_IGNORE_OUTGOING, 1, "cannot ignore outgoing frames");
    set_option(descriptor_, PACKET_QDISC_BYPASS, 1, "cannot bypass the queueing discipline");
    open_ring();
    open_batch();

    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(proto::ethertype_aoe);
    address.sll_ifindex = interface_index_;
    if (::bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        fail("cannot bind to " + options_.interface);
    }
    if (options_.mac) {
        mac_ = *options_.mac;
        packet_mreq member{};
        member.mr_ifindex = interface_index_;
        member.mr_type = PACKET_MR_UNICAST;
        member.mr_alen = static_cast<unsigned short>(mac_.octets.size());
        std::ranges::copy(mac_.octets, member.mr_address);
        set_option(descriptor_, PACKET_ADD_MEMBERSHIP, member, "cannot listen on another MAC");
    }
}

void PacketPort::open_ring() {
    set_option(descriptor_, PACKET_VERSION, int{TPACKET_V2}, "cannot set the ring's version");
    // Header, the kernel's alignment of the network header, then the frame.
    const std::size_t needed = sizeof(tpacket2_hdr) + sizeof(sockaddr_ll) + 4 * TPACKET_ALIGNMENT +
                               mtu_bytes_ + sizeof(proto::EthernetHeader) + vlan_tag_bytes;
    slot_bytes_ = (needed + cache_line_bytes - 1) / cache_line_bytes * cache_line_bytes;
    slots_per_block_ = block_bytes / slot_bytes_;
    if (slots_per_block_ == 0) {
        throw std::runtime_error("the MTU of " + options_.interface + " is too large");
    }
    const std::size_t blocks_count = std::max<std::size_t>(options_.ring_bytes / block_bytes, 1);
    slots_count_ = blocks_count * slots_per_block_;
    slot_index_ = 0;
    const tpacket_req geometry{.tp_block_size = block_bytes,
                               .tp_block_nr = static_cast<unsigned>(blocks_count),
                               .tp_frame_size = static_cast<unsigned>(slot_bytes_),
                               .tp_frame_nr = static_cast<unsigned>(slots_count_)};
    set_option(descriptor_, PACKET_RX_RING, geometry, "cannot make the receive ring");
    ring_bytes_ = blocks_count * block_bytes;
    void* ring = ::mmap(nullptr, ring_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0);
    if (ring == MAP_FAILED) {
        fail("cannot map the receive ring");
    }
    ring_ = static_cast<std::byte*>(ring);
}

void PacketPort::open_batch() {
    // Short MTUs too get room for what a target writes before it sees that it does not fit.
    constexpr std::size_t room_bytes_min = 4096;
    const std::size_t needed = std::max(mtu_bytes_ + sizeof(proto::EthernetHeader), room_bytes_min);
    // One cache line more than a multiple of a page: headers of a batch do not share a cache set.
    room_bytes_ = (needed + 4095) / 4096 * 4096 + cache_line_bytes;
    rooms_.assign(room_bytes_ * batch_count_max, std::byte{});
    vectors_.assign(2 * batch_count_max, iovec{});
    messages_.assign(batch_count_max, mmsghdr{});
    for (std::size_t i = 0; i < batch_count_max; ++i) {
        vectors_[2 * i].iov_base = rooms_.data() + i * room_bytes_;
        messages_[i].msg_hdr.msg_iov = &vectors_[2 * i];
    }
    batch_count_ = 0;
}

void PacketPort::close() {
    if (ring_ != nullptr) {
        ::munmap(ring_, ring_bytes_);
        ring_ = nullptr;
    }
    if (descriptor_ >= 0) {
        ::close(descriptor_);
        descriptor_ = -1;
    }
}

std::uint32_t PacketPort::ask_mtu() const {
    ifreq request = request_for(options_.interface);
    if (::ioctl(descriptor_, SIOCGIFMTU, &request) != 0) {
        fail("cannot read the MTU of " + options_.interface);
    }
    return static_cast<std::uint32_t>(request.ifr_mtu);
}

void PacketPort::refresh() {
    const std::uint32_t mtu_bytes = ask_mtu();
    if (mtu_bytes != mtu_bytes_) {
        send();
        static_cast<void>(counters()); // the old socket's part
        close();
        open();
    }
}

tpacket2_hdr* PacketPort::slot() const {
    std::byte* bytes = ring_ + slot_index_ / slots_per_block_ * block_bytes +
                       slot_index_ % slots_per_block_ * slot_bytes_;
    return reinterpret_cast<tpacket2_hdr*>(bytes); // the kernel's own structure, aligned by it
}

std::optional<proto::ConstBytes> PacketPort::receive() {
    while (true) {
        tpacket2_hdr* header = slot();
        const std::atomic_ref<std::uint32_t> status(header->tp_status);
        if ((status.load(std::memory_order_acquire) & TP_STATUS_USER) == 0) {
            return std::nullopt;
        }
        const proto::ConstBytes frame(reinterpret_cast<const std::byte*>(header) + header->tp_mac,
                                      header->tp_snaplen);
        const bool is_whole = header->tp_snaplen == header->tp_len;
        proto::EthernetHeader ethernet;
        if (is_whole && proto::load_into(ethernet, frame) &&
            (ethernet.destination == mac_ || ethernet.destination.is_multicast())) {
            ++counters_.received_frames;
            counters_.received_bytes += frame.size();
            return frame;
        }
        ++counters_.not_ours;
        release();
    }
}

void PacketPort::release() {
    const std::atomic_ref<std::uint32_t> status(slot()->tp_status);
    status.store(TP_STATUS_KERNEL, std::memory_order_release);
    slot_index_ = slot_index_ + 1 == slots_count_ ? 0 : slot_index_ + 1;
}

proto::Bytes PacketPort::room() {
    return proto::Bytes(rooms_).subspan(batch_count_ * room_bytes_, room_bytes_);
}

void PacketPort::queue(const Reply& frame) {
    iovec* vectors = &vectors_[2 * batch_count_];
    vectors[0].iov_len = frame.frame_bytes;
    // sendmmsg only reads it.
    vectors[1].iov_base = const_cast<std::byte*>(frame.payload.data());
    vectors[1].iov_len = frame.payload.size();
    messages_[batch_count_].msg_hdr.msg_iovlen = frame.payload.empty() ? 1 : 2;
    ++batch_count_;
    if (batch_count_ == batch_count_max) {
        send();
    }
}

void PacketPort::queue_copy(proto::ConstBytes frame) {
    const proto::Bytes to = room();
    if (frame.size() > to.size()) { // held since before the MTU shrank
        ++counters_.send_failed;
        return;
    }
    std::ranges::copy(frame, to.begin());
    queue({.frame_bytes = frame.size()});
}

void PacketPort::send() {
    std::size_t done = 0;
    bool has_waited = false;
    while (done < batch_count_) {
        const int sent = ::sendmmsg(descriptor_, &messages_[done],
                                    static_cast<unsigned>(batch_count_ - done), 0);
        ++counters_.send_calls;
        if (sent > 0) {
            const auto count = static_cast<std::size_t>(sent);
            for (const mmsghdr& message : std::span(messages_).subspan(done, count)) {
                counters_.sent_bytes += message.msg_len;
            }
            counters_.sent_frames += count;
            done += count;
            has_waited = false;
        } else if (errno == EAGAIN && !has_waited) {
            pollfd waiting{.fd = descriptor_, .events = POLLOUT, .revents = 0};
            ::poll(&waiting, 1, send_wait_ms);
            has_waited = true;
        } else if (errno != EINTR) {
            ++counters_.send_failed; // the interface is down, or its queue is full
            ++done;
        }
    }
    batch_count_ = 0;
}

const PortCounters& PacketPort::counters() {
    tpacket_stats kernel{};
    socklen_t size = sizeof(kernel);
    if (::getsockopt(descriptor_, SOL_PACKET, PACKET_STATISTICS, &kernel, &size) == 0) {
        counters_.ring_full += kernel.tp_drops; // the kernel forgets it when asked
    }
    return counters_;
}

} // namespace uaoe::target
