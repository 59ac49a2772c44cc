// The AF_XDP link on a veth pair: what it takes, what it leaves to others, and what is left of it.
#include "network_support.hpp"

#include "initiator/linux/clock.hpp"
#include "initiator/linux/port_monitor.hpp"
#include "initiator/linux/shard.hpp"
#include "initiator/linux/xdp_link.hpp"

#include <csignal>
#include <linux/if_ether.h>
#include <sys/wait.h>

using namespace uaoe;
using namespace uaoe::initiator;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t shard = 5;

XdpLinkConfig config_of(const std::string& name) {
    const auto monitor = PortMonitor::open({name});
    REQUIRE(monitor.has_value());
    const InterfaceState state = (*monitor)->state(0).value();
    return {.interface_name = name,
            .ifindex = state.ifindex,
            .mac = state.port.mac,
            .mtu_bytes = state.port.mtu_bytes,
            .shard = shard,
            .slots_count = 1024};
}

// Says so where this kernel cannot do it at all.
bool has_xdp() {
    const auto link = XdpLink::open(config_of("near0"));
    if (!link) {
        std::cout << "SKIP: " << link.error().line() << '\n';
    }
    return link.has_value();
}

bool has_program(const std::string& name) {
    return shell("ip link show " + name + " | grep -q prog/xdp");
}

// The slots of the tags of what arrives, until `count` have or a second has passed.
struct Arrived {
    std::vector<std::uint32_t> slots;
    bool whole = true; // of `bytes`, and filled with the slot
};

Arrived receive(Link& link, std::size_t count, std::size_t bytes) {
    Arrived arrived;
    const Time end = clock_now() + 1s;
    while (arrived.slots.size() < count && clock_now() < end) {
        link.receive(100, [&](proto::ConstBytes frame) {
            const std::uint32_t slot = split_tag(proto::parse_frame(frame)->tag).slot;
            arrived.slots.push_back(slot);
            const auto filled = frame.subspan(proto::aoe_frame_header_bytes);
            arrived.whole = arrived.whole && frame.size() == bytes &&
                            std::ranges::all_of(filled, [&](std::byte byte) {
                                return byte == static_cast<std::byte>(slot);
                            });
        });
    }
    return arrived;
}

} // namespace

TEST_CASE("AF_XDP: a thousand frames each way arrive whole at any MTU, past the packet socket") {
    for (const auto& [mtu, in_driver] : std::vector<std::pair<std::size_t, bool>>{{1500, true},
                                                                                  {3800, true},
                                                                                  {4096, true},
                                                                                  {9000, true},
                                                                                  {16256, true},
                                                                                  {1500, false},
                                                                                  {9000, false}}) {
        CAPTURE(mtu);
        CAPTURE(in_driver);
        const Namespace network;
        if (!network.ready() || !has_xdp()) {
            return;
        }
        REQUIRE(
            shell("for i in near0 far0; do ip link set $i mtu " + std::to_string(mtu) + "; done"));
        XdpLinkConfig config = config_of("near0");
        config.in_driver = in_driver;
        const auto link = XdpLink::open(config);
        REQUIRE_MESSAGE(link.has_value(), link.error().line());
        CHECK((*link)->mtu_bytes_max() >= mtu);
        CHECK((*link)->is_in_driver() == in_driver);
        CHECK(has_program("near0"));
        const Peer peer;
        for (const std::size_t bytes : {std::size_t{60}, mtu + 14}) {
            for (std::uint32_t i = 0; i < 1000; ++i) {
                peer.send(i, bytes, config.mac, shard);
                if (i % 100 == 99) {
                    const Arrived arrived = receive(**link, 100, bytes);
                    CHECK(arrived.slots.size() == 100);
                    CHECK(arrived.slots.back() == i);
                    CHECK(arrived.whole);
                }
            }
        }
        CHECK((*link)->packet_counters().frames_received == 0);
        CHECK((*link)->counters().frames_received == 2000);
        for (std::uint32_t i = 0; i < 1000; ++i) {
            queue_frame(**link, std::min(mtu + 14, std::size_t{9014}));
            if ((*link)->is_full() || i == 999) {
                (*link)->flush();
            }
        }
        for (std::uint32_t i = 0; i < 1000; ++i) {
            REQUIRE(peer.receive() == std::min(mtu + 14, std::size_t{9014}));
        }
    }
}

TEST_CASE("AF_XDP: twice as many frames at once as before are not too many, also after few") {
    const Namespace network;
    if (!network.ready() || !has_xdp()) {
        return;
    }
    REQUIRE(shell("ip link set near0 mtu 1500"));
    const XdpLinkConfig config = config_of("near0");
    const auto link = XdpLink::open(config);
    REQUIRE(link.has_value());
    const Peer peer;
    for (int again = 0; again < 2; ++again) {
        for (std::uint32_t burst = 100; burst <= 1600; burst *= 2) {
            for (std::uint32_t i = 0; i < burst; ++i) {
                peer.send(i, 1000, config.mac, shard);
            }
            const Arrived arrived = receive(**link, burst, 1000);
            CHECK(arrived.slots.size() == burst);
            CHECK(arrived.whole);
        }
        for (std::uint32_t i = 0; i < 20'000; ++i) {
            peer.send(i % 8191, 60, config.mac, shard);
            if (i % 10 == 9) {
                REQUIRE(receive(**link, 10, 60).slots.size() == 10);
            }
        }
    }
}

TEST_CASE("AF_XDP: what is not this shard's reaches a packet socket as ever") {
    const Namespace network;
    if (!network.ready() || !has_xdp()) {
        return;
    }
    const XdpLinkConfig config = config_of("near0");
    const auto link = XdpLink::open(config);
    REQUIRE(link.has_value());
    const auto of_kernel = PacketLink::open("near0", config.ifindex, shard + 1, 64);
    REQUIRE(of_kernel.has_value());
    const auto of_this_shard = PacketLink::open("near0", config.ifindex, shard, 64);
    REQUIRE(of_this_shard.has_value());
    const Peer peer;
    peer.send(0, 60, config.mac, shard + 1);
    peer.send(1, 60, config.mac, shard);
    peer.send(2, 60, config.mac, shard + 1);
    CHECK(receive(**of_kernel, 2, 60).slots == std::vector<std::uint32_t>{0, 2});
    CHECK(receive(**link, 1, 60).slots == std::vector<std::uint32_t>{1});
    CHECK_FALSE((*of_this_shard)->has_received());
    // An advertisement is for everybody, and so for this link, too.
    std::vector<std::byte> advertisement(60);
    proto::write_frame_header(advertisement, {.destination = proto::broadcast_mac,
                                              .version_flags = 0x18,
                                              .address = {1, 0},
                                              .command = proto::Command::query_config,
                                              .tag = {}});
    peer.send(advertisement);
    CHECK(receive(**of_kernel, 1, 60).slots.size() == 1);
    CHECK(receive(**link, 1, 60).slots.size() == 1);
    // Other Ethertypes, VLAN or not, and what IP is made of.
    REQUIRE(shell("ip address add 10.99.0.1/24 dev near0 && ip address add 10.99.0.2/24 dev far0"));
    const int everything = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = config.ifindex;
    REQUIRE(bind(everything, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    std::vector<std::byte> other(60, std::byte{9});
    std::ranges::copy(std::as_bytes(std::span(config.mac.octets)), other.begin());
    peer.send(other);
    peer.send_tagged(3);
    std::size_t seen = 0;
    std::byte frame[2048];
    const Time end = clock_now() + 1s;
    while (seen < 2 && clock_now() < end) {
        const ssize_t bytes = recv(everything, frame, sizeof(frame), 0);
        seen += bytes == 60 && frame[12] == std::byte{9} ? 1 : 0;
        // The kernel takes the tag out of the frame before a packet socket sees it.
        seen += bytes == 60 && frame[12] == std::byte{0x88} && frame[13] == std::byte{0xa2} ? 1 : 0;
    }
    close(everything);
    CHECK(seen == 2);
    CHECK_FALSE((*link)->has_received());
}

TEST_CASE("AF_XDP: answers still arrive after the interface got another MAC address") {
    const Namespace network;
    if (!network.ready() || !has_xdp()) {
        return;
    }
    const auto link = XdpLink::open(config_of("near0"));
    REQUIRE(link.has_value());
    REQUIRE(shell("ip link set near0 address 02:00:00:00:00:77"));
    const Peer peer;
    peer.send(4, 60, {{2, 0, 0, 0, 0, 0x77}}, shard);
    CHECK(receive(**link, 1, 60).slots == std::vector<std::uint32_t>{4});
    CHECK((*link)->packet_counters().frames_received == 1);
}

TEST_CASE("AF_XDP: every receive queue has a socket") {
    const Namespace network;
    if (!network.ready() || !has_xdp()) {
        return;
    }
    REQUIRE(shell("ip link del near0 && ip link add near0 numrxqueues 4 numtxqueues 4 type veth "
                  "peer name far0 numrxqueues 4 numtxqueues 4 && ip link set near0 up && "
                  "ip link set far0 up"));
    const XdpLinkConfig config = config_of("near0");
    const auto link = XdpLink::open(config);
    REQUIRE(link.has_value());
    CHECK((*link)->fds().size() == 6); // and those of the packet socket
    const Peer peer;                   // each processor sends on a queue of its own
    for (std::uint32_t i = 0; i < 100; ++i) {
        peer.send(i, 60, config.mac, shard);
    }
    CHECK(receive(**link, 100, 60).slots.size() == 100);
    CHECK((*link)->packet_counters().frames_received == 0);
}

TEST_CASE("AF_XDP: nothing is left of it, after close and after the process was killed") {
    const Namespace network;
    if (!network.ready() || !has_xdp()) {
        return;
    }
    CHECK_FALSE(has_program("near0"));
    for (int i = 0; i < 3; ++i) {
        int ready[2];
        REQUIRE(pipe(ready) == 0);
        const pid_t child = fork();
        if (child == 0) {
            const auto opened =
                Shard::open({.engine = {}, .interfaces = {"near0"}, .link = LinkKind::xdp});
            const char told = opened && (*opened)->links_replaced().empty() ? '1' : '0';
            if (opened) {
                (*opened)->run_until([] { return false; }, 50ms);
            }
            [[maybe_unused]] const auto written = write(ready[1], &told, 1);
            pause();
            _exit(0);
        }
        char told = 0;
        CHECK(read(ready[0], &told, 1) == 1);
        CHECK(told == '1'); // also the second time, at once
        CHECK(has_program("near0"));
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
        CHECK_FALSE(has_program("near0"));
        close(ready[0]);
        close(ready[1]);
    }
}

TEST_CASE("AF_XDP: a second shard on an interface has a packet socket, and says why") {
    const Namespace network;
    if (!network.ready() || !has_xdp()) {
        return;
    }
    ShardConfig config{.engine = {}, .interfaces = {"near0"}, .link = LinkKind::xdp};
    const auto first = Shard::open(config);
    REQUIRE(first.has_value());
    CHECK((*first)->links_replaced().empty());
    config.engine.shard_index = 1;
    const auto second = Shard::open(config);
    REQUIRE(second.has_value());
    REQUIRE((*second)->links_replaced().size() == 1);
    const std::string line = (*second)->links_replaced().front().line();
    CHECK(line.starts_with("cannot use AF_XDP on near0: it has another XDP program; "));
    CHECK(line.ends_with("; it has a packet socket instead"));
    CHECK(line.find('\n') == std::string::npos);
}

TEST_CASE("AF_XDP: a shard has it once its interface is up, and again when that has come back") {
    const Namespace network;
    if (!network.ready() || !has_xdp()) {
        return;
    }
    REQUIRE(shell("ip link set near0 down"));
    const auto opened = Shard::open({.engine = {},
                                     .interfaces = {"near0"},
                                     .interfaces_up = InterfacesUp::none,
                                     .link = LinkKind::xdp});
    REQUIRE(opened.has_value());
    int errors_count = 0;
    (*opened)->set_error_handler([&](const Error& error) {
        MESSAGE(error.line());
        ++errors_count;
    });
    const auto turn = [&] { (*opened)->run_until([] { return false; }, 200ms); };
    turn();
    CHECK((*opened)->links_replaced().empty());
    CHECK_FALSE(has_program("near0"));
    REQUIRE(shell("ip link set near0 up"));
    turn();
    CHECK(has_program("near0"));
    REQUIRE(shell("ip link del near0"));
    turn();
    REQUIRE(shell("ip link add near0 mtu 1500 type veth peer name far0 mtu 9000 && "
                  "ip link set near0 up && ip link set far0 up"));
    turn();
    CHECK(has_program("near0"));
    REQUIRE(shell("ip link set near0 mtu 9000")); // more than its link can receive
    turn();
    CHECK(has_program("near0"));
    CHECK(errors_count == 0);
    REQUIRE(shell("ip link del near0"));
    turn();
}
