// The real vblade against its captured answers, so that what the model copies is known to be true.
// In a network namespace of this process's own; needs root and vblade, and says so when it skips.
#include "hex.hpp"
#include "vblade_exchanges.hpp"

#include "proto/aoe.hpp"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

using namespace uaoe::target::test;

namespace {

constexpr auto patience = std::chrono::seconds(5);

std::string find_vblade() {
    for (const char* path : {"/usr/sbin/vblade", "/sbin/vblade", "/usr/local/sbin/vblade"}) {
        if (::access(path, X_OK) == 0) {
            return path;
        }
    }
    return {};
}

// Leaves the network namespace it made when it dies.
class Namespace {
  public:
    Namespace() : before_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
        is_made_ = before_ >= 0 && ::unshare(CLONE_NEWNET) == 0;
    }
    ~Namespace() {
        if (is_made_) {
            ::setns(before_, CLONE_NEWNET);
        }
        ::close(before_);
    }
    Namespace(const Namespace&) = delete;
    Namespace& operator=(const Namespace&) = delete;
    [[nodiscard]] bool is_made() const { return is_made_; }

  private:
    int before_;
    bool is_made_ = false;
};

// A process that ends with its owner.
class Process {
  public:
    explicit Process(std::vector<std::string> words) : id_(::fork()) {
        if (id_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            const int nowhere = ::open("/dev/null", O_RDWR);
            ::dup2(nowhere, STDOUT_FILENO);
            ::dup2(nowhere, STDERR_FILENO);
            std::vector<char*> arguments;
            for (std::string& word : words) {
                arguments.push_back(word.data());
            }
            arguments.push_back(nullptr);
            ::execv(arguments[0], arguments.data());
            ::_exit(127);
        }
    }
    ~Process() {
        if (id_ > 0) {
            ::kill(id_, SIGKILL);
            ::waitpid(id_, nullptr, 0);
        }
    }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

  private:
    pid_t id_;
};

// A disk of known content.
class DiskFile {
  public:
    DiskFile()
        : path_(std::filesystem::temp_directory_path() /
                ("uaoe-vblade-test-" + std::to_string(::getpid()))) {
        std::ofstream file(path_, std::ios::binary);
        for (unsigned sector = 0; sector < disk_sectors; ++sector) {
            file << std::string(512, static_cast<char>(sector));
        }
    }
    ~DiskFile() { std::filesystem::remove(path_); }
    DiskFile(const DiskFile&) = delete;
    DiskFile& operator=(const DiskFile&) = delete;
    [[nodiscard]] std::string path() const { return path_.string(); }

  private:
    std::filesystem::path path_;
};

class Wire {
  public:
    explicit Wire(const char* interface)
        : socket_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) {
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(uaoe::proto::ethertype_aoe);
        address.sll_ifindex = static_cast<int>(::if_nametoindex(interface));
        const int ignore = 1;
        ::setsockopt(socket_, SOL_PACKET, PACKET_IGNORE_OUTGOING, &ignore, sizeof(ignore));
        REQUIRE(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    }
    ~Wire() { ::close(socket_); }
    Wire(const Wire&) = delete;
    Wire& operator=(const Wire&) = delete;

    void send(unsigned source, const std::string& body) const {
        std::string source_octet = to_hex(std::array{static_cast<std::byte>(source)});
        const auto frame = from_hex("020000000002 0200000000" + source_octet + " 88a2 " + body);
        REQUIRE(::send(socket_, frame.data(), frame.size(), 0) ==
                static_cast<ssize_t>(frame.size()));
    }

    std::optional<std::vector<std::byte>> receive(int wait_ms) const {
        pollfd waiting{.fd = socket_, .events = POLLIN, .revents = 0};
        if (::poll(&waiting, 1, wait_ms) <= 0) {
            return std::nullopt;
        }
        std::vector<std::byte> frame(2048);
        const ssize_t got = ::recv(socket_, frame.data(), frame.size(), 0);
        REQUIRE(got > 14);
        frame.resize(static_cast<std::size_t>(got));
        return frame;
    }

  private:
    int socket_;
};

// vblade answers in order, so what it says before it answers a question behind the request is all
// that it says to the request: silence needs no waiting.
constexpr const char* fence_request = "1000 0001 00 03 fffffff1 00 00";
constexpr const char* fence_tag = "fffffff1";

bool is_fence(const std::vector<std::byte>& frame) {
    return frame.size() >= 24 &&
           std::ranges::equal(std::span(frame).subspan(20, 4), from_hex(fence_tag));
}

std::vector<std::byte> ask(const Wire& wire, const VbladeExchange& exchange) {
    wire.send(exchange.source, exchange.request);
    wire.send(1, fence_request);
    std::vector<std::byte> answer;
    while (true) {
        const auto frame = wire.receive(2000);
        REQUIRE_MESSAGE(frame.has_value(), "vblade became silent after: ", exchange.what);
        if (is_fence(*frame)) {
            return answer;
        }
        answer = *frame;
    }
}

bool wait_for_vblade(const Wire& wire) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < end) {
        wire.send(1, fence_request);
        while (const auto frame = wire.receive(50)) {
            if (is_fence(*frame)) {
                std::this_thread::sleep_for(std::chrono::milliseconds(50));
                while (wire.receive(0)) { // answers to the questions before
                }
                return true;
            }
        }
    }
    return false;
}

bool make_veth() {
    const std::string commands =
        "ip link add tv0 address 02:00:00:00:00:01 type veth peer name tv1 address "
        "02:00:00:00:00:02 && ip link set tv0 up && ip link set tv1 up";
    return std::system(commands.c_str()) == 0;
}

} // namespace

TEST_CASE("vblade answers as it was captured") {
    const std::string vblade = find_vblade();
    if (::geteuid() != 0 || vblade.empty()) {
        MESSAGE("SKIP: needs root and vblade");
        return;
    }
    const Namespace network;
    REQUIRE(network.is_made());
    REQUIRE(make_veth());
    const DiskFile disk;
    const Wire wire("tv0");
    const Process process({vblade, "-b", "16", "1", "0", "tv1", disk.path()});
    REQUIRE(wait_for_vblade(wire));

    for (const VbladeExchange& exchange : vblade_exchanges()) {
        CAPTURE(exchange.what);
        const auto answer = ask(wire, exchange);
        if (exchange.answer.empty()) {
            CHECK(to_hex(answer) == "");
            continue;
        }
        const auto expected = from_hex(exchange.answer);
        REQUIRE(answer.size() > 14);
        const auto body = std::span(answer).subspan(14);
        const std::size_t tail_bytes = exchange.tail == Tail::identify    ? 512
                                       : exchange.tail == Tail::leftovers ? 60 - 36
                                                                          : 0;
        CHECK(body.size() == expected.size() + tail_bytes);
        CHECK(to_hex(body.first(std::min(body.size(), expected.size()))) == to_hex(expected));
    }
}
