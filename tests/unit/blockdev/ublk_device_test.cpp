// The life of a disk against a fake kernel: made, served, closed, left, recovered; and the ways
// each of these can go wrong.
#include "ublk_test_server.hpp"

#include <cerrno>
#include <unistd.h>

using namespace uaoe;
using namespace std::chrono_literals;
using blockdev::UblkControl;
using blockdev::UblkDevice;
using blockdev::UblkOptions;
using test::DiskIo;
using test::FakeUblkKernel;
using test::UblkServer;
namespace ublk = blockdev::ublk;

namespace {

std::shared_ptr<DiskIo> make_io(std::uint32_t operation, std::uint64_t sector_first,
                                std::uint32_t sectors_count, unsigned value = 0) {
    auto io = std::make_shared<DiskIo>();
    io->operation_flags = operation;
    io->sector_first = sector_first;
    io->sectors_count = sectors_count;
    if (operation == ublk::io_read || operation == ublk::io_write) {
        io->data.resize(std::size_t{sectors_count} * 512, static_cast<std::byte>(value));
    }
    return io;
}

int do_io(FakeUblkKernel& kernel, const std::shared_ptr<DiskIo>& io) {
    kernel.submit(0, io);
    REQUIRE(kernel.wait(*io));
    return *io->result;
}

} // namespace

TEST_CASE("ublk device: is made, serves and goes, and leaves nothing behind") {
    FakeUblkKernel kernel;
    UblkServer server(kernel, {.bytes = 1U << 20U});
    server.create({.queue_depth = 16});
    CHECK(server.disk->name() == "/dev/ublkb0");
    CHECK(!server.disk->is_recoverable());
    const auto listed = server.control->list();
    REQUIRE(listed.size() == 1);
    CHECK(listed[0].state == ublk::DeviceState::live);
    CHECK(listed[0].server_pid == getpid());
    CHECK(listed[0].address == proto::Address{.shelf = 1, .slot = 0});

    CHECK(do_io(kernel, make_io(ublk::io_write, 8, 8, 0x5a)) == 0);
    const auto read = make_io(ublk::io_read, 8, 8);
    CHECK(do_io(kernel, read) == 0);
    CHECK(read->data == std::vector<std::byte>(4096, std::byte{0x5a}));
    CHECK(do_io(kernel, make_io(ublk::io_flush, 0, 0)) == 0);

    int cancels_count = 0;
    const auto cancel = [&] {
        ++cancels_count;
        server.cancel();
    };
    CHECK(server.disk->close(5s, cancel).has_value());
    CHECK(server.disk->close(5s, cancel).has_value()); // is closed
    CHECK(cancels_count == 1);
    CHECK(kernel.disks_count() == 0);
    CHECK(server.buffers->arena().free_bytes() == server.buffers->arena().capacity_bytes());
}

TEST_CASE("ublk device: takes what the kernel offers, down to the first opcodes") {
    FakeUblkKernel kernel;
    SUBCASE("before 6.5") {
        kernel.features = 0;
        UblkServer server(kernel, {});
        kernel.features = 0x1f;
        server.create({.queue_depth = 4, .recoverable = true});
        CHECK(server.disk->is_recoverable());
        CHECK(do_io(kernel, make_io(ublk::io_write, 0, 8, 1)) == 0);
        CHECK(server.disk->close(5s, [] {}).has_value());
        CHECK(kernel.disks_count() == 0);
    }
    SUBCASE("and says when that is too little") {
        kernel.features &= ~ublk::feature_get_data;
        UblkServer server(kernel, {});
        const auto created =
            UblkDevice::create(*server.control, server.data_thread(), server.device, {});
        REQUIRE(!created.has_value());
        CHECK(created.error().why.find("NEED_GET_DATA") != std::string::npos);
        CHECK(kernel.disks_count() == 0);
    }
}

TEST_CASE("ublk device: a failure of create() leaves nothing behind") {
    FakeUblkKernel kernel;
    UblkServer server(kernel, {});
    SUBCASE("of the caller") {
        std::optional<std::uint32_t> told;
        const auto created = UblkDevice::create(
            *server.control, server.data_thread(), server.device, {},
            [&](std::uint32_t id) -> std::expected<void, Error> {
                told = id;
                return std::unexpected(Error{.what = "no room", .why = {}, .what_to_do = {}});
            });
        REQUIRE(!created.has_value());
        CHECK(created.error().what == "no room");
        CHECK(told == 0U);
    }
    SUBCASE("of the queue") {
        kernel.refuses_fetch = true;
        const auto created =
            UblkDevice::create(*server.control, server.data_thread(), server.device, {});
        REQUIRE(!created.has_value());
        CHECK(created.error().why.find("Invalid argument") != std::string::npos);
    }
    SUBCASE("of the parameters") {
        server.device.change_info().sectors.value = 0;
        const auto created =
            UblkDevice::create(*server.control, server.data_thread(), server.device, {});
        CHECK(!created.has_value());
    }
    CHECK(kernel.disks_count() == 0);
}

TEST_CASE("ublk device: closes although a request is held and the disk is open") {
    FakeUblkKernel kernel;
    UblkServer server(kernel, {});
    server.create({.queue_depth = 4});
    server.hold();
    const auto held = make_io(ublk::io_write, 0, 8, 1);
    kernel.submit(0, held);
    std::vector<std::shared_ptr<DiskIo>> more; // more than there are tags
    for (int i = 0; i < 8; ++i) {
        more.push_back(make_io(ublk::io_read, 8, 8));
        kernel.submit(0, more.back());
    }
    kernel.set_openers(0, 1);
    CHECK(!kernel.wait(*held, 50ms));
    int cancels_count = 0;
    const auto closed = server.disk->close(50ms, [&] {
        ++cancels_count;
        server.cancel();
    });
    CHECK(closed.has_value());
    CHECK(cancels_count == 1);
    CHECK(held->result == -EIO);
    for (const auto& io : more) {
        REQUIRE(kernel.wait(*io));
        CHECK(io->result == -EIO);
    }
    CHECK(server.device.submitted_count == 4); // those that came later did not touch it
    kernel.set_openers(0, 0);
    CHECK(kernel.disks_count() == 0);
}

TEST_CASE("ublk device: can be closed again after an error") {
    FakeUblkKernel kernel;
    UblkServer server(kernel, {}, 1U << 20U, 200ms);
    server.create({.queue_depth = 4});
    int cancels_count = 0;
    const auto close = [&](std::chrono::milliseconds grace) {
        return server.disk->close(grace, [&] {
            ++cancels_count;
            server.cancel();
        });
    };
    SUBCASE("of the deletion") {
        kernel.delete_error = -EINTR;
        CHECK(!close(5s).has_value());
        CHECK(kernel.disks_count() == 1);
    }
    SUBCASE("of a STOP while a request is held: it comes after the request has failed") {
        server.hold();
        const auto held = make_io(ublk::io_read, 0, 8);
        kernel.submit(0, held);
        server.run([] {});
        kernel.hangs = true;
        CHECK(!close(0ms).has_value());
        CHECK(held->result == -EIO);
        kernel.hangs = false;
        server.device.forced_status.reset();
        const auto later = make_io(ublk::io_read, 0, 8);
        CHECK(do_io(kernel, later) == -EIO); // without the device
        CHECK(server.device.submitted_count == 1);
        kernel.stop_error = -EINTR; // the first may be asked again
    }
    CHECK(kernel.flushes_count == 1);
    CHECK(cancels_count == 1);
    for (int i = 0; i < 3 && !close(0ms); ++i) {
    }
    CHECK(close(0ms).has_value());
    CHECK(cancels_count == 1);
    CHECK(kernel.disks_count() == 0);
}

TEST_CASE("ublk device: requests wait for buffers and none is refused") {
    FakeUblkKernel kernel;
    UblkServer server(kernel, {.bytes = 64U << 20U}, 1U << 20U);
    server.create({.queue_depth = 64});
    server.hold();
    std::vector<std::shared_ptr<DiskIo>> ios;
    for (unsigned i = 0; i < 60; ++i) { // 60 MiB through two
        ios.push_back(make_io(ublk::io_write, std::uint64_t{i} * 2048, 2048, i));
        kernel.submit(0, ios.back());
    }
    server.run([&] {
        CHECK(server.device.waiting_count() < 3);
        server.device.held = false;
        server.device.complete_all();
    });
    for (const auto& io : ios) {
        REQUIRE(kernel.wait(*io));
        CHECK(io->result == 0);
    }
    for (unsigned i = 0; i < 60; ++i) {
        CHECK(server.device.data[(std::size_t{i} << 20U) + 77] == static_cast<std::byte>(i));
    }
    SUBCASE("also when they have to fail") {
        server.hold();
        for (const auto& io : ios) {
            io->result.reset();
            io->done_bytes = 0;
            kernel.submit(0, io);
        }
        CHECK(server.disk->close(0ms, [&] { server.cancel(); }).has_value());
        for (const auto& io : ios) {
            CHECK(io->result == -EIO);
        }
    }
    SUBCASE("and then it closes") {
        CHECK(server.disk->close(5s, [] {}).has_value());
    }
    CHECK(server.buffers->arena().free_bytes() == server.buffers->arena().capacity_bytes());
}

TEST_CASE("ublk device: a read keeps its buffer until the kernel has copied it, and no longer") {
    FakeUblkKernel kernel;
    UblkServer server(kernel, {.bytes = 2U << 20U}); // one request's room, in effect
    server.create({.queue_depth = 4});
    std::fill_n(server.device.data.begin(), 1U << 20U, std::byte{1});
    std::fill(server.device.data.begin() + (1U << 20U), server.device.data.end(), std::byte{2});
    server.hold();
    const auto first = make_io(ublk::io_read, 0, 2048);
    const auto second = make_io(ublk::io_read, 2048, 2048);
    kernel.submit(0, first);
    kernel.submit(0, second);
    server.run([&] {
        CHECK(server.device.waiting_count() == 1);
        server.device.complete_all();
        CHECK(server.device.waiting_count() == 0); // the second has no buffer yet
        server.device.complete_all();
        server.device.held = false;
    });
    // Nothing else wakes the ring: it may not sleep while the second waits for the buffer.
    REQUIRE(kernel.wait(*first));
    REQUIRE(kernel.wait(*second, 5s));
    CHECK(first->data == std::vector<std::byte>(1U << 20U, std::byte{1}));
    CHECK(second->data == std::vector<std::byte>(1U << 20U, std::byte{2}));
    CHECK(server.disk->close(5s, [] {}).has_value());
    CHECK(server.buffers->arena().free_bytes() == server.buffers->arena().capacity_bytes());
}

TEST_CASE("ublk device: a write that the kernel could copy in part only is done in parts") {
    FakeUblkKernel kernel;
    UblkServer server(kernel, {});
    server.create({.queue_depth = 4});
    kernel.copies_less = true;
    CHECK(do_io(kernel, make_io(ublk::io_write, 8, 64, 0x3c)) == 0);
    CHECK(!kernel.copies_less);
    const auto read = make_io(ublk::io_read, 8, 64);
    CHECK(do_io(kernel, read) == 0);
    CHECK(read->data == std::vector<std::byte>(64U << 9U, std::byte{0x3c}));
    CHECK(server.disk->close(5s, [] {}).has_value());
    CHECK(server.buffers->arena().free_bytes() == server.buffers->arena().capacity_bytes());
}

TEST_CASE("ublk device: errors reach the block layer") {
    FakeUblkKernel kernel;
    UblkServer server(kernel, {});
    server.create({.queue_depth = 4});
    server.run([&] { server.device.forced_status = initiator::Status::reserved; });
    CHECK(do_io(kernel, make_io(ublk::io_read, 0, 8)) == -EBADE);
    server.run([&] { server.device.forced_status.reset(); });
    CHECK(do_io(kernel, make_io(4, 0, 8)) == -EOPNOTSUPP); // WRITE SAME: never asked for
    CHECK(do_io(kernel, make_io(ublk::io_write, 0, 4096)) == -EINVAL); // longer than was agreed on
    CHECK(server.device.submitted_count == 1);
    CHECK(do_io(kernel, make_io(ublk::io_read, 0, 8)) == 0);
    CHECK(server.disk->close(5s, [] {}).has_value());
    CHECK(kernel.forbidden_count() == 0);
}

TEST_CASE("ublk device: is left to a successor, with what was not answered") {
    FakeUblkKernel kernel;
    auto server = std::make_unique<UblkServer>(kernel, test::MemoryDevice::Options{});
    server->create({.queue_depth = 4, .recoverable = true});
    server->hold();
    const auto held = make_io(ublk::io_write, 0, 8, 7);
    kernel.submit(0, held);
    server->run([] {});
    server->disk->leave(50ms);
    const auto later = make_io(ublk::io_read, 0, 8);
    kernel.submit(0, later);
    server->cancel(); // as it detaches its devices when it ends
    CHECK(!kernel.wait(*held, 50ms));
    CHECK(!kernel.wait(*later, 0ms));
    server->disk.reset();
    UblkServer::kill(kernel, std::move(server));

    UblkServer successor(kernel, {});
    REQUIRE(successor.control->list().size() == 1);
    CHECK(successor.control->list()[0].state == ublk::DeviceState::quiesced);
    successor.recover(0);
    REQUIRE(kernel.wait(*held));
    REQUIRE(kernel.wait(*later));
    CHECK(held->result == 0);
    CHECK(later->result == 0);
    CHECK(successor.device.data[100] == std::byte{7});
    CHECK(successor.disk->close(5s, [] {}).has_value());
    CHECK(kernel.disks_count() == 0);
}

TEST_CASE("ublk device: recover() refuses what is not the same disk, or is served") {
    FakeUblkKernel kernel;
    auto server = std::make_unique<UblkServer>(kernel, test::MemoryDevice::Options{});
    server->create({.queue_depth = 4, .recoverable = true});
    UblkServer successor(kernel, {.bytes = 1U << 19U}, 1U << 20U, 200ms);
    const auto try_recover = [&] {
        return UblkDevice::recover(*successor.control, successor.data_thread(), successor.device, 0,
                                   {});
    };
    CHECK(try_recover().error().why.find("another one") != std::string::npos); // smaller
    successor.device.change_info().sectors.value = 2048;
    CHECK(try_recover().error().why == "it is still served");
    successor.device.change_info().address.slot = 9;
    CHECK(try_recover().error().why == "it is another LUN's");
    successor.device.change_info().address.slot = 0;
    CHECK(!successor.control->remove(0).has_value());
    UblkServer::kill(kernel, std::move(server));
    CHECK(successor.control->remove(0).has_value());
    CHECK(!try_recover().has_value());
    CHECK(kernel.disks_count() == 0);
}

TEST_CASE("ublk control: says what is wrong") {
    FakeUblkKernel kernel;
    SUBCASE("no such device") {
        UblkServer server(kernel, {});
        const auto removed = server.control->remove(7);
        REQUIRE(!removed.has_value());
        CHECK(removed.error().exit_code == ExitCode::no_such_target);
    }
    SUBCASE("no resizing before 6.16, and with it") {
        UblkServer server(kernel, {});
        server.create({.queue_depth = 4});
        CHECK(server.disk->resize(2U << 20U).error().why.find("6.16") != std::string::npos);
        CHECK(server.disk->close(5s, [] {}).has_value());
        kernel.features |= ublk::feature_update_size;
        UblkServer newer(kernel, {});
        newer.create({.queue_depth = 4});
        CHECK(newer.disk->resize(2U << 20U).has_value());
        CHECK(kernel.params(0).basic.device_sectors == 4096);
        CHECK(newer.disk->close(5s, [] {}).has_value());
    }
    SUBCASE("a kernel that hangs") {
        UblkServer server(kernel, {}, 1U << 20U, 50ms);
        kernel.hangs = true;
        const auto created =
            UblkDevice::create(*server.control, server.data_thread(), server.device, {});
        REQUIRE(!created.has_value());
        CHECK(created.error().why.find("not done it") != std::string::npos);
    }
}
