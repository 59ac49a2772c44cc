// The packet filter, run by the kernel on the datagrams of a socket pair.
#include "initiator/linux/packet_filter.hpp"

#include "initiator/tag.hpp"
#include "proto/frame.hpp"

#include <doctest/doctest.h>

#include <sys/socket.h>
#include <unistd.h>
#include <vector>

using namespace uaoe;
using namespace uaoe::initiator;

namespace {

class FilteredPair {
  public:
    FilteredPair(std::uint32_t shard, Answers answers) {
        REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds_) == 0);
        auto filter = make_packet_filter(shard, answers);
        const sock_fprog program{.len = static_cast<unsigned short>(filter.size()),
                                 .filter = filter.data()};
        REQUIRE(setsockopt(fds_[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0);
    }
    ~FilteredPair() {
        close(fds_[0]);
        close(fds_[1]);
    }
    FilteredPair(const FilteredPair&) = delete;
    FilteredPair& operator=(const FilteredPair&) = delete;

    // Whether all of it comes through.
    bool passes(proto::ConstBytes frame) {
        std::byte received[2048];
        [[maybe_unused]] const auto sent = send(fds_[0], frame.data(), frame.size(), 0);
        return recv(fds_[1], received, sizeof(received), 0) == static_cast<ssize_t>(frame.size());
    }

  private:
    int fds_[2] = {-1, -1};
};

std::vector<std::byte> frame(std::uint8_t flags, proto::Command command, std::uint32_t tag) {
    std::vector<std::byte> bytes(60);
    proto::write_frame_header(
        bytes, {.version_flags = flags, .address = {1, 0}, .command = command, .tag = {tag}});
    return bytes;
}

constexpr std::uint8_t response = 0x18;

} // namespace

TEST_CASE("answers to this shard's tags pass, those of others and of the kernel's driver do not") {
    for (const std::uint32_t shard : {0U, 5U, 15U}) {
        FilteredPair data(shard, Answers::data);
        FilteredPair queries(shard, Answers::query_config);
        const std::uint32_t own = make_tag({.shard = shard, .slot = 77, .generation = 3}).value;
        const std::uint32_t other =
            make_tag({.shard = shard ^ 1U, .slot = 77, .generation = 3}).value;
        CHECK(data.passes(frame(response, proto::Command::ata, own)));
        CHECK(data.passes(frame(response | 0x04, proto::Command::ata, own)));
        CHECK(queries.passes(frame(response, proto::Command::query_config, own)));
        CHECK_FALSE(data.passes(frame(response, proto::Command::ata, other)));
        CHECK_FALSE(queries.passes(frame(response, proto::Command::query_config, other)));
        CHECK_FALSE(data.passes(frame(response, proto::Command::ata, own & 0x7fffffffU)));
    }
}

TEST_CASE("each answer passes one of a shard's two sockets") {
    FilteredPair data(3, Answers::data);
    FilteredPair queries(3, Answers::query_config);
    const std::uint32_t own = tag_shard_pattern(3);
    for (const auto command : {proto::Command::ata, proto::Command::query_config, proto::Command{2},
                               proto::Command{3}}) {
        const bool is_query = command == proto::Command::query_config;
        CHECK(data.passes(frame(response, command, own)) == !is_query);
        CHECK(queries.passes(frame(response, command, own)) == is_query);
    }
}

TEST_CASE("requests of others do not pass") {
    FilteredPair data(0, Answers::data);
    FilteredPair queries(0, Answers::query_config);
    CHECK_FALSE(data.passes(frame(0x10, proto::Command::ata, tag_shard_pattern(0))));
    CHECK_FALSE(queries.passes(frame(0x10, proto::Command::query_config, tag_shard_pattern(0))));
}

TEST_CASE("boot advertisements pass: Query Config with tag 0, whatever their version") {
    FilteredPair data(3, Answers::data);
    FilteredPair queries(3, Answers::query_config);
    CHECK(queries.passes(frame(0x08, proto::Command::query_config, 0)));
    CHECK(queries.passes(frame(response, proto::Command::query_config, 0)));
    CHECK_FALSE(data.passes(frame(response, proto::Command::query_config, 0)));
    CHECK_FALSE(data.passes(frame(response, proto::Command::ata, 0)));
    CHECK_FALSE(queries.passes(frame(response, proto::Command::ata, 0)));
}

TEST_CASE("other ethertypes and short frames do not pass") {
    FilteredPair pair(0, Answers::data);
    auto bytes = frame(response, proto::Command::ata, tag_shard_pattern(0));
    CHECK_FALSE(pair.passes(std::span(bytes).first(20)));
    bytes[13] = std::byte{0xa3};
    CHECK_FALSE(pair.passes(bytes));
}
