// The kernel's NBD driver over generic netlink: its five requests, and nothing of what is behind
// them (nbd_kernel_device.hpp). The driver works in the caller's system call, so a call takes as
// long as the driver does.
#pragma once

#include "initiator/linux/error.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

struct nl_msg;
struct nl_sock;

namespace uaoe::blockdev {

struct NbdConnect {
    std::optional<std::uint32_t> index; // nothing: the first free one, or a new one
    std::uint64_t size_bytes = 0;
    std::uint64_t block_bytes = 512;
    std::uint64_t server_flags = 0;              // transmission flags
    std::chrono::seconds timeout{0};             // of a request; 0: none
    std::chrono::seconds dead_connection_max{0}; // requests wait that long for a new socket
    std::string identifier;                      // /sys/block/nbdN/backend
    int socket = -1;                             // stays the caller's to close
};

struct NbdReconfigure {
    std::uint32_t index = 0;
    std::string identifier; // must be the one of CONNECT
    std::optional<std::uint64_t> size_bytes = std::nullopt;
    std::optional<std::chrono::seconds> timeout = std::nullopt;
    std::optional<std::chrono::seconds> dead_connection_max = std::nullopt;
    // Takes the place of a dead one. With none dead the kernel says yes and drops it.
    std::optional<int> socket = std::nullopt;
};

struct NbdDeviceStatus {
    std::uint32_t index = 0;
    bool connected = false; // also when somebody merely has an unconnected one open
    friend bool operator==(const NbdDeviceStatus&, const NbdDeviceStatus&) = default;
};

class NbdNetlink {
  public:
    // Loads the module when the driver is not there.
    static std::expected<NbdNetlink, Error> open();

    // Errors are errno values, above all EBUSY (the index is taken, or open), EINVAL (not
    // connected, or another identifier) and EPERM; error_of() puts them into words. One call at a
    // time.
    std::expected<std::uint32_t, int> connect(const NbdConnect& request); // the index
    std::expected<void, int> reconfigure(const NbdReconfigure& request);
    std::expected<void, int> disconnect(std::uint32_t index);
    std::expected<std::vector<NbdDeviceStatus>, int> status();

    // `what`: "cannot make /dev/nbd3".
    [[nodiscard]] static Error error_of(std::string what, int error);

  private:
    struct SocketDeleter {
        void operator()(nl_sock* socket) const;
    };
    using Socket = std::unique_ptr<nl_sock, SocketDeleter>;

    NbdNetlink(Socket socket, int family) : socket_(std::move(socket)), family_(family) {}
    // Returns the attributes of the answer, if there was one.
    std::expected<std::vector<std::byte>, int> ask(std::uint8_t command,
                                                   std::span<const std::byte> attributes);

    Socket socket_;
    int family_;
};

// ---- attributes, for NbdNetlink and for tests ----

[[nodiscard]] std::vector<std::byte> encode(const NbdConnect& request);
[[nodiscard]] std::vector<std::byte> encode(const NbdReconfigure& request);
[[nodiscard]] std::optional<std::uint32_t> decode_index(std::span<const std::byte> attributes);
[[nodiscard]] std::vector<NbdDeviceStatus> decode_status(std::span<const std::byte> attributes);

} // namespace uaoe::blockdev
