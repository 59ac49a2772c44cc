// /dev/nbdN: the kernel's NBD driver as a client of ours. It gets one end of a socketpair, an
// NbdService has the other on the shard's ring; there is no negotiation.
//
// A device outlives the process that made it, when it is recoverable: its requests wait until a
// successor has attached a socket of its own (recover()).
#pragma once

#include "blockdev/front_end.hpp"
#include "blockdev/nbd_netlink.hpp"
#include "blockdev/nbd_service.hpp"
#include "initiator/device.hpp"

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace uaoe::blockdev {

struct NbdKernelOptions {
    std::optional<std::uint32_t> index; // nothing: one that is free, or a new one
    // "aoe-1.0": letters, digits and ._:+- only, because udev rules make names of it. A successor
    // has to give the same.
    std::string identifier;
    std::chrono::seconds fail_after{0}; // of the device behind it; 0: never
    bool recoverable = false;
    // What goes on without anybody having asked: the kernel gave up a connection and has a new one,
    // or the device was disconnected by somebody else. On a thread of the device; may be empty.
    std::function<void(const Error&)> report;
};

// What the driver and the block layer are told about time.
struct NbdTimeouts {
    std::chrono::seconds request;
    std::chrono::seconds dead_connection_max;
    std::chrono::milliseconds block_timer;
    friend bool operator==(const NbdTimeouts&, const NbdTimeouts&) = default;
};
[[nodiscard]] NbdTimeouts nbd_timeouts(const NbdKernelOptions& options);

class NbdKernelDevice final : public FrontEnd {
  public:
    // Ready to be opened when it returns. `after_connect` is called as soon as the index is known
    // and before anybody waits for the node; its error undoes everything. From a thread that is not
    // the ring's, while the ring runs. `device` must outlive close(), and the ring the last
    // connection.
    static std::expected<std::unique_ptr<NbdKernelDevice>, Error>
    create(DataThread data, initiator::Device& device, const NbdKernelOptions& options,
           const std::function<std::expected<void, Error>(std::uint32_t index)>& after_connect);

    // Takes over a device whose process has ended or left. Requests that the predecessor did not
    // answer come again when the block timer finds them; new ones at once.
    static std::expected<std::unique_ptr<NbdKernelDevice>, Error>
    recover(DataThread data, initiator::Device& device, std::uint32_t index,
            const NbdKernelOptions& options);

    // As if the process had ended: the kernel's device stays.
    ~NbdKernelDevice() override;

    [[nodiscard]] std::string name() const override { return "/dev/" + disk_; }
    [[nodiscard]] std::uint32_t index() const { return index_; }

    std::expected<void, Error> close(std::chrono::milliseconds grace,
                                     const std::function<void()>& cancel) override;
    void leave(std::chrono::milliseconds grace) override;

    // From a thread that serves no I/O of any device, while the device answers: the kernel lets
    // what is under way finish first, and nothing else of generic netlink goes on meanwhile. The
    // device behind it has its new size already when it has grown, and still when it will shrink.
    std::expected<void, Error> resize(std::uint64_t size_bytes) override;

    // Of this machine, those with an identifier that begins with "aoe-".
    struct Entry {
        std::uint32_t index = 0;
        std::string identifier;
        std::uint64_t size_bytes = 0;
        bool connected = false; // to somebody who may have died since
    };
    [[nodiscard]] static std::vector<Entry> list();
    // Ends a leftover: EIO to what is under way. Refused when the device is not `identifier`'s.
    static std::expected<void, Error> remove(std::uint32_t index, const std::string& identifier);

  private:
    struct Watch; // what the ring's thread tells the supervisor
    NbdKernelDevice(DataThread data, initiator::Device& device, const NbdKernelOptions& options,
                    NbdNetlink netlink);
    std::expected<void, Error> connect();
    std::expected<void, Error> take_over();
    [[nodiscard]] std::expected<void, Error> wait_usable(bool may_be_smaller) const;
    [[nodiscard]] bool is_ours() const;
    void serve(int fd);
    std::expected<bool, int> attach_socket(NbdNetlink& netlink, const NbdTimeouts* timeouts);
    void supervise();
    void run_supervisor(const std::stop_token& stop);
    bool reattach(const std::stop_token& stop);
    void wait_idle(std::chrono::milliseconds time_max) const;
    std::expected<void, Error> disconnect();
    void stop_supervisor();
    void report(std::string why, std::string what_to_do) const;

    DataThread data_;
    NbdKernelOptions options_;
    NbdNetlink netlink_;
    std::shared_ptr<NbdService> service_;
    std::uint32_t index_ = 0;
    std::string disk_; // "nbd0"
    std::shared_ptr<Watch> watch_;
    std::thread supervisor_;
    std::stop_source stop_;
    bool ended_ = false;     // close() or leave() was called
    bool cancelled_ = false; // close() has called `cancel`
    bool over_ = false;      // close() has nothing left to do
};

} // namespace uaoe::blockdev
