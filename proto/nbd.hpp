// NBD on the wire (NetworkBlockDevice/nbd doc/proto.md): constants and messages. The session's
// rules are in blockdev/. Everything is big-endian.
#pragma once

#include "proto/wire.hpp"

#include <boost/endian/buffers.hpp>

#include <cstddef>
#include <cstdint>

namespace uaoe::proto::nbd {

using boost::endian::big_uint16_buf_t;
using boost::endian::big_uint32_buf_t;
using boost::endian::big_uint64_buf_t;

// ---- handshake: fixed newstyle ----

inline constexpr std::uint64_t init_magic = 0x4e42444d41474943;   // "NBDMAGIC"
inline constexpr std::uint64_t option_magic = 0x49484156454f5054; // "IHAVEOPT"
inline constexpr std::uint64_t option_reply_magic = 0x3e889045565a9;

inline constexpr std::uint16_t handshake_fixed_newstyle = 1;
inline constexpr std::uint16_t handshake_no_zeroes = 2;

enum class Option : std::uint32_t {
    export_name = 1,
    abort = 2,
    list = 3,
    starttls = 5,
    info = 6,
    go = 7,
    structured_reply = 8,
    list_meta_context = 9,
    set_meta_context = 10,
    extended_headers = 11,
};

enum class OptionReply : std::uint32_t {
    ack = 1,
    server = 2,
    info = 3,
    meta_context = 4,
    error_unsupported = 0x80000001,
    error_policy = 0x80000002,
    error_invalid = 0x80000003,
    error_platform = 0x80000004,
    error_tls_required = 0x80000005,
    error_unknown = 0x80000006,
    error_shutdown = 0x80000007,
    error_block_size_required = 0x80000008,
    error_too_big = 0x80000009,
};

enum class Info : std::uint16_t { export_size = 0, name = 1, description = 2, block_size = 3 };

struct ServerHello {
    big_uint64_buf_t init_magic;
    big_uint64_buf_t option_magic;
    big_uint16_buf_t flags;
};
static_assert(WireStruct<ServerHello> && sizeof(ServerHello) == 18);

struct ClientFlags {
    big_uint32_buf_t flags;
};
static_assert(WireStruct<ClientFlags> && sizeof(ClientFlags) == 4);

struct OptionHeader {
    big_uint64_buf_t magic;
    big_uint32_buf_t option;
    big_uint32_buf_t bytes;
};
static_assert(WireStruct<OptionHeader> && sizeof(OptionHeader) == 16);

struct OptionReplyHeader {
    big_uint64_buf_t magic;
    big_uint32_buf_t option;
    big_uint32_buf_t reply;
    big_uint32_buf_t bytes;
};
static_assert(WireStruct<OptionReplyHeader> && sizeof(OptionReplyHeader) == 20);

// Answer to EXPORT_NAME; followed by 124 zero bytes unless both sides said no_zeroes.
struct ExportNameReply {
    big_uint64_buf_t size_bytes;
    big_uint16_buf_t flags;
};
static_assert(WireStruct<ExportNameReply> && sizeof(ExportNameReply) == 10);
inline constexpr std::size_t export_name_zeroes_bytes = 124;

struct InfoExport {
    big_uint16_buf_t type; // Info::export_size
    big_uint64_buf_t size_bytes;
    big_uint16_buf_t flags;
};
static_assert(WireStruct<InfoExport> && sizeof(InfoExport) == 12);

struct InfoBlockSize {
    big_uint16_buf_t type; // Info::block_size
    big_uint32_buf_t minimum_bytes;
    big_uint32_buf_t preferred_bytes;
    big_uint32_buf_t maximum_bytes; // of payload; commands without payload may be longer
};
static_assert(WireStruct<InfoBlockSize> && sizeof(InfoBlockSize) == 14);

// Transmission flags of an export.
inline constexpr std::uint16_t flag_has_flags = 1U << 0U;
inline constexpr std::uint16_t flag_read_only = 1U << 1U;
inline constexpr std::uint16_t flag_send_flush = 1U << 2U;
inline constexpr std::uint16_t flag_send_fua = 1U << 3U;
inline constexpr std::uint16_t flag_rotational = 1U << 4U;
inline constexpr std::uint16_t flag_send_trim = 1U << 5U;
inline constexpr std::uint16_t flag_send_write_zeroes = 1U << 6U;
inline constexpr std::uint16_t flag_send_df = 1U << 7U;
inline constexpr std::uint16_t flag_can_multi_conn = 1U << 8U;

// ---- transmission ----

inline constexpr std::uint32_t request_magic = 0x25609513;
inline constexpr std::uint32_t simple_reply_magic = 0x67446698;
inline constexpr std::uint32_t structured_reply_magic = 0x668e33ef;

enum class CommandType : std::uint16_t {
    read = 0,
    write = 1,
    disconnect = 2,
    flush = 3,
    trim = 4,
    cache = 5,
    write_zeroes = 6,
    block_status = 7,
};

// Command flags.
inline constexpr std::uint16_t command_fua = 1U << 0U;
inline constexpr std::uint16_t command_no_hole = 1U << 1U;
inline constexpr std::uint16_t command_df = 1U << 2U;

enum class Error : std::uint32_t {
    none = 0,
    not_permitted = 1,  // EPERM
    io = 5,             // EIO
    no_memory = 12,     // ENOMEM
    invalid = 22,       // EINVAL
    no_space = 28,      // ENOSPC
    overflow = 75,      // EOVERFLOW
    not_supported = 95, // ENOTSUP
    shutdown = 108,     // ESHUTDOWN
};

struct Request {
    big_uint32_buf_t magic;
    big_uint16_buf_t flags;
    big_uint16_buf_t type;
    big_uint64_buf_t cookie;
    big_uint64_buf_t offset;
    big_uint32_buf_t length;
};
static_assert(WireStruct<Request> && sizeof(Request) == 28);

struct SimpleReply {
    big_uint32_buf_t magic;
    big_uint32_buf_t error;
    big_uint64_buf_t cookie;
};
static_assert(WireStruct<SimpleReply> && sizeof(SimpleReply) == 16);

inline constexpr std::uint16_t chunk_flag_done = 1;

enum class Chunk : std::uint16_t { none = 0, offset_data = 1, offset_hole = 2, error = 0x8001 };

struct StructuredReply {
    big_uint32_buf_t magic;
    big_uint16_buf_t flags;
    big_uint16_buf_t type;
    big_uint64_buf_t cookie;
    big_uint32_buf_t bytes; // of what follows
};
static_assert(WireStruct<StructuredReply> && sizeof(StructuredReply) == 20);

// Chunk::offset_data: this, then the data.
struct ChunkOffset {
    big_uint64_buf_t offset;
};
static_assert(WireStruct<ChunkOffset> && sizeof(ChunkOffset) == 8);

// Chunk::error: this, then `message_bytes` of text.
struct ChunkError {
    big_uint32_buf_t error;
    big_uint16_buf_t message_bytes;
};
static_assert(WireStruct<ChunkError> && sizeof(ChunkError) == 6);

} // namespace uaoe::proto::nbd
