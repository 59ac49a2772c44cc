// An NBD client that misbehaves on purpose, one case a run: nbd_abuse SOCKET SIZE_BYTES CASE
// Says what the server did; exit code 1 when that is not what a server should do. It never waits
// for more than a few seconds. Not a client for anything else.
#include "proto/nbd.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace uaoe::proto;

constexpr time_t patience_s = 10;
constexpr std::uint32_t block_bytes = 4096;

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "FAILED: %s\n", what.c_str());
    std::exit(1);
}

void check(bool good, const std::string& what) {
    if (!good) {
        fail(what);
    }
}

std::vector<std::byte> noise(std::size_t bytes) {
    std::vector<std::byte> data(bytes);
    std::uint32_t state = 0x2545f491;
    for (auto& byte : data) {
        state = state * 1664525U + 1013904223U;
        byte = static_cast<std::byte>(state >> 24U);
    }
    return data;
}

class Client {
  public:
    explicit Client(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof(address.sun_path) - 1);
        const timeval patience{.tv_sec = patience_s, .tv_usec = 0};
        setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        const void* untyped = &address;
        check(connect(fd_, static_cast<const sockaddr*>(untyped), sizeof(address)) == 0,
              "cannot connect to " + path);
    }
    ~Client() { close(fd_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // False when the server has closed the connection.
    bool send(std::span<const std::byte> data) {
        while (!data.empty()) {
            const ssize_t count = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
            if (count < 0) {
                check(errno == EPIPE || errno == ECONNRESET, "a send stalled");
                return false;
            }
            data = data.subspan(static_cast<std::size_t>(count));
        }
        return true;
    }

    template <class T>
    bool send(const T& value) {
        return send(std::as_bytes(std::span(&value, 1)));
    }

    // False at the end of the stream.
    bool receive(std::span<std::byte> data) {
        while (!data.empty()) {
            const ssize_t count = ::recv(fd_, data.data(), data.size(), 0);
            if (count <= 0) {
                check(count == 0 || errno == ECONNRESET, "the server fell silent");
                return false;
            }
            data = data.subspan(static_cast<std::size_t>(count));
        }
        return true;
    }

    template <class T>
    bool receive(T& value) {
        return receive(std::as_writable_bytes(std::span(&value, 1)));
    }

    void greet() {
        nbd::ServerHello hello;
        check(receive(hello) && hello.init_magic.value() == nbd::init_magic, "no greeting");
        nbd::ClientFlags flags;
        flags.flags = nbd::handshake_fixed_newstyle | nbd::handshake_no_zeroes;
        check(send(flags), "the flags were refused");
    }

    bool send_option(std::uint32_t option, std::uint32_t length, std::uint32_t sent_bytes) {
        nbd::OptionHeader header;
        header.magic = nbd::option_magic;
        header.option = option;
        header.bytes = length;
        return send(header) && send(std::span<const std::byte>(noise(sent_bytes)));
    }

    std::uint32_t receive_option_reply() {
        nbd::OptionReplyHeader header;
        check(receive(header), "no reply to an option");
        check(header.magic.value() == nbd::option_reply_magic, "an option's reply is out of step");
        std::vector<std::byte> data(header.bytes.value());
        check(receive(std::span(data)), "an option's reply is cut off");
        return header.reply.value();
    }

    void open() {
        greet();
        check(send_option(static_cast<std::uint32_t>(nbd::Option::export_name), 0, 0), "no option");
        nbd::ExportNameReply reply;
        check(receive(reply), "the default export cannot be opened");
    }

    bool request(std::uint16_t type, std::uint64_t offset, std::uint32_t length,
                 std::uint16_t flags = 0) {
        nbd::Request request;
        request.magic = nbd::request_magic;
        request.flags = flags;
        request.type = type;
        request.cookie = ++cookie_;
        request.offset = offset;
        request.length = length;
        return send(request);
    }

    // The error of the reply to the last request; of a read that succeeded, the data is taken, too.
    std::uint32_t reply(std::uint32_t data_bytes = 0) {
        nbd::SimpleReply reply;
        check(receive(reply), "no reply: the connection was closed");
        check(reply.magic.value() == nbd::simple_reply_magic, "a reply is out of step");
        check(reply.cookie.value() == cookie_, "a reply to another request");
        if (reply.error.value() == 0 && data_bytes > 0) {
            std::vector<std::byte> data(data_bytes);
            check(receive(std::span(data)), "a read's data is cut off");
        }
        return reply.error.value();
    }

    // True when the server answers nothing and closes.
    bool ends_silently() {
        std::array<std::byte, 1> one{};
        return !receive(std::span(one));
    }

    void check_usable() {
        check(request(0, 0, block_bytes) && reply(block_bytes) == 0,
              "a good read fails afterwards");
    }

  private:
    int fd_;
    std::uint64_t cookie_ = 0;
};

constexpr std::uint16_t read_type = 0;
constexpr std::uint16_t write_type = 1;

void die_early(const std::string& path) {
    for (int i = 0; i < 200; ++i) {
        Client client(path);
        if (i % 2 == 0) {
            client.greet();
        }
    }
    std::puts("ok: 200 clients left in the middle of the handshake");
}

void garbage_greeting(const std::string& path) {
    Client client(path);
    nbd::ServerHello hello;
    check(client.receive(hello), "no greeting");
    client.send(std::span<const std::byte>(noise(65536)));
    check(client.ends_silently(), "garbage instead of client flags was answered");
    std::puts("ok: garbage instead of client flags: the connection was closed");
}

void garbage_options(const std::string& path) {
    {
        Client client(path);
        client.greet();
        client.send(std::span<const std::byte>(noise(65536)));
        check(client.ends_silently(), "garbage instead of an option was answered");
    }
    {
        Client client(path);
        client.greet();
        check(client.send_option(0x4242, 1000, 1000), "an unknown option ended the connection");
        check(client.receive_option_reply() ==
                  static_cast<std::uint32_t>(nbd::OptionReply::error_unsupported),
              "an unknown option got another answer than unsupported");
        check(client.send_option(static_cast<std::uint32_t>(nbd::Option::list), 0, 0) &&
                  client.receive_option_reply() ==
                      static_cast<std::uint32_t>(nbd::OptionReply::server),
              "LIST does not work after an unknown option");
    }
    Client client(path);
    client.greet();
    // Four gigabytes announced, one megabyte sent: the server may answer or close, not collect it.
    client.send_option(static_cast<std::uint32_t>(nbd::Option::go), 0xffffffff, 1U << 20U);
    std::puts("ok: garbage options closed the connection, an unknown one was refused in step");
}

void garbage_requests(const std::string& path) {
    Client client(path);
    client.open();
    client.check_usable();
    client.send(std::span<const std::byte>(noise(65536)));
    check(client.ends_silently(), "garbage instead of a request was answered");
    std::puts("ok: garbage instead of a request: the connection was closed");
}

void unknown_command(const std::string& path) {
    Client client(path);
    client.open();
    check(client.request(77, 0, block_bytes), "the connection was closed");
    const std::uint32_t error = client.reply();
    check(error != 0, "an unknown command succeeded");
    client.check_usable();
    check(client.request(read_type, 0, block_bytes, 0x8000), "the connection was closed");
    check(client.reply(block_bytes) == static_cast<std::uint32_t>(nbd::Error::invalid),
          "an unknown flag was accepted");
    client.check_usable();
    std::printf("ok: an unknown command got error %u, and the stream stayed in step\n", error);
}

void oversize(const std::string& path) {
    constexpr std::uint32_t huge_bytes = 0xfffff000;
    {
        Client client(path);
        client.open();
        check(client.request(read_type, 0, huge_bytes), "the connection was closed");
        const std::uint32_t error = client.reply();
        check(error != 0, "a read of 4 GiB was accepted");
        client.check_usable();
        std::printf("ok: a read of 4 GiB got error %u\n", error);
    }
    Client client(path);
    client.open();
    constexpr std::uint32_t write_bytes = 40U << 20U; // more than any payload that is offered
    if (client.request(write_type, 0, write_bytes) &&
        client.send(std::span<const std::byte>(noise(write_bytes)))) {
        check(client.reply() != 0, "a write of 40 MiB was accepted");
        client.check_usable();
        std::puts("ok: a write of 40 MiB was refused, and the stream stayed in step");
    } else {
        std::puts("ok: a write of 40 MiB ended the connection");
    }
}

void past_end(const std::string& path, std::uint64_t size_bytes) {
    Client client(path);
    client.open();
    const auto no_space = static_cast<std::uint32_t>(nbd::Error::no_space);
    const auto invalid = static_cast<std::uint32_t>(nbd::Error::invalid);
    const std::array<std::uint64_t, 4> offsets{size_bytes, size_bytes - block_bytes / 2,
                                               std::uint64_t{1} << 60U, ~std::uint64_t{511}};
    for (const std::uint64_t offset : offsets) {
        check(client.request(read_type, offset, block_bytes) &&
                  client.reply(block_bytes) == invalid,
              "a read past the end did not get EINVAL");
        check(client.request(write_type, offset, block_bytes) &&
                  client.send(std::span<const std::byte>(noise(block_bytes))) &&
                  client.reply() == no_space,
              "a write past the end did not get ENOSPC");
    }
    client.check_usable();
    check(client.request(read_type, size_bytes - block_bytes, block_bytes) &&
              client.reply(block_bytes) == 0,
          "the last block cannot be read");
    std::puts("ok: past the end: EINVAL for reads, ENOSPC for writes, and the stream in step");
}

void unaligned(const std::string& path) {
    Client client(path);
    client.open();
    const auto invalid = static_cast<std::uint32_t>(nbd::Error::invalid);
    check(client.request(read_type, 100, 512) && client.reply(512) == invalid,
          "a read at byte 100 did not get EINVAL");
    check(client.request(write_type, 512, 100) &&
              client.send(std::span<const std::byte>(noise(100))) && client.reply() == invalid,
          "a write of 100 bytes did not get EINVAL");
    client.check_usable();
    std::puts("ok: requests of parts of a sector: EINVAL");
}

void die_mid_write(const std::string& path) {
    for (int i = 0; i < 50; ++i) {
        Client client(path);
        client.open();
        check(client.request(write_type, 0, 1U << 20U), "the connection was closed");
        client.send(std::span<const std::byte>(noise(static_cast<std::size_t>(i) * 16384 + 1)));
    }
    std::puts("ok: 50 clients left in the middle of a write's payload");
}

void die_owed_replies(const std::string& path) {
    for (int i = 0; i < 20; ++i) {
        Client client(path);
        client.open();
        for (int request = 0; request < 64; ++request) {
            client.request(read_type, 0, 1U << 20U);
        }
    }
    std::puts("ok: 20 clients left while 64 reads of 1 MiB were owed to each");
}

// Holds a connection that owes replies nobody reads, and one in mid-handshake, until stdin ends.
void sit(const std::string& path) {
    Client half(path);
    half.greet();
    Client full(path);
    full.open();
    for (int request = 0; request < 64; ++request) {
        full.request(read_type, 0, 1U << 20U);
    }
    std::puts("sitting");
    std::fflush(stdout);
    while (std::getchar() != EOF) {
    }
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: nbd_abuse SOCKET SIZE_BYTES CASE\n");
        return 2;
    }
    const std::string path = argv[1];
    const std::uint64_t size_bytes = std::strtoull(argv[2], nullptr, 10);
    const std::string_view name = argv[3];
    if (name == "die-early") {
        die_early(path);
    } else if (name == "garbage-greeting") {
        garbage_greeting(path);
    } else if (name == "garbage-options") {
        garbage_options(path);
    } else if (name == "garbage-requests") {
        garbage_requests(path);
    } else if (name == "unknown-command") {
        unknown_command(path);
    } else if (name == "oversize") {
        oversize(path);
    } else if (name == "past-end") {
        past_end(path, size_bytes);
    } else if (name == "unaligned") {
        unaligned(path);
    } else if (name == "die-mid-write") {
        die_mid_write(path);
    } else if (name == "die-owed-replies") {
        die_owed_replies(path);
    } else if (name == "sit") {
        sit(path);
    } else {
        std::fprintf(stderr, "nbd_abuse: no such case\n");
        return 2;
    }
    return 0;
}
