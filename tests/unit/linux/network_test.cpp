// Packet link, port monitor and shard on a veth pair, in a network namespace of this process alone.
#include "network_support.hpp"

#include "initiator/linux/clock.hpp"
#include "initiator/linux/packet_link.hpp"
#include "initiator/linux/port_monitor.hpp"
#include "initiator/linux/shard.hpp"
#include "initiator/tag.hpp"
#include "proto/frame.hpp"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <iostream>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace uaoe;
using namespace uaoe::initiator;
using namespace std::chrono_literals;

namespace {

std::size_t packet_sockets_count() {
    std::ifstream list("/proc/thread-self/net/packet");
    std::string line;
    std::size_t count = 0;
    std::getline(list, line); // the heading
    while (std::getline(list, line)) {
        ++count;
    }
    return count;
}

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

TEST_CASE("the monitor tells of down, up, MTU, gone, and back with another index") {
    const Namespace network;
    if (!network.ready()) {
        return;
    }
    auto monitor = PortMonitor::open({"near0"});
    REQUIRE(monitor.has_value());
    std::optional<InterfaceState> state = (*monitor)->state(0);
    REQUIRE(state.has_value());
    CHECK(state->is_ethernet);
    CHECK(state->port.mtu_bytes == 9000);
    const int ifindex = state->ifindex;
    (*monitor)->set_handler(
        [&](std::size_t, const std::optional<InterfaceState>& now) { state = now; });
    const auto until = [&](auto holds) {
        const Time end = clock_now() + 5s;
        while (!holds() && clock_now() < end) {
            pollfd readable{.fd = (*monitor)->fd(), .events = POLLIN, .revents = 0};
            if (poll(&readable, 1, 100) > 0) {
                (*monitor)->handle_readable();
            }
        }
        return holds();
    };
    CHECK(until([&] { return state && state->port.up; }));
    REQUIRE(shell("ip link set far0 down")); // the carrier
    CHECK(until([&] { return state && !state->port.up && state->administratively_up; }));
    REQUIRE(shell("ip link set far0 up && ip link set near0 mtu 1500"));
    CHECK(until([&] { return state && state->port.up && state->port.mtu_bytes == 1500; }));
    REQUIRE(shell("ip link set near0 down"));
    CHECK(until([&] { return state && !state->administratively_up; }));
    REQUIRE(shell("ip link del near0"));
    CHECK(until([&] { return !state; }));
    REQUIRE(shell("ip link add near0 type veth peer name far0 && ip link set near0 up && "
                  "ip link set far0 up"));
    CHECK(until([&] { return state && state->port.up && state->ifindex != ifindex; }));
}

TEST_CASE("what IPv6 tells of an interface is not taken for the interface's state") {
    const Namespace network;
    if (!network.ready()) {
        return;
    }
    auto monitor = PortMonitor::open({"near0"});
    REQUIRE(monitor.has_value());
    const auto take_news = [&] {
        pollfd readable{.fd = (*monitor)->fd(), .events = POLLIN, .revents = 0};
        while (poll(&readable, 1, 200) > 0) {
            (*monitor)->handle_readable();
        }
    };
    if (!shell("ip token set ::5 dev near0")) { // sends a message of family AF_INET6
        MESSAGE("cannot be tested here: no IPv6");
        return;
    }
    take_news();
    REQUIRE(shell("ip link set near0 down"));
    take_news();
    REQUIRE((*monitor)->state(0).has_value());
    CHECK_FALSE((*monitor)->state(0)->administratively_up);
    CHECK((*monitor)->state(0)->is_ethernet);
}

TEST_CASE("after more news than the monitor's queue holds its state is the last one") {
    const Namespace network;
    if (!network.ready()) {
        return;
    }
    auto monitor = PortMonitor::open({"near0"});
    REQUIRE(monitor.has_value());
    REQUIRE(shell("for i in $(seq 2000); do echo link set near0 mtu $((1500 + i)); done | "
                  "ip -batch - && ip link set near0 mtu 4321"));
    pollfd readable{.fd = (*monitor)->fd(), .events = POLLIN, .revents = 0};
    while (poll(&readable, 1, 0) > 0) {
        (*monitor)->handle_readable();
    }
    REQUIRE((*monitor)->state(0).has_value());
    CHECK((*monitor)->state(0)->port.mtu_bytes == 4321);
}

TEST_CASE("interfaces that cannot be used are refused with the reason") {
    const Namespace network;
    if (!network.ready()) {
        return;
    }
    const auto why = [](const std::string& name) {
        const auto shard = Shard::open({.engine = {}, .interfaces = {name}});
        return shard ? std::string("opened") : shard.error().line();
    };
    CHECK(why("none0").find("no such interface") != std::string::npos);
    CHECK(why("lo").find("not an Ethernet interface") != std::string::npos);
    CHECK(why("near0") == "opened");
    REQUIRE(shell("ip link set near0 down"));
    CHECK(why("near0").find("ip link set near0 up") != std::string::npos);
    CHECK(Shard::open({.engine = {}, .interfaces = {"near0", "near0"}}).error().exit_code ==
          ExitCode::usage);
}

TEST_CASE("an interface that comes after the shard was opened is used, named then or added later") {
    const Namespace network;
    if (!network.ready()) {
        return;
    }
    REQUIRE(shell("ip link del near0"));
    const auto make = [](const std::string& name) {
        return shell("ip link add " + name + " type veth peer name far" + name +
                     " && ip link set far" + name + " up && ip link set " + name + " up");
    };
    auto shard =
        Shard::open({.engine = {}, .interfaces = {"near0"}, .interfaces_up = InterfacesUp::later});
    REQUIRE(shard.has_value());
    REQUIRE((*shard)->interfaces_down().size() == 1);
    CHECK((*shard)->interfaces_down().front().why == "there is no such interface");
    std::vector<std::string> errors;
    (*shard)->set_error_handler([&](const Error& error) { errors.push_back(error.why); });
    const auto is_up = [&](std::size_t port) {
        return [&, port] {
            const auto statuses = (*shard)->port_statuses();
            return statuses.size() > port && statuses[port].up;
        };
    };
    CHECK_FALSE((*shard)->run_until(is_up(0), 20ms));
    REQUIRE(make("near0"));
    CHECK((*shard)->run_until(is_up(0), 5s));

    REQUIRE(make("near1"));
    (*shard)->add_interface("near1"); // is there
    (*shard)->add_interface("near2"); // comes
    CHECK((*shard)->interfaces_count() == 3);
    CHECK((*shard)->run_until(is_up(1), 5s));
    CHECK_FALSE(is_up(2)());
    REQUIRE(make("near2"));
    CHECK((*shard)->run_until(is_up(2), 5s));
    CHECK((*shard)->interface_name({2}) == "near2");

    // A frame on the one that came last reaches the engine, and goes out there.
    const auto received = [&] { return (*shard)->port_statuses()[2].frames.frames_received; };
    CHECK(received() == 0);
    const Peer peer("farnear2");
    peer.send(1, 60);
    CHECK((*shard)->run_until([&] { return received() == 1; }, 5s));
    CHECK((*shard)->port_statuses()[2].frames.frames_sent > 0); // Query Config, when it came up

    // One that becomes what cannot be used is left, and told of.
    CHECK(errors.empty());
    REQUIRE(shell("ip link del near1"));
    REQUIRE(shell("ip tuntap add near1 mode tun"));
    CHECK((*shard)->run_until([&] { return !errors.empty(); }, 5s));
    CHECK(errors == std::vector<std::string>{"it is not an Ethernet interface"});
    CHECK_FALSE(is_up(1)());
}

TEST_CASE("tasks posted from another thread run on the shard's, and stop ends it") {
    const Namespace network;
    if (!network.ready()) {
        return;
    }
    auto shard = Shard::open({.engine = {}, .interfaces = {"near0"}});
    REQUIRE(shard.has_value());
    std::thread::id ran_on;
    int order = 0;
    std::thread runner([&] { (*shard)->run(); });
    (*shard)->post([&] {
        ran_on = std::this_thread::get_id();
        order = order * 10 + 1;
    });
    (*shard)->post([&] { order = order * 10 + 2; });
    (*shard)->post([&] { (*shard)->stop(); });
    const std::thread::id runner_id = runner.get_id();
    runner.join();
    CHECK(ran_on == runner_id);
    CHECK(order == 12);
}

TEST_CASE("a link that was replaced gives its socket and its ring back") {
    const Namespace network;
    if (!network.ready()) {
        return;
    }
    auto shard = Shard::open({.engine = {}, .interfaces = {"near0"}});
    REQUIRE(shard.has_value());
    const auto turn = [&] { (*shard)->run_until([] { return false; }, 100ms); };
    turn();
    const std::size_t before = packet_sockets_count();
    CHECK(before == 2); // a ring for data, one for Query Config
    for (int i = 0; i < 3; ++i) {
        REQUIRE(shell("ip link del near0"));
        turn();
        REQUIRE(shell("ip link add near0 type veth peer name far0 && ip link set near0 up && "
                      "ip link set far0 up"));
        turn();
    }
    CHECK(packet_sockets_count() == before);
}

TEST_CASE("a link that cannot be opened is tried again, and told of once") {
    const Namespace network;
    if (!network.ready()) {
        return;
    }
    auto shard = Shard::open({.engine = {}, .interfaces = {"near0"}});
    REQUIRE(shard.has_value());
    int errors_count = 0;
    (*shard)->set_error_handler([&](const Error&) { ++errors_count; });
    const auto never = [] { return false; };
    (*shard)->run_until(never, 100ms);
    REQUIRE(shell("ip link del near0 && ip link add near0 type veth peer name far0 && "
                  "ip link set near0 up && ip link set far0 up"));
    rlimit limit{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    const rlimit none{.rlim_cur = 0, .rlim_max = limit.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    (*shard)->run_until(never, 1500ms);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(errors_count == 1);
    CHECK(packet_sockets_count() == 0);
    (*shard)->run_until(never, 1500ms);
    CHECK(packet_sockets_count() == 2);
    CHECK(errors_count == 1);
}

TEST_CASE("a shard waits no longer than it is told") {
    const Namespace network;
    if (!network.ready()) {
        return;
    }
    auto shard = Shard::open({.engine = {}, .interfaces = {"near0"}});
    REQUIRE(shard.has_value());
    const Time begin = clock_now();
    CHECK_FALSE((*shard)->run_until([] { return false; }, 50ms));
    CHECK(clock_now() - begin < 5s);
}

TEST_CASE("a shard that runs until something is so notices at once") {
    const Namespace network;
    if (!network.ready()) {
        return;
    }
    const auto opened = Shard::open({.engine = {}, .interfaces = {"near0"}});
    REQUIRE(opened.has_value());
    bool is_so = false;
    (*opened)->post([&] { is_so = true; }); // done in the same turn as the sleep would begin in
    const Time begin = clock_now();
    CHECK((*opened)->run_until([&] { return is_so; }, 20s));
    CHECK(clock_now() - begin < 10s);
}

TEST_CASE("frames that are there at the end of each turn keep nobody else waiting") {
    const Namespace network;
    if (!network.ready()) {
        return;
    }
    const auto opened = Shard::open({.engine = {}, .interfaces = {"near0"}});
    REQUIRE(opened.has_value());
    Shard& shard = **opened;
    const Peer peer;
    const auto send_and_never_end = [&] {
        peer.send(1, 60);
        return false;
    };
    CHECK_FALSE(shard.run_until(send_and_never_end, 20ms));

    struct Timer : RingOperation {
        bool is_over = false;
    } timer;
    timer.complete = [](RingOperation& self, int /*result*/, std::uint32_t /*flags*/) {
        static_cast<Timer&>(self).is_over = true;
    };
    __kernel_timespec soon{.tv_sec = 0, .tv_nsec = 5'000'000};
    io_uring_sqe& sqe = shard.ring().prepare(timer);
    io_uring_prep_timeout(&sqe, &soon, 0, 0);
    io_uring_sqe_set_data(&sqe, static_cast<RingOperation*>(&timer));
    std::uint64_t frames_count = 0;
    CHECK(shard.run_until(
        [&] {
            peer.send(1, 60);
            ++frames_count;
            return timer.is_over;
        },
        10s));
    CHECK(frames_count > 10); // it was not asleep meanwhile
}
