// A connection on a socketpair, with a device in RAM behind it: what its tests have in common.
#pragma once

#include "blockdev/nbd_service.hpp"
#include "memory_device.hpp"
#include "nbd_bytes.hpp"
#include "ring_loop.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace uaoe::test {

// The client's end: never blocks, so that one thread plays both sides.
class Client {
  public:
    explicit Client(int fd) : fd_(fd) {}
    Client(Client&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Client& operator=(Client&&) = delete;
    ~Client() { close(); }
    void close() {
        if (fd_ >= 0) {
            ::close(std::exchange(fd_, -1));
        }
    }
    [[nodiscard]] int fd() const { return fd_; }

    // Sends as much as the socket takes; the rest is left in `bytes`.
    void send_some(std::span<const std::byte>& bytes) const {
        const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            bytes = bytes.subspan(static_cast<std::size_t>(sent));
        }
    }
    void receive_some() {
        std::array<std::byte, 65536> room;
        ssize_t count = 0;
        while ((count = recv(fd_, room.data(), room.size(), MSG_DONTWAIT)) > 0) {
            received.insert(received.end(), room.begin(), room.begin() + count);
        }
        if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
            ended = true;
        }
    }

    ByteVector received;
    bool ended = false; // the server closed

  private:
    int fd_;
};

struct Bench {
    explicit Bench(const MemoryDevice::Options& options = {}, std::size_t buffer_bytes = 1)
        : device(loop.ring(), options),
          service(blockdev::NbdService::make(loop.ring(), blockdev::NbdExport(device),
                                             make_pool(buffer_bytes))) {}
    // Whatever a test did: everything comes back.
    ~Bench() {
        device.held = false;
        device.complete_all();
        service->close();
        service->cut();
        until([&] {
            device.complete_all();
            return service->connections_count() == 0;
        });
        CHECK(service->wait_closed(std::chrono::milliseconds{0}));
        const auto& arena = service->buffers().arena();
        CHECK(arena.free_bytes() == arena.capacity_bytes());
    }
    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;

    Client connect(bool structured_replies = false) {
        std::array<int, 2> fds{};
        REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) == 0);
        service->announce_connection();
        service->add(fds[0], structured_replies);
        return Client(fds[1]);
    }

    // Turns the loop until `done`; fails the test after 10 s.
    void until(const std::function<bool()>& done) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{10};
        while (!done()) {
            REQUIRE(std::chrono::steady_clock::now() < deadline);
            loop.turn(std::chrono::milliseconds{1});
        }
    }
    // A few turns in which nothing is expected to happen.
    void settle() {
        for (int i = 0; i < 20; ++i) {
            loop.turn(std::chrono::milliseconds{1});
        }
    }
    void send(Client& client, const ByteVector& bytes) {
        std::span<const std::byte> rest = bytes;
        until([&] {
            client.send_some(rest);
            return rest.empty();
        });
    }
    // Exactly the next `bytes_count` bytes from the server.
    ByteVector receive(Client& client, std::size_t bytes_count) {
        until([&] {
            client.receive_some();
            return client.received.size() >= bytes_count || client.ended;
        });
        REQUIRE(client.received.size() >= bytes_count);
        const auto end = client.received.begin() + static_cast<std::ptrdiff_t>(bytes_count);
        ByteVector bytes(client.received.begin(), end);
        client.received.erase(client.received.begin(), end);
        return bytes;
    }
    ByteVector ask(Client& client, const RequestBytes& request, const ByteVector& payload = {},
                   std::size_t reply_bytes = 16) {
        send(client, request.bytes(payload));
        return receive(client, reply_bytes);
    }
    void expect_end(Client& client) {
        until([&] {
            client.receive_some();
            return client.ended;
        });
        CHECK(client.received.empty());
    }

    RingLoop loop;
    MemoryDevice device;
    std::shared_ptr<blockdev::NbdService> service;
};

// Bytes that differ from place to place.
inline ByteVector pattern(std::size_t bytes_count, unsigned seed = 1) {
    ByteVector bytes(bytes_count);
    std::uint32_t value = seed * 2654435761U + 1;
    for (std::byte& byte : bytes) {
        value = value * 1664525U + 1013904223U;
        byte = static_cast<std::byte>(value >> 24U);
    }
    return bytes;
}

} // namespace uaoe::test
