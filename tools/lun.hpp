// One LUN that is served: its device on a shard, its front end, its names, and what a successor has
// to know of it. Used by `uaoe serve` and by uaoed.
//
// What is declared here blocks, for seconds at worst, and is called from a thread that is neither
// the io_context's nor the shard's.
#pragma once

#include "blockdev/front_end.hpp"
#include "tools/device_links.hpp"
#include "tools/json_text.hpp"
#include "tools/lun_lock.hpp"
#include "tools/shard_host.hpp"
#include "tools/state_store.hpp"

#include <atomic>
#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace uaoe::blockdev {
class UblkControl;
struct NbdKernelOptions;
struct UblkOptions;
} // namespace uaoe::blockdev

namespace uaoe::tools {

// /dev/ublk-control, opened when it is first needed. Any thread.
class UblkAccess {
  public:
    UblkAccess();
    ~UblkAccess();
    UblkAccess(const UblkAccess&) = delete;
    UblkAccess& operator=(const UblkAccess&) = delete;
    std::expected<blockdev::UblkControl*, Error> control(); // lives as long as this object

  private:
    std::mutex mutex_;
    std::unique_ptr<blockdev::UblkControl> control_;
};

struct LunEnvironment {
    boost::asio::io_context& context; // runs the sockets of exports
    UblkAccess& ublk;
    // Where a successor looks. Without one the kernel's device dies with this process.
    const StateStore* store = nullptr;
    std::function<void(const LogLine&)> report; // any thread
    std::function<bool()> interrupted;          // true: give up opening
    DeviceLinks links{};
};

struct LunRequest {
    proto::Address address;
    LunOptions options;
    std::optional<std::uint32_t> nbd_index; // of FrontEndKind::nbd; nothing: any that is free
    std::string socket_path;                // of FrontEndKind::socket
    std::chrono::seconds wait{10};          // for the first read
    bool persistent = false;
};

class Lun {
  public:
    // The target has been found. Everything is undone when it fails; nullptr: interrupted.
    static std::expected<std::unique_ptr<Lun>, Error>
    open(const LunEnvironment& environment, ShardHost& host, LunLock lock, LunRequest request);

    // Takes over what a predecessor left, whether the target answers or not. When that fails, what
    // is left stays.
    static std::expected<std::unique_ptr<Lun>, Error> recover(const LunEnvironment& environment,
                                                              ShardHost& host, LunLock lock,
                                                              const LunState& state);
    ~Lun(); // closed, left, or the process ends

    // The front end is gone, and the LUN free. Refused, without `force`, while it is used. Requests
    // under way get a few seconds. After an error that is no refusal the LUN cannot be used any
    // more, and close() can be tried again.
    [[nodiscard]] std::expected<void, Error> close(bool force);

    // Leaves it to a successor: see FrontEnd::leave().
    void leave();

    [[nodiscard]] std::string name() const { return front_end_->name(); }
    [[nodiscard]] const LunState& state() const { return state_; }
    [[nodiscard]] initiator::DeviceInfo info() const; // any thread
    [[nodiscard]] ShardHost& host() const { return host_; }
    [[nodiscard]] bool is_usable() const { return device_ != nullptr; }

    // Writes the state again if the target's ports are others than it says, or its disk has grown.
    // Then the front end is to grow, too.
    void update_target();

    // On the shard's thread. Nothing: it is not attached any more.
    [[nodiscard]] std::optional<ShowStatus> show_status() const; // without the shard's ports
    [[nodiscard]] std::optional<ShowStatus> show_everything() const;

  private:
    Lun(const LunEnvironment& environment, ShardHost& host, LunLock lock, LunState state);
    std::expected<void, Error> attach(std::chrono::seconds wait);
    std::expected<void, Error> attach_known();
    std::expected<void, Error> open_front_end(const LunRequest& request);
    std::expected<std::unique_ptr<blockdev::FrontEnd>, Error> make_ublk();
    std::expected<std::unique_ptr<blockdev::FrontEnd>, Error> make_nbd(const LunRequest& request);
    std::expected<std::unique_ptr<blockdev::FrontEnd>, Error> make_socket();
    std::expected<std::unique_ptr<blockdev::FrontEnd>, Error> recover_front_end();
    [[nodiscard]] blockdev::UblkOptions ublk_options() const;
    [[nodiscard]] blockdev::NbdKernelOptions nbd_options(std::optional<std::uint32_t> index) const;
    std::expected<void, Error> keep_state(std::uint32_t index);
    std::expected<void, Error> write_state(); // under state_mutex_
    void learn_target();
    void update_state();
    void follow_size();
    void report_failure(const Error& error, LogKind kind, std::string_view what_then) const;
    [[nodiscard]] std::function<void(const Error&)> front_end_report() const;
    void give_names();
    void take_names_back();
    void forget_state();
    void detach();
    std::expected<void, Error> refuse_if_used() const;

    LunEnvironment environment_;
    ShardHost& host_;
    std::optional<LunLock> lock_;    // until close() has succeeded
    mutable std::mutex state_mutex_; // of state_ while it is written, and of info_
    LunState state_;
    bool is_kept_ = false; // state_ is in the store, and udev has its facts
    std::chrono::steady_clock::time_point attached_at_ = std::chrono::steady_clock::now();
    std::atomic<initiator::Device*> device_ = nullptr;
    initiator::DeviceInfo info_;
    std::unique_ptr<blockdev::FrontEnd> front_end_;
    std::uint64_t growth_refused_bytes_ = 0; // the kernel's device cannot get so large: was told
    std::timed_mutex front_end_mutex_;       // one at a time: to resize it, and to end it
};

} // namespace uaoe::tools
