// The socket in the file system, and the whole server over it.
#include "blockdev/nbd_server.hpp"
#include "blockdev/unix_listener.hpp"
#include "memory_device.hpp"
#include "nbd_bytes.hpp"
#include "ring_loop.hpp"

#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

using namespace uaoe;
using namespace uaoe::test;
using blockdev::NbdServer;
using blockdev::UnixListener;

namespace {

struct Folder {
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "uaoe-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~Folder() { std::filesystem::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    [[nodiscard]] std::string operator/(const char* name) const { return (path / name).string(); }
    std::filesystem::path path;
};

std::string why_not(const std::string& path) {
    const auto listener = UnixListener::open(path);
    REQUIRE_FALSE(listener.has_value());
    CHECK(!listener.error().what.empty());
    return listener.error().why;
}

// A blocking client with a time limit.
struct BlockingClient {
    explicit BlockingClient(const std::string& path) : fd(socket(AF_UNIX, SOCK_STREAM, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof(address.sun_path) - 1);
        const timeval limit{.tv_sec = 10, .tv_usec = 0};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        connected = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    }
    ~BlockingClient() { close(fd); }
    BlockingClient(const BlockingClient&) = delete;
    BlockingClient& operator=(const BlockingClient&) = delete;
    void send(const ByteVector& bytes) const {
        CHECK(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
              static_cast<ssize_t>(bytes.size()));
    }
    [[nodiscard]] ByteVector receive(std::size_t bytes_count) const {
        ByteVector bytes(bytes_count);
        std::size_t have = 0;
        while (have < bytes_count) {
            const auto count = recv(fd, bytes.data() + have, bytes_count - have, 0);
            if (count > 0) {
                have += static_cast<std::size_t>(count);
            } else if (count == 0 || errno != EINTR) {
                break;
            }
        }
        bytes.resize(have);
        return bytes;
    }
    [[nodiscard]] bool ended() const {
        std::byte byte{};
        ssize_t count = 0;
        do { // work of a ring that this thread has closed may interrupt it
            count = recv(fd, &byte, 1, 0);
        } while (count < 0 && errno == EINTR);
        return count == 0;
    }
    int fd;
    bool connected = false;
};

// A server with its two threads.
struct Running {
    explicit Running(const std::string& path, const NbdServer::Config& config = {})
        : device(loop.ring(), {}) {
        auto made = NbdServer::listen(context, loop.data_thread(), blockdev::NbdExport(device),
                                      path, config);
        REQUIRE(made.has_value());
        server = std::move(*made);
        shard = std::thread([this] { loop.run(); });
        main = std::thread([this] { context.run(); });
    }
    ~Running() {
        context.stop();
        main.join();
        server->close();
        closed = server->wait_closed(std::chrono::seconds{5});
        CHECK(closed);
        loop.stop();
        shard.join();
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

    mutable RingLoop loop;
    mutable MemoryDevice device;
    boost::asio::io_context context;
    std::unique_ptr<NbdServer> server;
    std::thread shard;
    std::thread main;
    bool closed = false;
};

void negotiate(const BlockingClient& client) {
    CHECK(client.receive(18).size() == 18);
    client.send(join({hex("00 00 00 03"), option(1, text("1.0"))}));
    CHECK(client.receive(10).size() == 10);
}

} // namespace

TEST_CASE("listener: mode 0600, removed at the end") {
    const Folder folder;
    const std::string path = folder / "s";
    {
        const auto listener = UnixListener::open(path);
        REQUIRE(listener.has_value());
        struct stat status{};
        REQUIRE(stat(path.c_str(), &status) == 0);
        CHECK(S_ISSOCK(status.st_mode));
        CHECK((status.st_mode & 0777U) == 0600U);
    }
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("listener: a live server's socket is left alone, a stale one replaced") {
    const Folder folder;
    const std::string path = folder / "s";
    {
        const auto live = UnixListener::open(path);
        REQUIRE(live.has_value());
        CHECK(why_not(path) == "another server listens there");
        CHECK(std::filesystem::exists(path));
    }
    const int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    REQUIRE(bind(stale, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    close(stale);
    REQUIRE(std::filesystem::exists(path));
    CHECK(UnixListener::open(path).has_value());
}

TEST_CASE("listener: a lock on the directory that somebody keeps is not waited for for ever") {
    const Folder folder;
    const int other = open(folder.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(flock(other, LOCK_EX) == 0);
    alarm(10); // ends the program if it waits
    const auto begin = std::chrono::steady_clock::now();
    CHECK(UnixListener::open(folder / "s").has_value());
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds{5});
    alarm(0);
    close(other);
}

TEST_CASE("listener: what is not a socket is refused and untouched") {
    const Folder folder;
    std::ofstream(folder / "file") << "precious";
    CHECK(why_not(folder / "file") == "there is a file that is not a socket");
    CHECK(std::filesystem::file_size(folder / "file") == 8);
    std::filesystem::create_symlink(folder / "elsewhere", folder / "link");
    CHECK(why_not(folder / "link") == "there is a file that is not a socket");
    CHECK(why_not(folder.path.string()) == "there is a file that is not a socket");
}

TEST_CASE("listener: paths that cannot be") {
    const Folder folder;
    CHECK(why_not("") == "it names no file");
    CHECK(why_not(folder / "missing/s") == "its directory does not exist");
    const std::string longest =
        folder / std::string(106 - folder.path.string().size(), 'x').c_str();
    CHECK(longest.size() == 107);
    CHECK(UnixListener::open(longest).has_value());
    CHECK(why_not(longest + "x").starts_with("the path has 108 bytes"));
}

TEST_CASE("listener: somebody else's socket at the path is not removed") {
    const Folder folder;
    const std::string path = folder / "s";
    {
        const auto first = UnixListener::open(path);
        std::filesystem::remove(path);
        std::ofstream(path) << "another's";
    }
    CHECK(std::filesystem::exists(path));
}

TEST_CASE("server: a client from connect to DISC; the URI") {
    const Folder folder;
    const std::string path = folder / "a b";
    Running running(path);
    CHECK(running.server->uri() == "nbd+unix:///1.0?socket=" + folder.path.string() + "/a%20b");
    const BlockingClient client(path);
    REQUIRE(client.connected);
    negotiate(client);
    client.send(
        RequestBytes{.type = write_type, .cookie = 1, .length = 512}.bytes(ByteVector(512)));
    CHECK(client.receive(16) == simple_reply(0, 1));
    CHECK(running.server->connections_count() == 1);
    client.send(RequestBytes{.type = disconnect_type}.bytes());
    CHECK(client.ended());
}

TEST_CASE("server: a handshake has its time") {
    const Folder folder;
    const Running running(folder / "s", {.handshake_time_max = std::chrono::milliseconds{100}});
    const BlockingClient silent(folder / "s");
    CHECK(silent.receive(18).size() == 18);
    CHECK(silent.ended());
}

TEST_CASE("server: too many clients are closed at once, and there is room again later") {
    const Folder folder;
    const Running running(folder / "s", {.connections_count_max = 2});
    const BlockingClient first(folder / "s");
    negotiate(first);
    {
        const BlockingClient second(folder / "s");
        CHECK(second.receive(18).size() == 18);
        const BlockingClient third(folder / "s");
        CHECK(third.ended());
    }
    for (int i = 0; i < 500; ++i) {
        const BlockingClient again(folder / "s");
        if (again.receive(18).size() == 18) {
            return;
        }
        usleep(10'000);
    }
    FAIL("no room came back");
}

TEST_CASE("server: as a front end it closes with requests that the device holds") {
    const Folder folder;
    const std::string path = folder / "s";
    const Running running(path);
    CHECK(running.server->name() == running.server->uri());
    const BlockingClient client(path);
    negotiate(client);
    running.device.held = true;
    client.send(RequestBytes{.type = flush_type, .cookie = 1}.bytes());
    while (running.device.submitted_count == 0) {
        usleep(1000);
    }
    unsigned cancelled_count = 0;
    const auto closed = running.server->close(std::chrono::milliseconds{50}, [&] {
        ++cancelled_count;
        std::promise<void> done;
        running.loop.post([&] {
            running.device.forced_status = initiator::Status::cancelled;
            running.device.complete_all();
            done.set_value();
        });
        done.get_future().wait();
    });
    CHECK(closed.has_value());
    CHECK(cancelled_count == 1);
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("server: close() ends negotiating and idle clients and removes the socket") {
    const Folder folder;
    const std::string path = folder / "s";
    auto running = std::make_unique<Running>(path);
    const BlockingClient negotiating(path);
    CHECK(negotiating.receive(18).size() == 18);
    const BlockingClient idle(path);
    negotiate(idle);
    running.reset();
    CHECK(negotiating.ended());
    CHECK(idle.ended());
    CHECK_FALSE(std::filesystem::exists(path));
}
