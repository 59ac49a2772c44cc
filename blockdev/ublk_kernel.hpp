// The kernel's ublk driver. Control commands run on a thread and a ring of their own, so that one
// that hangs in the kernel (facts: STOP_DEV does while a request is held) is in nobody's way.
#pragma once

#include "blockdev/ublk_driver.hpp"
#include "initiator/linux/error.hpp"

#include <map>
#include <thread>

namespace uaoe::blockdev {

class UblkKernel final : public UblkDriver {
  public:
    // Loads the module where it is missing; that takes up to ten seconds.
    static std::expected<std::unique_ptr<UblkKernel>, Error> open();
    ~UblkKernel() override; // commands that still run are left to the kernel

    void start(std::shared_ptr<UblkCall> call) override;
    [[nodiscard]] std::expected<std::unique_ptr<UblkChannel>, int>
    open_channel(std::uint32_t device_id, std::uint16_t queue_depth) override;
    [[nodiscard]] std::vector<std::uint32_t> device_ids() override;
    [[nodiscard]] bool has_disk(std::uint32_t device_id) override;
    void tune_disk(std::uint32_t device_id, std::uint32_t io_bytes_max) override;
    void flush_disk(std::uint32_t device_id, std::chrono::milliseconds time_max) override;

  private:
    explicit UblkKernel(int control_fd) : control_fd_(control_fd) {}
    void run();
    void submit_started();
    void reap();

    int control_fd_;
    int wake_fd_ = -1;
    io_uring ring_{};
    bool ring_open_ = false;
    std::thread thread_;

    std::mutex mutex_;
    std::vector<std::shared_ptr<UblkCall>> started_;
    bool stopping_ = false;

    std::map<UblkCall*, std::shared_ptr<UblkCall>> running_; // on the thread only
};

} // namespace uaoe::blockdev
