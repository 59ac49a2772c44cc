// /dev/ublkbN: one LUN as a disk of the kernel's ublk driver.
#pragma once

#include "blockdev/front_end.hpp"
#include "blockdev/ublk_control.hpp"
#include "blockdev/ublk_queue.hpp"
#include "initiator/device.hpp"

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>

namespace uaoe::blockdev {

struct UblkOptions {
    std::uint16_t queue_depth = 128;        // 1..4096
    std::uint32_t io_bytes_max = 1U << 20U; // 4 KiB..32 MiB
    bool recoverable = false; // survives this process: its requests wait for a successor
    // What is wrong with a disk that works all the same. On the caller's thread; may be empty.
    std::function<void(const Error&)> report = {};
};

class UblkDevice final : public FrontEnd {
  public:
    // Blocks until the disk is there. `control` and `device` outlive the front end. `before_start`
    // is told the id before anybody can see the disk, for what a successor will have to know; when
    // it fails, so does this. Nothing is left behind on failure. Not on the ring's thread.
    static std::expected<std::unique_ptr<UblkDevice>, Error>
    create(UblkControl& control, DataThread data, initiator::Device& device,
           const UblkOptions& options,
           const std::function<std::expected<void, Error>(std::uint32_t id)>& before_start = {});

    // Takes over the disk of a server that has gone without close(), with its depth and its size of
    // an I/O; waits for the kernel to notice that it has gone. What was under way
    // then is asked again. On failure the disk waits on; only the next process can have it when the
    // error says so.
    static std::expected<std::unique_ptr<UblkDevice>, Error>
    recover(UblkControl& control, DataThread data, initiator::Device& device, std::uint32_t id,
            const UblkOptions& options);

    // Without close() or leave(): as leave(), without grace.
    ~UblkDevice() override;

    [[nodiscard]] std::string name() const override; // "/dev/ublkb0"
    [[nodiscard]] std::uint32_t id() const { return info_.device_id; }
    [[nodiscard]] bool is_recoverable() const;

    // What is dirty is written back within `grace`. An error may come before `cancel` only when the
    // ring's thread does not answer.
    std::expected<void, Error> close(std::chrono::milliseconds grace,
                                     const std::function<void()>& cancel) override;
    // Of a device that is not recoverable: as close(), as far as that gets within `grace`.
    void leave(std::chrono::milliseconds grace) override;

    // Tells the kernel of another size, from 6.16 on.
    std::expected<void, Error> resize(std::uint64_t size_bytes) override;

  private:
    UblkDevice(UblkControl& control, DataThread data, initiator::Device& device)
        : control_(control), data_(std::move(data)), device_(device) {}

    std::expected<void, Error> add(const UblkOptions& options);
    std::expected<void, Error> check_params();
    std::expected<void, Error> open_queue();
    [[nodiscard]] Error explain_start(Error error) const;
    [[nodiscard]] std::expected<void, Error> wait_usable() const;
    void undo();
    std::expected<void, Error> stop(std::chrono::milliseconds grace,
                                    const std::function<void()>& cancel);
    std::expected<void, Error> fail_and_cancel(const std::function<void()>& cancel);
    std::expected<void, Error> end_queue(const std::function<void()>& cancel);
    [[nodiscard]] bool is_gone();
    bool wait_idle(std::chrono::steady_clock::time_point end);
    bool fail_queue();
    bool run_on_ring(std::function<void()> task);
    bool drop_queue();
    void keep_queue();

    UblkControl& control_;
    DataThread data_;
    initiator::Device& device_;
    ublk::DeviceInfo info_;
    std::shared_ptr<UblkQueue> queue_; // none once it has ended, or was kept

    // Of close(), which may be called again after an error.
    bool closing_ = false;
    bool failing_ = false;   // the queue was told to fail()
    bool cancelled_ = false; // `cancel` was called
    bool stopped_ = false;   // STOP has ended well
    bool over_ = false;      // nothing is left to do
    std::shared_ptr<UblkCall> stopping_;
};

} // namespace uaoe::blockdev
