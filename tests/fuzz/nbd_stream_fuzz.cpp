// NBD's transmission phase on a real ring and socket: the first byte chooses the replies' form and
// the length of the pieces, the rest is what a client sends before it dies. Whatever it was, each
// request comes back, no buffer is lost and the connection ends.
#include "../unit/blockdev/memory_device.hpp"
#include "../unit/blockdev/ring_loop.hpp"
#include "blockdev/nbd_service.hpp"

#include "proto/assert.hpp"

#include <array>
#include <sys/socket.h>
#include <unistd.h>

using namespace uaoe;

namespace {

struct Bench {
    test::RingLoop loop;
    test::MemoryDevice device{loop.ring(), {.bytes = 1U << 16U}};
    std::shared_ptr<blockdev::NbdService> service =
        blockdev::NbdService::make(loop.ring(), blockdev::NbdExport(device), test::make_pool(1));
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0 || size > 65536) {
        return 0;
    }
    static Bench bench;
    std::array<int, 2> fds{};
    UAOE_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) == 0);
    bench.service->announce_connection();
    bench.service->add(fds[0], (data[0] & 1U) != 0);
    const std::size_t piece_bytes = (data[0] & 2U) != 0 ? 13 : 4096;
    std::array<std::byte, 65536> replies;
    for (std::size_t at = 1; at < size; at += piece_bytes) {
        if (send(fds[1], data + at, std::min(piece_bytes, size - at), MSG_DONTWAIT | MSG_NOSIGNAL) <
            0) {
            break;
        }
        bench.loop.turn(initiator::Duration::zero());
        [[maybe_unused]] const auto count =
            recv(fds[1], replies.data(), replies.size(), MSG_DONTWAIT);
    }
    close(fds[1]);
    int turns_count = 0;
    while (bench.service->connections_count() > 0) {
        UAOE_ASSERT(++turns_count < 5000);
        bench.loop.turn(std::chrono::milliseconds{1});
    }
    const auto& arena = bench.service->buffers().arena();
    UAOE_ASSERT(arena.free_bytes() == arena.capacity_bytes());
    return 0;
}
