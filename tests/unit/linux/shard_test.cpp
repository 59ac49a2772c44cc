// A shard on a veth pair, in a network namespace of this process alone.
#include "network_support.hpp"

#include "initiator/linux/clock.hpp"
#include "initiator/linux/shard.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <string>
#include <sys/resource.h>
#include <thread>
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

} // namespace

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
