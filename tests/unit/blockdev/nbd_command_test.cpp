// Every command and every refusal, over a socket.
#include "nbd_connection_bench.hpp"

using namespace uaoe;
using namespace uaoe::test;

namespace {

constexpr unsigned eperm = 1;
constexpr unsigned eio = 5;
constexpr unsigned einval = 22;
constexpr unsigned enospc = 28;
constexpr unsigned eshutdown = 108;

constexpr std::uint64_t size = 1U << 20U;

// The error of one command; afterwards the stream must still be in step.
unsigned error_of(Bench& bench, Client& client, const RequestBytes& request,
                  const ByteVector& payload = {}) {
    const auto reply = bench.ask(client, request, payload);
    const auto error = std::to_integer<unsigned>(reply[7]);
    CHECK(reply == simple_reply(error, request.cookie));
    CHECK(
        bench.ask(client, {.type = read_type, .cookie = 77, .length = 512}, {}, 16 + 512).size() ==
        528);
    return error;
}

} // namespace

TEST_CASE("commands: a write is read back, and literally so") {
    Bench bench;
    auto client = bench.connect();
    const auto data = pattern(4096);
    const auto reply = bench.ask(client,
                                 {.flags = 1,
                                  .type = write_type,
                                  .cookie = 0x0102030405060708,
                                  .offset = 8192,
                                  .length = 4096},
                                 data);
    CHECK(reply == hex("67 44 66 98  00 00 00 00  01 02 03 04 05 06 07 08"));
    CHECK(bench.device.fua_count == 1);
    CHECK(bench.ask(client, {.type = read_type, .cookie = 9, .offset = 8192, .length = 4096}, {},
                    16 + 4096) == join({simple_reply(0, 9), data}));
}

TEST_CASE("commands: flush, trim and write zeroes; the long ones too") {
    Bench bench({.bytes = 64U << 20U});
    auto client = bench.connect();
    std::ranges::fill(bench.device.data, std::byte{7});
    CHECK(error_of(bench, client, {.type = flush_type, .cookie = 1}) == 0);
    CHECK(error_of(bench, client, {.flags = 1, .type = flush_type, .cookie = 2}) == 0);
    CHECK(error_of(bench, client, {.type = trim_type, .offset = 512, .length = 512}) == 0);
    CHECK(bench.device.data[511] == std::byte{7});
    CHECK(bench.device.data[512] == std::byte{0});
    CHECK(bench.device.data[1024] == std::byte{7});
    // Longer than the longest payload, without a buffer, in one request.
    const auto before = bench.device.submitted_count;
    CHECK(bench.ask(client, {.flags = 3, .type = zero_type, .cookie = 3, .length = 64U << 20U}) ==
          simple_reply(0, 3));
    CHECK(bench.device.submitted_count == before + 1);
    CHECK(bench.device.fua_count == 1);
    CHECK(std::ranges::all_of(bench.device.data, [](std::byte b) { return b == std::byte{0}; }));
}

TEST_CASE("commands: what does not fit the device is refused") {
    Bench bench;
    auto client = bench.connect();
    const auto data = pattern(512);
    struct Case {
        RequestBytes request;
        unsigned error;
    };
    const std::initializer_list<Case> cases = {
        {{.type = read_type, .offset = size, .length = 512}, einval},
        {{.type = read_type, .offset = size - 512, .length = 1024}, einval},
        {{.type = read_type, .offset = ~0ULL - 511, .length = 512}, einval},
        {{.type = write_type, .offset = size, .length = 512}, enospc},
        {{.type = write_type, .offset = ~0ULL - 511, .length = 512}, enospc},
        {{.type = trim_type, .offset = size, .length = 512}, einval},
        {{.type = zero_type, .offset = size - 512, .length = 1024}, enospc},
        {{.type = zero_type, .length = 0xfffffe00}, enospc},
        {{.type = read_type, .offset = 1, .length = 512}, einval},
        {{.type = read_type, .length = 513}, einval},
        {{.type = write_type, .offset = 256, .length = 512}, einval},
        {{.type = read_type, .length = 0}, einval},
        {{.type = write_type, .length = 0}, einval},
        {{.type = trim_type, .length = 0}, einval},
        {{.type = zero_type, .length = 0}, einval},
        {{.type = read_type, .length = (32U << 20U) + 512}, einval},
        {{.flags = 4, .type = read_type, .length = 512}, einval},  // DF, not structured
        {{.flags = 2, .type = write_type, .length = 512}, einval}, // NO_HOLE on a write
        {{.flags = 16, .type = zero_type, .length = 512}, einval}, // FAST_ZERO, not offered
        {{.flags = 0x8000, .type = read_type, .length = 512}, einval},
        {{.type = cache_type, .length = 512}, einval},
        {{.type = 7, .length = 512}, einval},
        {{.type = 4711, .length = 512}, einval},
    };
    for (const Case& c : cases) {
        CAPTURE(c.request.type);
        CAPTURE(c.request.offset);
        CAPTURE(c.request.length);
        const auto payload =
            c.request.type == write_type ? pattern(c.request.length) : ByteVector{};
        CHECK(error_of(bench, client, c.request, payload) == c.error);
    }
    CHECK(bench.device.submitted_count == cases.size()); // only the reads of error_of()
}

TEST_CASE("commands: a WRITE that is too long is read off and refused; an absurd one ends it") {
    Bench bench({.bytes = 128U << 20U});
    auto client = bench.connect();
    const RequestBytes request{.type = write_type, .cookie = 4, .length = (32U << 20U) + 512};
    CHECK(error_of(bench, client, request, ByteVector(request.length)) == einval);
    bench.send(client, RequestBytes{.type = write_type, .length = 0xfffffe00}.bytes());
    bench.expect_end(client);
}

TEST_CASE("commands: read-only, and without flush and trim") {
    Bench bench({.read_only = true, .can_flush = false, .can_discard = false});
    auto client = bench.connect();
    CHECK(error_of(bench, client, {.type = write_type, .length = 70'144}, pattern(70'144)) ==
          eperm);
    CHECK(error_of(bench, client, {.type = zero_type, .length = 512}) == eperm);
    CHECK(error_of(bench, client, {.type = trim_type, .length = 512}) == eperm);
    // Never pretended.
    CHECK(error_of(bench, client, {.type = flush_type}) == einval);
    CHECK(error_of(bench, client, {.flags = 1, .type = read_type, .length = 512}) == einval);
}

TEST_CASE("commands: the end of a request becomes the right error") {
    using initiator::Status;
    struct Case {
        Status status;
        unsigned read_error;
        unsigned write_error;
    };
    for (const Case c :
         {Case{Status::io_error, eio, eio}, Case{Status::timed_out, eio, eio},
          Case{Status::reserved, eio, eio}, Case{Status::unavailable, eio, eio},
          Case{Status::out_of_range, einval, enospc}, Case{Status::read_only, eperm, eperm},
          Case{Status::unsupported, 95, 95}, Case{Status::invalid, einval, einval},
          Case{Status::cancelled, eshutdown, eshutdown}}) {
        Bench bench;
        auto client = bench.connect();
        bench.device.forced_status = c.status;
        CHECK(bench.ask(client, {.type = read_type, .cookie = 5, .length = 512}) ==
              simple_reply(c.read_error, 5));
        CHECK(bench.ask(client, {.type = write_type, .cookie = 6, .length = 512}, pattern(512)) ==
              simple_reply(c.write_error, 6));
    }
}

TEST_CASE("commands: structured replies, literally") {
    Bench bench;
    auto client = bench.connect(true);
    const auto data = pattern(512);
    // NONE + DONE
    CHECK(bench.ask(client, {.type = write_type, .cookie = 1, .offset = 1024, .length = 512}, data,
                    20) == hex("66 8e 33 ef  00 01  00 00  00 00 00 00 00 00 00 01  00 00 00 00"));
    // OFFSET_DATA + DONE, DF accepted
    CHECK(bench.ask(client,
                    {.flags = 4, .type = read_type, .cookie = 2, .offset = 1024, .length = 512}, {},
                    28 + 512) ==
          join({hex("66 8e 33 ef  00 01  00 01  00 00 00 00 00 00 00 02  00 00 02 08"),
                hex("00 00 00 00 00 00 04 00"), data}));
    // ERROR + DONE
    CHECK(bench.ask(client, {.type = read_type, .cookie = 3, .offset = size, .length = 512}, {},
                    26) ==
          join({hex("66 8e 33 ef  00 01  80 01  00 00 00 00 00 00 00 03  00 00 00 06"),
                hex("00 00 00 16 00 00")}));
    bench.device.forced_status = initiator::Status::io_error;
    CHECK(bench.ask(client, {.type = read_type, .cookie = 4, .length = 512}, {}, 26) ==
          join({hex("66 8e 33 ef  00 01  80 01  00 00 00 00 00 00 00 04  00 00 00 06"),
                hex("00 00 00 05 00 00")}));
}
