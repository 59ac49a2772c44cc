// Control commands of ublk: what the kernel can do, and the life of its devices. Blocking; from any
// thread but a ring's, because START and STOP wait for the queue that the ring serves.
#pragma once

#include "blockdev/ublk_driver.hpp"
#include "initiator/linux/error.hpp"
#include "proto/address.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace uaoe::blockdev {

class UblkControl {
  public:
    // No command of the kernel's takes so long, unless it hangs.
    static constexpr std::chrono::milliseconds watchdog = std::chrono::seconds{30};

    struct Listed {
        std::uint32_t id = 0;
        ublk::DeviceState state = ublk::DeviceState::dead;
        std::int32_t server_pid = -1;
        bool recoverable = false;
        std::optional<proto::Address> address; // of a device of uaoe's; nothing: another program's
    };

    // The kernel's driver. Loads its module where needed. Exit code no_permission without
    // CAP_SYS_ADMIN.
    static std::expected<std::unique_ptr<UblkControl>, Error> open();
    // Another one; `time_max` instead of the watchdog.
    static std::expected<std::unique_ptr<UblkControl>, Error>
    open(std::unique_ptr<UblkDriver> driver, std::chrono::milliseconds time_max = watchdog);

    [[nodiscard]] bool has(std::uint64_t feature) const { return (features_ & feature) == feature; }
    [[nodiscard]] std::uint32_t opcode(ublk::CommandCode code) const {
        return has(ublk::feature_ioctl_encode) ? code.code : code.number;
    }
    [[nodiscard]] UblkDriver& driver() { return *driver_; }
    [[nodiscard]] std::chrono::milliseconds time_max() const { return time_max_; }

    // ---- devices, ours or not ----

    [[nodiscard]] std::vector<Listed> list();
    // A leftover: stopped, or waiting for the successor of a server that is gone.
    std::expected<void, Error> remove(std::uint32_t id);

    // ---- the commands ----

    // As the driver changed it: depth, size of an I/O and flags are wishes.
    std::expected<ublk::DeviceInfo, Error> add(const ublk::DeviceInfo& wanted);
    std::expected<ublk::DeviceInfo, Error> info(std::uint32_t id);
    std::expected<void, Error> set_params(std::uint32_t id, const ublk::Params& params);
    std::expected<ublk::Params, Error> params(std::uint32_t id);

    // Both wait until every tag has been fetched, or `give_up` says that this will not happen.
    std::expected<void, Error> start(std::uint32_t id, const std::function<bool()>& give_up);
    std::expected<void, Error> end_recovery(std::uint32_t id, const std::function<bool()>& give_up);
    // Waits for the kernel to notice that the server has died.
    std::expected<void, Error> start_recovery(std::uint32_t id);

    // Under way: ends when the queue has answered every request, among them those the kernel writes
    // back first.
    [[nodiscard]] std::shared_ptr<UblkCall> begin_stop(std::uint32_t id);
    // The queue's channel has been closed. Openers of the disk do not matter.
    std::expected<void, Error> delete_device(std::uint32_t id);
    // `sectors_count` of 512 bytes.
    std::expected<void, Error> update_size(std::uint32_t id, std::uint64_t sectors_count);

    // "cannot VERB ublk device N", and what the outcome of its command means.
    [[nodiscard]] Error explain(const char* verb, std::uint32_t id,
                                std::optional<int> outcome) const;

  private:
    UblkControl(std::unique_ptr<UblkDriver> driver, std::chrono::milliseconds time_max)
        : driver_(std::move(driver)), time_max_(time_max) {}

    [[nodiscard]] std::shared_ptr<UblkCall> begin(ublk::CommandCode code, std::uint32_t id,
                                                  std::uint64_t data,
                                                  std::span<const std::byte> payload);
    // The payload, as the kernel left it.
    std::expected<std::vector<std::byte>, Error> run(const char* verb, ublk::CommandCode code,
                                                     std::uint32_t id, std::uint64_t data = 0,
                                                     std::span<const std::byte> payload = {},
                                                     const std::function<bool()>& give_up = {});

    std::unique_ptr<UblkDriver> driver_;
    std::chrono::milliseconds time_max_;
    std::uint64_t features_ = 0;
};

// What we keep in DeviceInfo::server_flags, so that a device tells whose it is without a file.
[[nodiscard]] std::uint64_t ublk_mark(proto::Address address);
[[nodiscard]] std::optional<proto::Address> marked_address(std::uint64_t server_flags);

} // namespace uaoe::blockdev
