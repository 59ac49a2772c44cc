// What can be seen from outside of the commands to each LUN: which wait for an answer and since
// when. Kept from the frames alone, so that the engine's own books can be checked against it.
#pragma once

#include "initiator/engine.hpp"
#include "proto/frame.hpp"
#include "tests/sim/event_queue.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace uaoe::sim {

// What a frame of the engine asks for.
enum class Asks : std::uint8_t { read, write, discard, flush, identify, other };

struct Question {
    Asks asks = Asks::other;
    std::uint64_t lba = 0;
    std::uint32_t sectors = 0;
};
[[nodiscard]] Question question_of(const proto::Frame& request);

// One frame of a command.
struct WatchedCopy {
    std::uint32_t tag = 0;
    Time sent_at;
    std::uint64_t order = 0;    // among all frames
    proto::MacAddress port_mac; // its path
    proto::MacAddress target_mac;
    bool is_answered = false;
};

// One command of the engine: frames with the same slot in their tags, until one is answered.
struct WatchedCommand {
    proto::Address address;
    Question question;
    Time first_sent_at;              // its first copy; of a split-off tail its head's
    std::vector<WatchedCopy> copies; // newest last
    // Sent again after it may have been given up or done: one FLUSH, or one read of the same
    // sectors, looks like another. So from here on it may be another command, in the slot of the
    // one before.
    std::optional<Time> begun_anew_at;
    bool is_probe = false; // perhaps: a READ of LBA 0 that proves what a path carries
    bool is_answered = false;
    Time answered_at;
    bool may_be_done = false; // by an answer that the engine took, or did not take
    bool is_given_up = false; // a request it may have served has failed

    [[nodiscard]] bool is_of(proto::Address lun) const { return address == lun && !copies.empty(); }
    // The copy with that tag is perhaps of the one before it in its slot.
    [[nodiscard]] bool is_of_before(std::uint32_t tag) const;
};

struct WatchedRequest {
    const initiator::Request* request = nullptr;
    Time submitted_at;
    // One of its commands may have failed. It ends when no other is waited for any more, and the
    // others are not sent again when they are lost, but given up.
    bool may_have_failed = false;
};

struct WatchedLun {
    Duration fail_after{};
    std::vector<WatchedRequest> pending;
    // Requests wait, and no answer to a data or flush command came since.
    std::optional<Time> silent_since;
    bool was_asked = false; // ... and something was sent meanwhile that could be answered
    bool is_down = false;   // as the engine says
    std::optional<Time> no_path_since; // as the engine says
    bool is_slow = false; // one command may take as long as fail_after, with nothing wrong
    Time heard_at;        // any true answer, or an IDENTIFY of the right disk
    Time progress_at;     // first answer to a data or flush command
    std::set<std::tuple<initiator::PortIndex, proto::MacAddress>> conflicts; // paths
    std::vector<WatchedCommand> unanswered; // of slots that were used again; answered_at: when
    struct Tail {
        Time first_sent_at;
        std::uint64_t end = 0; // lba
    };
    std::map<std::pair<Asks, std::uint64_t>, Tail> tails; // cut off a lost command; by lba
};

class Watch {
  public:
    WatchedLun& lun(proto::Address address) { return luns_[address]; }

    // ---- inputs ----
    void handle_sent(Time now, const proto::Frame& request);
    // A true answer reaches the engine; `is_right_disk`: from the disk that was attached.
    void handle_answer(Time now, initiator::PortIndex port, const proto::Frame& answer,
                       bool is_right_disk);
    // An answer with too little data reaches the engine.
    void handle_short(std::uint32_t tag);
    void handle_event(Time now, const initiator::Event& event);
    void handle_submit(Time now, proto::Address address, const initiator::Request& request);
    void handle_complete(proto::Address address, const initiator::Request& request);
    void handle_port(Time now, bool went_down);
    void handle_restart(); // another engine, with none of the requests yet
    // From now on nothing is wrong any more; after `settle` no silence begins.
    void begin_peace(Time now, Duration settle) { settled_at_ = now + settle; }

    // ---- getters ----
    // The command whose newest copy has this tag; nullptr when there is none.
    [[nodiscard]] const WatchedCommand* find_newest(std::uint32_t tag) const;
    // A copy that was sent later than its newest on the same path, of any read or write, has been
    // answered: with data, too little of it, or an error.
    [[nodiscard]] bool is_overtaken(const WatchedCommand& command) const;
    // Why `request` may not end as timed_out now; empty: it may.
    [[nodiscard]] std::string judge_timeout(Time now, proto::Address address,
                                            const initiator::Request& request,
                                            Time submitted_at) const;
    // Requests must not wait longer than fail_after with nothing heard; throws Violation.
    void check_fail_after(Time now, Duration slack) const;
    // With nothing wrong since `calm_since` some command is answered every `limit`; throws
    // Violation.
    void check_progress(Time now, proto::Address address, Time calm_since, Duration limit) const;
    // The engine took a path to `mac` out of use: what was sent before is in flight no more.
    // When a path last answered something that was asked.
    [[nodiscard]] Time heard_at(proto::Address address, initiator::PortIndex port,
                                const proto::MacAddress& mac) const;
    [[nodiscard]] Time taken_out_at(proto::Address address, const proto::MacAddress& mac) const;

  private:
    using PathKey = std::tuple<proto::Address, proto::MacAddress>;
    WatchedCommand* find(std::uint32_t tag);
    bool handle_copy_answered(WatchedCommand& command, std::uint32_t tag);
    void handle_failing(const WatchedCommand& command);
    [[nodiscard]] bool is_out_of_time(Time now, const WatchedCommand& command) const;
    [[nodiscard]] bool may_be_given_up(Time now, const WatchedCommand& command,
                                       std::uint32_t tag) const;
    void forget_commands(proto::Address address);
    [[nodiscard]] bool had_no_path(const WatchedLun& lun) const;

    std::map<proto::Address, WatchedLun> luns_;
    std::vector<WatchedCommand> commands_; // by slot; without tags: none
    std::map<PathKey, Time> taken_out_;
    std::set<std::pair<initiator::PortIndex, PathKey>> untrusted_; // paths; as the engine says
    std::map<std::pair<PathKey, proto::MacAddress>, std::uint64_t> answered_up_to_; // order
    std::uint64_t order_last_ = 0;
    std::map<std::pair<initiator::PortIndex, PathKey>, Time> heard_;
    std::uint32_t ports_down_count_ = 0;
    Time port_up_at_;
    std::optional<Time> settled_at_;
};

} // namespace uaoe::sim
