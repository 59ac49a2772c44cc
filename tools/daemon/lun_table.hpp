// The LUNs of a daemon: those that wait for their target, those that are opened or ended at this
// moment, and those that are attached. All of it is on the io_context's thread; the steps that
// block are done on the workers'.
#pragma once

#include "tools/control_protocol.hpp"
#include "tools/lun.hpp"
#include "tools/target_wait.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace uaoe::tools {

class LunTable {
  public:
    using Reply = std::function<void(const ControlReply&)>;
    using Hosts = std::vector<std::unique_ptr<ShardHost>>;

    // `socket_folder`: where exports get their sockets. The references outlive the table.
    LunTable(const LunEnvironment& environment, Hosts& hosts, std::string socket_folder);
    ~LunTable();
    LunTable(const LunTable&) = delete;
    LunTable& operator=(const LunTable&) = delete;

    // Waits for the target up to `wait` (nothing: for as long as it takes, and failing is tried
    // again), opens it, and replies with its device.
    // `is_gone`: whoever asked does not wait any more.
    void attach(LunRequest request, std::optional<std::chrono::seconds> wait, Reply reply,
                std::function<bool()> is_gone = {});
    // The configuration has changed: configured LUNs that still wait are those of `luns`, with
    // those options.
    void set_configured(const std::map<proto::Address, LunOptions>& luns);
    // Takes over what a predecessor had attached; tries again as long as the kernel's device is
    // there. If it is not and the LUN is configured, it is attached anew.
    void recover(const LunState& state);
    void detach(const DetachRequest& request, Reply reply);
    void list(Reply reply);
    void show(const std::string& target, const Reply& reply);
    // Broadcasts, and tells what is there some two seconds later. `looks_count` is for itself.
    void sight_targets(std::function<void(std::vector<initiator::TargetStatus>)> done,
                       int looks_count = 0);
    // Replies with null when the target has said what its disk is now.
    void revalidate(const std::string& target, const Reply& reply);
    // Of everything; `uptime` is the caller's to fill in. Asks each shard a little at a time, so
    // that no data waits for it.
    void gather(std::function<void(DaemonStatus)> done);

    [[nodiscard]] bool has(proto::Address address) const { return entries_.contains(address); }
    [[nodiscard]] std::size_t attached_count() const;
    // News of a target, from its shard.
    void handle_event(const initiator::Event& event);

    // Ends waiting, lets what is under way end, and leaves every LUN to a successor; then `done`.
    void leave_all(std::function<void()> done);

    // Called when a LUN has ended for good; `persistent`: it may have a drop-in.
    std::function<std::expected<void, Error>(proto::Address address, bool persistent)> on_detached;
    // News of a LUN that is attached, or just was; `make_line` makes a line of event_text.hpp,
    // empty when it is nothing for those who follow events.
    using MakeLine = std::function<std::string()>;
    std::function<void(proto::Address address, const MakeLine& make_line)> on_event;

  private:
    enum class Phase : std::uint8_t { waiting, opening, attached, closing };
    using Clock = std::chrono::steady_clock;

    struct Entry {
        Phase phase = Phase::waiting;
        ShardHost* host = nullptr;
        LunRequest request;
        Reply reply;
        std::function<bool()> asker_is_gone;
        std::optional<LunRequest> configured;      // what is wanted for as long as it takes
        std::optional<Clock::time_point> deadline; // of waiting; nothing: none
        std::chrono::seconds wait{};
        std::optional<Clock::time_point> usable_since;
        Clock::time_point not_before; // after a failure
        std::string last_failure;     // told once
        std::string missing;          // when it was last looked for
        std::optional<LunState> left; // by a predecessor, and not taken over yet
        std::shared_ptr<Lun> lun;     // shared with questions that are under way
    };

    struct Gathering;
    void gather_some(const std::shared_ptr<Gathering>& gathering, std::size_t shard_index);
    ShardHost& choose_host();
    void look_for_waiting();
    void look_on(ShardHost& host, std::vector<proto::Address> addresses);
    void handle_sighting(proto::Address address, const Sighting& sighting);
    void begin_to_open(proto::Address address, Entry& entry);
    void begin_to_recover(Entry& entry);
    void detach_waiting(proto::Address address, Entry& entry, const DetachRequest& request,
                        const Reply& reply);
    void handle_opened(proto::Address address, std::expected<std::unique_ptr<Lun>, Error> opened);
    void fail_entry(proto::Address address, Entry& entry, const Error& error);
    void report_failure(proto::Address address, const Error& error,
                        std::string_view what_then) const;
    void wait_again(Entry& entry);
    void update_target(const Entry& entry);
    void handle_closed(proto::Address address, const std::expected<void, Error>& closed, bool keep,
                       const Reply& reply);
    void answer_detached(proto::Address address, const std::string& name, bool persistent,
                         const Reply& reply);
    void erase(proto::Address address);
    // `task` blocks, on a worker; what it returns is then run on the io_context's thread.
    void work(std::function<std::function<void()>()> task);
    void continue_leaving();
    void discover_now();
    void after(Clock::duration delay, std::function<void()> task);
    void await_identified(ShardHost& host, const std::shared_ptr<Lun>& lun, const Reply& reply,
                          Clock::time_point deadline);
    static ListEntry line_of(const Entry& entry);
    static Error no_such_lun(const std::string& target);
    static Error not_attached(proto::Address address);
    std::map<proto::Address, Entry>::iterator find(const std::string& target);

    LunEnvironment environment_;
    Hosts& hosts_;
    std::string socket_folder_;
    std::map<proto::Address, Entry> entries_;
    boost::asio::steady_timer look_timer_;
    bool looking_ = false;
    Clock::duration look_interval_{};
    Clock::time_point discover_next_{};
    Clock::duration discover_interval_{};
    boost::asio::thread_pool workers_;
    std::size_t working_count_ = 0;
    std::function<void()> leaving_; // set: everything ends
    bool left_ = false;
};

} // namespace uaoe::tools
