// A packet link on a veth pair, in a network namespace of this process alone.
#include "network_support.hpp"

#include "initiator/linux/clock.hpp"
#include "initiator/linux/packet_link.hpp"
#include "initiator/linux/port_monitor.hpp"
#include "initiator/tag.hpp"
#include "proto/frame.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string>
#include <sys/ioctl.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace uaoe;
using namespace uaoe::initiator;
using namespace std::chrono_literals;

namespace {

// A NIC whose queue this process takes the frames from; nothing when there are none here.
int open_tap(const std::string& name) {
    const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    ifreq request{};
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

} // namespace

TEST_CASE("a thousand frames each way, small and jumbo, arrive whole") {
    const Namespace network;
    if (!network.ready()) {
        return;
    }
    auto link = PacketLink::open("near0", static_cast<int>(if_nametoindex("near0")), 0);
    REQUIRE(link.has_value());
    const Peer peer;
    for (const std::size_t bytes : {std::size_t{60}, std::size_t{9014}}) {
        for (std::uint32_t i = 0; i < 1000; ++i) {
            peer.send(i, bytes);
        }
        std::uint32_t next = 0;
        for (int tries = 0; tries < 100 && next < 1000; ++tries) {
            (*link)->receive(100, [&](proto::ConstBytes frame) {
                CHECK(frame.size() == bytes);
                CHECK(split_tag(proto::parse_frame(frame)->tag).slot == next);
                CHECK(frame.back() == static_cast<std::byte>(next));
                ++next;
            });
        }
        CHECK(next == 1000);
        std::size_t arrived = 0;
        for (std::uint32_t i = 0; i < 1000; ++i) {
            queue_frame(**link, bytes);
            if ((*link)->is_full() || i == 999) {
                (*link)->flush();
            }
        }
        while (arrived < 1000 && peer.receive() == bytes) {
            ++arrived;
        }
        CHECK(arrived == 1000);
    }
    CHECK((*link)->counters().frames_unsendable == 0);
}

TEST_CASE(
    "frames for another host and of a VLAN, or of an interface on top, are not this interface's") {
    const Namespace network;
    if (!network.ready()) {
        return;
    }
    REQUIRE(shell("ip link set near0 promisc on"));
    auto link = PacketLink::open("near0", static_cast<int>(if_nametoindex("near0")), 0);
    REQUIRE(link.has_value());
    const Peer peer;
    // The kernel treats a macvlan's frames as those of a VLAN; not every kernel has either.
    for (const std::string on_top : {"true", "ip link add link near0 name near0.5 type vlan id 5",
                                     "ip link add link near0 name near0.6 type macvlan mode "
                                     "private"}) {
        if (!shell(on_top + " 2>/dev/null")) {
            MESSAGE("cannot be tested here: " << on_top);
            continue;
        }
        shell("for i in near0.5 near0.6; do "
              "ip link set $i address 02:00:00:00:00:06 up 2>/dev/null; done; true");
        peer.send(1, 60, {{2, 0, 0, 0, 0, 9}});
        peer.send(2, 60, {{2, 0, 0, 0, 0, 6}});
        peer.send_tagged(2);
        peer.send(3, 60);
        std::vector<std::uint32_t> slots;
        for (int tries = 0; tries < 100 && slots.empty(); ++tries) {
            (*link)->receive(100, [&](proto::ConstBytes frame) {
                slots.push_back(split_tag(proto::parse_frame(frame)->tag).slot);
            });
            usleep(1000);
        }
        CHECK(slots == std::vector<std::uint32_t>{3});
    }
}

TEST_CASE("a frame that is too long is dropped alone") {
    const Namespace network;
    if (!network.ready()) {
        return;
    }
    REQUIRE(shell("ip link set near0 mtu 1500"));
    auto link = PacketLink::open("near0", static_cast<int>(if_nametoindex("near0")), 0);
    REQUIRE(link.has_value());
    const Peer peer;
    for (const std::size_t bytes : {1000U, 1001U, 9014U, 1002U}) {
        queue_frame(**link, bytes);
    }
    (*link)->flush();
    for (const std::size_t bytes : {1000U, 1001U, 1002U}) {
        CHECK(peer.receive() == bytes);
    }
    CHECK((*link)->counters().frames_sent == 3);
    CHECK((*link)->counters().frames_unsendable == 1);
    REQUIRE(shell("ip link set near0 down"));
    queue_frame(**link, 1000);
    queue_frame(**link, 1000);
    (*link)->flush();
    CHECK((*link)->counters().frames_unsendable == 3);
}

TEST_CASE("the first frame after the interface came up is sent, also when it was down before") {
    const Namespace network;
    if (!network.ready()) {
        return;
    }
    REQUIRE(shell("ip link set near0 down"));
    auto link = PacketLink::open("near0", static_cast<int>(if_nametoindex("near0")), 0);
    REQUIRE(link.has_value());
    for (std::uint64_t round = 1; round <= 2; ++round) {
        REQUIRE(shell("ip link set near0 up"));
        const Peer peer;
        queue_frame(**link, 1000);
        (*link)->flush();
        CHECK((*link)->counters().frames_sent == round);
        REQUIRE(shell("ip link set near0 down"));
    }
}

TEST_CASE("a full queue of the NIC is waited for, shortly") {
    const Namespace network;
    if (!network.ready()) {
        return;
    }
    const int tap = open_tap("tap0");
    if (tap < 0) {
        MESSAGE("cannot be tested here: no tap interfaces");
        return;
    }
    REQUIRE(shell("ip link set tap0 txqueuelen 8 && ip link set tap0 up"));
    auto link = PacketLink::open("tap0", static_cast<int>(if_nametoindex("tap0")), 0);
    REQUIRE(link.has_value());
    std::atomic<bool> ended = false;
    std::thread nic([&] {
        std::byte frame[2048];
        while (!ended) {
            if (read(tap, frame, sizeof(frame)) < 0) {
                usleep(50);
            }
        }
    });
    // Eight times what the queue holds. On a busy machine the reader may be late for some batches.
    bool all_were_sent = false;
    for (int attempts = 0; attempts < 100 && !all_were_sent; ++attempts) {
        const std::uint64_t before = (*link)->counters().frames_sent;
        for (std::size_t i = 0; i < PacketLink::batch_frames; ++i) {
            queue_frame(**link, 1000);
        }
        (*link)->flush();
        all_were_sent = (*link)->counters().frames_sent - before == PacketLink::batch_frames;
    }
    ended = true;
    nic.join();
    CHECK(all_were_sent);
    // Nobody takes these any more.
    const std::uint64_t unsendable_before = (*link)->counters().frames_unsendable;
    for (std::size_t i = 0; i < PacketLink::batch_frames; ++i) {
        queue_frame(**link, 1000);
    }
    const Time begin = clock_now();
    (*link)->flush();
    CHECK(clock_now() - begin < 1s);
    CHECK((*link)->counters().frames_unsendable > unsendable_before);
    close(tap);
}

TEST_CASE("the largest frame that is asked for fits the ring, also a small one") {
    const Namespace network;
    if (!network.ready()) {
        return;
    }
    REQUIRE(shell("ip link set near0 mtu 20000 && ip link set far0 mtu 20000"));
    auto link = PacketLink::open("near0", static_cast<int>(if_nametoindex("near0")), 0, 64);
    REQUIRE(link.has_value());
    const Peer peer;
    for (std::uint32_t i = 0; i < 200; ++i) {
        peer.send(i, PacketLink::slot_mtu_bytes + 14);
        std::size_t received = 0;
        for (int tries = 0; tries < 100 && received == 0; ++tries) {
            (*link)->receive(100, [&](proto::ConstBytes frame) { received = frame.size(); });
        }
        REQUIRE(received == PacketLink::slot_mtu_bytes + 14);
    }
    CHECK((*link)->counters().frames_cut == 0);
}

TEST_CASE(
    "thousands of answers to a broadcast all fit, and push no data out; what is lost is told") {
    const Namespace network;
    if (!network.ready()) {
        return;
    }
    auto link = PacketLink::open("near0", static_cast<int>(if_nametoindex("near0")), 0, 64);
    REQUIRE(link.has_value());
    const Peer peer;
    constexpr std::uint32_t queries_count = 4096;
    constexpr std::uint32_t data_count = 70; // of which 64 fit
    for (std::uint32_t i = 0; i < queries_count; ++i) {
        peer.send(i, 1058, proto::broadcast_mac, 0, proto::Command::query_config);
    }
    for (std::uint32_t i = 0; i < data_count; ++i) {
        peer.send(i, 9014);
    }
    std::uint32_t queries_next = 0;
    std::uint32_t data_next = 0;
    while ((*link)->receive(64, [&](proto::ConstBytes bytes) {
        const auto frame = proto::parse_frame(bytes);
        const bool is_query = frame->command == proto::Command::query_config;
        CHECK((is_query || queries_next == 0)); // data is first
        CHECK(split_tag(frame->tag).slot == (is_query ? queries_next++ : data_next++));
    }) > 0) {
    }
    CHECK(queries_next == queries_count);
    CHECK(data_next == 64);
    CHECK((*link)->counters().frames_dropped == data_count - 64);
    CHECK((*link)->counters().frames_received == queries_count + 64);
}
