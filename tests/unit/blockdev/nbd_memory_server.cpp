// Serves RAM over NBD through the real front end, for clients run by hand and by scripts:
//   nbd_memory_server SOCKET [BYTES] [ro] [noflush]
// Prints the URI once it is usable; ends on SIGINT or SIGTERM.
#include "blockdev/nbd_server.hpp"
#include "memory_device.hpp"
#include "ring_loop.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>

int main(int argc, char** argv) {
    using namespace uaoe;
    if (argc < 2) {
        std::fputs("usage: nbd_memory_server SOCKET [BYTES] [ro] [noflush]\n", stderr);
        return 2;
    }
    test::MemoryDevice::Options options{.bytes = 256U << 20U};
    for (int i = 2; i < argc; ++i) {
        const std::string_view argument = argv[i];
        if (argument == "ro") {
            options.read_only = true;
        } else if (argument == "noflush") {
            options.can_flush = false;
        } else {
            options.bytes = std::strtoull(argv[i], nullptr, 10);
        }
    }
    test::RingLoop loop;
    test::MemoryDevice device(loop.ring(), options);
    boost::asio::io_context context;
    auto server = blockdev::NbdServer::listen(context, loop.data_thread(),
                                              blockdev::NbdExport(device), argv[1]);
    if (!server) {
        std::fprintf(stderr, "nbd_memory_server: %s\n", server.error().line().c_str());
        return 1;
    }
    std::thread shard([&loop] { loop.run(); });
    boost::asio::signal_set signals(context, SIGINT, SIGTERM);
    signals.async_wait([&](const boost::system::error_code&, int) {
        (*server)->close();
        context.stop();
    });
    std::puts((*server)->uri().c_str());
    std::fflush(stdout);
    context.run();
    const bool closed = (*server)->wait_closed(std::chrono::seconds{2});
    loop.stop();
    shard.join();
    std::fputs(closed ? "closed\n" : "not closed in time\n", stderr);
    return closed ? 0 : 1;
}
