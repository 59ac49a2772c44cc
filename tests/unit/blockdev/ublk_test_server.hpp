// A server process of ublk disks for tests: a ring with its thread, a device in RAM, and the front
// end between it and a fake kernel. It can be killed.
#pragma once

#include "blockdev/ublk_device.hpp"
#include "fake_ublk_kernel.hpp"
#include "memory_device.hpp"
#include "ring_loop.hpp"

#include <doctest/doctest.h>

#include <thread>

namespace uaoe::test {

struct UblkServer {
    UblkServer(FakeUblkKernel& kernel, const MemoryDevice::Options& device_options,
               std::size_t arena_bytes = 1U << 20U,
               std::chrono::milliseconds time_max = std::chrono::seconds{10})
        : device(loop.ring(), device_options), thread([this] { loop.run(); }) {
        auto opened = blockdev::UblkControl::open(
            kernel.make_process([this](std::function<void()> task) { loop.post(std::move(task)); }),
            time_max);
        REQUIRE(opened.has_value());
        control = std::move(*opened);
        auto arena = blockdev::BufferArena::make(arena_bytes, 1U << 20U);
        REQUIRE(arena.has_value());
        buffers = std::make_shared<blockdev::BufferPool>(std::move(*arena));
    }
    ~UblkServer() { end_thread(); }
    UblkServer(const UblkServer&) = delete;
    UblkServer& operator=(const UblkServer&) = delete;

    [[nodiscard]] blockdev::DataThread data_thread() {
        return {.ring = loop.ring(),
                .post = [this](std::function<void()> task) { loop.post(std::move(task)); },
                .buffers = buffers};
    }
    void create(const blockdev::UblkOptions& options) {
        auto created = blockdev::UblkDevice::create(*control, data_thread(), device, options);
        REQUIRE_MESSAGE(created.has_value(), (created ? "" : created.error().line()));
        disk = std::move(*created);
    }
    void recover(std::uint32_t id) {
        auto recovered = blockdev::UblkDevice::recover(*control, data_thread(), device, id, {});
        REQUIRE_MESSAGE(recovered.has_value(), (recovered ? "" : recovered.error().line()));
        disk = std::move(*recovered);
    }

    // On the ring's thread; returns when it is done.
    void run(std::function<void()> task) {
        std::atomic<bool> done = false;
        loop.post([&] {
            task();
            done = true;
            done.notify_all();
        });
        done.wait(false);
    }
    void hold() {
        run([this] { device.held = true; });
    }
    // What detaching the device does.
    void cancel() {
        run([this] {
            device.held = false;
            device.forced_status = initiator::Status::cancelled;
            device.complete_all();
        });
    }
    void end_thread() {
        if (thread.joinable()) {
            loop.stop();
            thread.join();
        }
    }
    // No more turns; what it had in flight stays as it is, for ever.
    static void kill(FakeUblkKernel& kernel, std::unique_ptr<UblkServer> server) {
        server->end_thread();
        kernel.kill_servers();
        static auto* const graveyard = new std::vector<std::unique_ptr<UblkServer>>;
        graveyard->push_back(std::move(server));
    }

    RingLoop loop;
    MemoryDevice device;
    std::thread thread;
    std::unique_ptr<blockdev::UblkControl> control;
    std::shared_ptr<blockdev::BufferPool> buffers;
    std::unique_ptr<blockdev::UblkDevice> disk;
};

} // namespace uaoe::test
