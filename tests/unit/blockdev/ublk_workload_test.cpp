// A random workload on a disk of a fake kernel, with an oracle of every byte, while servers are
// killed and their successors take over.
#include "ublk_test_server.hpp"

#include <cstring>
#include <deque>
#include <random>

using namespace uaoe;
using namespace std::chrono_literals;
using blockdev::UblkOptions;
using test::DiskIo;
using test::FakeUblkKernel;
using test::UblkServer;
namespace ublk = blockdev::ublk;

namespace {

constexpr std::size_t disk_bytes = 4U << 20U;

// Requests under way never overlap, so what each read must return is known when it is submitted.
class Workload {
  public:
    Workload(FakeUblkKernel& kernel, std::uint32_t sector_bytes, unsigned seed)
        : kernel_(kernel), sector_bytes_(sector_bytes), random_(seed), content_(disk_bytes) {}

    // `may_wait`: for requests that are in the way; else this one is not submitted.
    void step(bool may_wait = true) {
        if (may_wait && in_flight_.size() >= 24) {
            finish_oldest();
        }
        auto io = std::make_shared<DiskIo>();
        const std::size_t kind = pick(16);
        std::size_t bytes = sector_bytes_ * (1 + pick(kind == 0 ? 64 : 8));
        const std::size_t offset = sector_bytes_ * pick(disk_bytes / sector_bytes_);
        bytes = std::min(bytes, disk_bytes - offset);
        while (overlaps(offset, bytes)) {
            if (!may_wait) {
                return;
            }
            finish_oldest();
        }
        io->sector_first = offset >> 9U;
        io->sectors_count = static_cast<std::uint32_t>(bytes >> 9U);
        std::byte* const content = content_.data() + offset;
        if (kind < 7) {
            io->operation_flags = ublk::io_write | (pick(4) == 0 ? ublk::io_flag_fua : 0U);
            io->data.resize(bytes);
            for (std::byte& byte : io->data) {
                byte = static_cast<std::byte>(random_());
            }
            std::memcpy(content, io->data.data(), bytes);
        } else if (kind < 13) {
            io->operation_flags = ublk::io_read;
            io->data.resize(bytes, std::byte{0xee});
        } else if (kind == 13) {
            io->operation_flags = ublk::io_flush;
            io->sectors_count = 0;
        } else {
            io->operation_flags = kind == 14 ? ublk::io_discard : ublk::io_write_zeroes;
            std::memset(content, 0, bytes);
        }
        in_flight_.push_back({io, offset, bytes});
        kernel_.submit(0, io);
    }
    void finish() {
        while (!in_flight_.empty()) {
            finish_oldest();
        }
    }
    [[nodiscard]] const std::vector<std::byte>& content() const { return content_; }
    std::size_t pick(std::size_t below) {
        return std::uniform_int_distribution<std::size_t>(0, below - 1)(random_);
    }

  private:
    struct InFlight {
        std::shared_ptr<DiskIo> io;
        std::size_t offset;
        std::size_t bytes;
    };

    [[nodiscard]] bool overlaps(std::size_t offset, std::size_t bytes) const {
        return std::ranges::any_of(in_flight_, [&](const InFlight& other) {
            return offset < other.offset + other.bytes && other.offset < offset + bytes;
        });
    }
    void finish_oldest() {
        const InFlight oldest = in_flight_.front();
        in_flight_.pop_front();
        REQUIRE(kernel_.wait(*oldest.io));
        REQUIRE(oldest.io->result == 0);
        if (oldest.io->operation_flags == ublk::io_read) {
            REQUIRE(std::memcmp(oldest.io->data.data(), content_.data() + oldest.offset,
                                oldest.bytes) == 0);
        }
    }

    FakeUblkKernel& kernel_;
    std::size_t sector_bytes_;
    std::mt19937 random_;
    std::vector<std::byte> content_;
    std::deque<InFlight> in_flight_;
};

void run_workload(std::uint32_t sector_bytes, unsigned seed) {
    FakeUblkKernel kernel;
    const test::MemoryDevice::Options device_options{.bytes = disk_bytes,
                                                     .sector_bytes = sector_bytes};
    auto server = std::make_unique<UblkServer>(kernel, device_options);
    server->create({.queue_depth = 16, .io_bytes_max = 256U << 10U, .recoverable = true});
    Workload workload(kernel, sector_bytes, seed);
    for (int life = 0; life < 6; ++life) {
        server->run([&] { server->device.newest_first = life % 2 == 1; });
        for (int i = 0; i < 400; ++i) {
            workload.step();
        }
        if (life % 3 == 1) { // what it has now, it takes into its grave
            server->hold();
            for (int i = 0; i < 5; ++i) {
                workload.step(false);
                if (i == 2 && workload.pick(2) == 0) {
                    server->run([&] {
                        server->device.held = false;
                        server->device.complete_all();
                    });
                }
            }
        }
        if (life % 3 == 2) {
            server->disk->leave(100ms);
        }
        UblkServer* const dying = server.get();
        UblkServer::kill(kernel, std::move(server));
        server = std::make_unique<UblkServer>(kernel, device_options);
        server->device.data = std::move(dying->device.data);
        server->recover(0);
    }
    workload.finish();
    CHECK(server->disk->close(5s, [] {}).has_value());
    CHECK(server->device.data == workload.content());
    CHECK(kernel.disks_count() == 0);
    CHECK(kernel.forbidden_count() == 0);
}

} // namespace

TEST_CASE("ublk device: every byte is right, whatever dies") {
    run_workload(512, 1);
    run_workload(4096, 2);
    run_workload(512, 3);
    run_workload(4096, 4);
}
