// The packet sockets of a link.
#include "initiator/linux/packet_link.hpp"

#include "proto/assert.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <time.h> // NOLINT: nanosleep(2)
#include <utility>

namespace uaoe::initiator {

namespace {

// A full send queue is waited for this long before the batch goes on anyway; only a stuck NIC is
// slower.
constexpr int send_wait_ms = 10;

// A full queue of the NIC refuses frames one by one, without telling when there is room again. It
// is waited for this often in one batch; a NIC that works drains a full queue meanwhile.
constexpr timespec queue_wait{.tv_sec = 0, .tv_nsec = 100'000};
constexpr int queue_waits_max = 20;

// Of Query Config: one with the longest string there is, for every target that an engine knows
// (EngineConfig::targets_count_max): 8 MiB. With fewer, of thousands of LUNs that answer one
// broadcast the last are lost, and the same ones each time.
constexpr std::size_t query_slot_bytes = 2048;
constexpr std::size_t query_slots_count = 4096;

} // namespace

std::expected<std::unique_ptr<PacketLink>, Error>
PacketLink::open(const std::string& interface_name, int ifindex, std::uint32_t shard,
                 std::size_t slots_count) {
    std::unique_ptr<PacketLink> link(new PacketLink);
    PacketRingConfig config{.interface_name = interface_name,
                            .ifindex = ifindex,
                            .shard = shard,
                            .answers = Answers::data,
                            .slot_bytes = slot_bytes,
                            .slots_count = slots_count};
    auto data = PacketRing::open(config);
    config.answers = Answers::query_config;
    config.slot_bytes = query_slot_bytes;
    config.slots_count = query_slots_count;
    auto queries = PacketRing::open(config);
    if (!data || !queries) {
        return std::unexpected(std::move(!data ? data.error() : queries.error()));
    }
    link->data_ = std::move(*data);
    link->queries_ = std::move(*queries);
    link->fds_ = {link->data_->fd(), link->queries_->fd()};
    const int on = 1;
    if (setsockopt(link->fds_[0], SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)) != 0) {
        return std::unexpected(Error{.what = "cannot open a packet socket on " + interface_name,
                                     .why = std::strerror(errno),
                                     .what_to_do = "use Linux 3.14 or later"});
    }
    // Refused without CAP_NET_ADMIN: the default is smaller, and flush() waits for room.
    const int send_buffer_bytes = 8 << 20;
    setsockopt(link->fds_[0], SOL_SOCKET, SO_SNDBUFFORCE, &send_buffer_bytes,
               sizeof(send_buffer_bytes));
    return link;
}

// Data first: there is always an end to the answers of a broadcast, and nobody waits for them.
std::span<const proto::ConstBytes> PacketLink::take(std::size_t frames_max) {
    const std::span wanted = std::span(frames_).first(std::min(frames_max, batch_frames));
    source_ = data_.get();
    std::size_t count = source_->take(wanted);
    if (count == 0) {
        source_ = queries_.get();
        count = source_->take(wanted);
    }
    return wanted.first(count);
}

void PacketLink::give_back() {
    source_->give_back();
}

LinkCounters PacketLink::counters() {
    LinkCounters sum{.frames_sent = frames_sent_, .frames_unsendable = frames_unsendable_};
    for (PacketRing* ring : {data_.get(), queries_.get()}) {
        const PacketRing::Counters of_ring = ring->counters();
        sum.frames_received += of_ring.received;
        sum.frames_cut += of_ring.cut;
        sum.frames_foreign += of_ring.foreign;
        sum.frames_dropped += of_ring.dropped;
    }
    return sum;
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
    Refusals refusals;
    while (done < transmits.size()) {
        const int sent = sendmmsg(fds_[0], messages_.data() + done,
                                  static_cast<unsigned>(transmits.size() - done), MSG_DONTWAIT);
        if (sent > 0) {
            done += static_cast<std::size_t>(sent);
            frames_sent_ += static_cast<std::uint64_t>(sent);
            continue;
        }
        switch (after_refusal(errno, refusals)) {
        case Refusal::try_again:
            break;
        case Refusal::skip_frame:
            ++frames_unsendable_;
            ++done;
            break;
        case Refusal::drop_all: // as good as lost on the wire
            frames_unsendable_ += transmits.size() - done;
            done = transmits.size();
            break;
        }
    }
}

// Of the first frame that was not sent.
PacketLink::Refusal PacketLink::after_refusal(int error, Refusals& refusals) const {
    switch (error) {
    case EINTR:
        return Refusal::try_again;
    case EAGAIN: {
        pollfd writable{.fd = fds_[0], .events = POLLOUT, .revents = 0};
        return poll(&writable, 1, send_wait_ms) > 0 ? Refusal::try_again : Refusal::drop_all;
    }
    case ENOBUFS:
        if (refusals.queue_waits_count++ == queue_waits_max) {
            return Refusal::drop_all;
        }
        nanosleep(&queue_wait, nullptr);
        return Refusal::try_again;
    case ENETDOWN: // also once of a time that is over: the socket keeps it for the next call
        return std::exchange(refusals.was_down, true) ? Refusal::drop_all : Refusal::try_again;
    case ENXIO:
    case ENODEV:
        return Refusal::drop_all;
    default: // EMSGSIZE: the MTU has just become smaller
        return Refusal::skip_frame;
    }
}

} // namespace uaoe::initiator
