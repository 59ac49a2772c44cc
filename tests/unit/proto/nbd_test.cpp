// NBD messages as they lie on the wire, byte by byte. The session is tested with blockdev/.
#include "../target/hex.hpp"
#include "proto/nbd.hpp"

#include <doctest/doctest.h>

using namespace uaoe;
using namespace uaoe::proto;
using target::test::from_hex;
using target::test::to_hex;

namespace {

// The same bytes both ways: written as `text`, and read back from it field by field by the caller.
template <class T>
void check_bytes(const T& value, std::string_view text) {
    std::array<std::byte, sizeof(T)> out{};
    store(Bytes(out), value);
    const auto expected = from_hex(text);
    CHECK(to_hex(out) == to_hex(expected));
    CHECK_FALSE(load<T>(std::span(expected).first(sizeof(T) - 1)).has_value());
}

} // namespace

TEST_CASE("the server's hello") {
    nbd::ServerHello hello{};
    hello.init_magic = nbd::init_magic;
    hello.option_magic = nbd::option_magic;
    hello.flags = nbd::handshake_fixed_newstyle | nbd::handshake_no_zeroes;
    // "NBDMAGIC" "IHAVEOPT"
    check_bytes(hello, "4e42444d41474943 49484156454f5054 0003");
}

TEST_CASE("options and their replies") {
    const auto go = from_hex("49484156454f5054 00000007 0000000e");
    const auto option = load<nbd::OptionHeader>(go);
    CHECK(option->magic.value() == nbd::option_magic);
    CHECK(static_cast<nbd::Option>(option->option.value()) == nbd::Option::go);
    CHECK(option->bytes.value() == 14);

    nbd::OptionReplyHeader reply{};
    reply.magic = nbd::option_reply_magic;
    reply.option = static_cast<std::uint32_t>(nbd::Option::go);
    reply.reply = static_cast<std::uint32_t>(nbd::OptionReply::error_unknown);
    reply.bytes = 5;
    check_bytes(reply, "0003e889045565a9 00000007 80000006 00000005");

    nbd::ExportNameReply name{};
    name.size_bytes = 0x0102030405060708;
    name.flags = nbd::flag_has_flags | nbd::flag_send_flush | nbd::flag_can_multi_conn;
    check_bytes(name, "0102030405060708 0105");

    nbd::InfoExport info{};
    info.type = static_cast<std::uint16_t>(nbd::Info::export_size);
    info.size_bytes = 1ULL << 40U;
    info.flags = nbd::flag_has_flags | nbd::flag_read_only | nbd::flag_rotational;
    check_bytes(info, "0000 0000010000000000 0013");

    nbd::InfoBlockSize sizes{};
    sizes.type = static_cast<std::uint16_t>(nbd::Info::block_size);
    sizes.minimum_bytes = 512;
    sizes.preferred_bytes = 4096;
    sizes.maximum_bytes = 32U << 20U;
    check_bytes(sizes, "0003 00000200 00001000 02000000");
}

TEST_CASE("transmission flags are the protocol's bits") {
    CHECK((nbd::flag_has_flags | nbd::flag_send_flush | nbd::flag_send_fua | nbd::flag_send_trim |
           nbd::flag_send_write_zeroes | nbd::flag_can_multi_conn) == 0x16d);
    CHECK(nbd::flag_send_df == 0x80);
}

TEST_CASE("requests and replies") {
    const auto write = from_hex("25609513 0001 0001 1122334455667788 0000000100000200 00001000");
    const auto request = load<nbd::Request>(write);
    CHECK(request->magic.value() == nbd::request_magic);
    CHECK(request->flags.value() == nbd::command_fua);
    CHECK(static_cast<nbd::CommandType>(request->type.value()) == nbd::CommandType::write);
    CHECK(request->cookie.value() == 0x1122334455667788);
    CHECK(request->offset.value() == 0x100000200);
    CHECK(request->length.value() == 4096);
    check_bytes(*request, "25609513 0001 0001 1122334455667788 0000000100000200 00001000");

    nbd::SimpleReply simple{};
    simple.magic = nbd::simple_reply_magic;
    simple.error = static_cast<std::uint32_t>(nbd::Error::no_space);
    simple.cookie = 0x1122334455667788;
    check_bytes(simple, "67446698 0000001c 1122334455667788");

    nbd::StructuredReply chunk{};
    chunk.magic = nbd::structured_reply_magic;
    chunk.flags = nbd::chunk_flag_done;
    chunk.type = static_cast<std::uint16_t>(nbd::Chunk::error);
    chunk.cookie = 0x1122334455667788;
    chunk.bytes = 6;
    check_bytes(chunk, "668e33ef 0001 8001 1122334455667788 00000006");

    nbd::ChunkOffset offset{};
    offset.offset = 0x200;
    check_bytes(offset, "0000000000000200");

    nbd::ChunkError error{};
    error.error = static_cast<std::uint32_t>(nbd::Error::io);
    error.message_bytes = 3;
    check_bytes(error, "00000005 0003");
}

TEST_CASE("commands are the protocol's numbers") {
    CHECK(static_cast<int>(nbd::CommandType::disconnect) == 2);
    CHECK(static_cast<int>(nbd::CommandType::flush) == 3);
    CHECK(static_cast<int>(nbd::CommandType::trim) == 4);
    CHECK(static_cast<int>(nbd::CommandType::write_zeroes) == 6);
    CHECK(static_cast<int>(nbd::Option::structured_reply) == 8);
}
