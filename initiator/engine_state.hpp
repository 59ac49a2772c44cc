// The inside of the engine: all of its state, and the rules grouped by the file that holds them.
#pragma once

#include "initiator/administration.hpp"
#include "initiator/command.hpp"
#include "initiator/engine.hpp"
#include "initiator/target.hpp"
#include "proto/frame.hpp"

#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace uaoe::initiator {

struct Port {
    PortState state;
    bool wants_discover = false;
};

// Serial, model and size: what makes a disk this disk (firmware may be updated, features switched).
[[nodiscard]] bool same_disk(const proto::Identify& a, const proto::Identify& b);

struct Engine::State {
    explicit State(const EngineConfig& engine_config);
    ~State();
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    // ---- discovery.cpp: the target table, Query Config, IDENTIFY, which paths may carry data ----
    void handle_port(Time now, PortIndex port, const PortState& state);
    void discover(Time now);
    void repeat_discover(Time now);
    bool probe(proto::Address address);
    bool revalidate(Time now, proto::Address address);
    void handle_query_config(Time now, PortIndex port, const proto::Frame& frame);
    void handle_identify(Time now, Path& path, const proto::Frame& frame);
    void verify_path(Time now, Path& path);  // takes it out of use until IDENTIFY agrees
    void ask_identity(Time now, Path& path); // and leaves it in use, if it is
    void take_growth(Time now, const Path& path, const proto::Identify& identify);
    void set_conflict(Time now, Path& path);
    void set_path_state(Time now, Path& path, PathState state);
    void set_target_state(Target& target, TargetState state);
    void stop_identify(Path& path);
    Target* find_or_add_target(proto::Address address);
    Path* find_or_add_path(Target& target, PortIndex port, const proto::MacAddress& mac,
                           std::uint32_t buffer_count);

    // ---- ask.cpp: administrative questions ----
    std::expected<void, AskError> ask(Time now, AdminQuestion question);
    bool transmit_administration(Time now, Transmit& transmit);
    void handle_administration(Time now, PortIndex port, const proto::Frame& frame);
    void arm_administration_timer();

    // ---- known_disks.cpp: LUNs of which something is known from before ----
    std::expected<DeviceIndex, AttachError> attach_known(Time now, proto::Address address,
                                                         const KnownDisk& disk,
                                                         const DeviceOptions& options);
    void tell_identity(Time now, Target& target, const KnownDisk& disk,
                       const proto::Identify& identify);
    void forget_hearsay(Time now, Target& target);
    [[nodiscard]] bool is_sought(Time now, const Target& target) const;
    void seek(Time now, Target& target);

    // ---- transmit.cpp: what goes out next ----
    bool poll_transmit(Time now, Transmit& transmit);
    bool transmit_discover(Transmit& transmit);
    bool transmit_seek(Transmit& transmit);
    bool transmit_probe(Time now, Transmit& transmit);
    void write_query(Transmit& transmit, PortIndex port, const proto::MacAddress& destination,
                     proto::Address address, std::uint32_t generation) const;
    bool transmit_identify(Time now, Transmit& transmit);
    bool transmit_for(Time now, DeviceEntry& device, Transmit& transmit);
    bool transmit_next_cut(Time now, DeviceEntry& device, Transmit& transmit);
    bool transmit_again(Time now, DeviceEntry& device, Transmit& transmit);
    void send_command(Time now, Command& command, Path& path, Transmit& transmit);
    bool split_for(Command& command, const Path& path);
    void make_ready(DeviceEntry& device);
    void starve(DeviceEntry& device);
    Command* allocate_command(DeviceEntry& device, bool is_split = false);
    void release_command(Command& command);
    void release_scratch(Command& command);
    void wake_starved();

    // ---- answers.cpp: what comes in ----
    void handle_frame(Time now, PortIndex port, proto::ConstBytes bytes);
    void handle_answer(Time now, Command& command, Transmission& transmission,
                       const proto::Frame& frame);
    void handle_forgotten_answer(Time now, Command& command, PortIndex port,
                                 const proto::Frame& frame);
    void handle_sign_of_life(Time now, Path& path, const Command& command);
    void end_command(Time now, Command& command, Path& path, const proto::Frame& frame,
                     std::uint32_t sectors_asked);
    bool take_refused_size(Time now, Command& command, const Transmission& copy,
                           const proto::Frame& frame);
    void account_answer(Time now, Command& command, Transmission& transmission);
    static Status read_answer(const Command& command, const proto::Frame& frame,
                              std::uint32_t sectors_asked);

    // ---- paths.cpp: which path a command takes ----
    Path* pick_path(Time now, Target& target, const Path* avoid, std::uint32_t sectors_min);
    [[nodiscard]] static bool has_room(const Path& path, std::uint32_t sectors_min);

    // ---- payload.cpp: how much a frame may carry on each path ----
    static std::uint32_t least_payload(const Path& path);
    void update_payload(Time now, Path& path);
    void search_payload(Time now, Path& path, std::uint32_t passing);
    void restart_payload_search(Time now, Path& path);
    void continue_payload_search(Time now, Path& path);
    void report_payload(Path& path);
    void stop_payload_search(Path& path);
    bool transmit_payload_probe(Time now, Transmit& transmit);
    void handle_payload_answer(Time now, Path& path, bool passed);
    bool take_payload_answer(Time now, Path& path, std::uint32_t generation);
    void take_payload_read(Time now, Path& path, const proto::Frame& frame);
    [[nodiscard]] std::optional<Time> payload_deadline(const Path& path) const;
    void handle_payload_timeout(Time now, Path& path);
    void suspect_payload(Time now, const Command& command, const Transmission& lost);
    static void note_passed_payload(Time now, const Command& command,
                                    const Transmission& transmission);

    // ---- timeouts.cpp: what does not come in ----
    void handle_timeout(Time now);
    void handle_path_timer(Time now, Path& path);
    void handle_identify_timeout(Time now, Path& path);
    void handle_device_timer(Time now, DeviceEntry& device);
    [[nodiscard]] std::optional<Time> path_deadline(Path& path) const;
    void arm_path_timer(Path& path);
    std::optional<Time> next_timeout();
    void suspect_path(Time now, Path& path);
    void detect_losses(Time now, Path& path); // by what was answered
    void probe_tail(Time now, Path& path);
    [[nodiscard]] Duration tail_patience(const Path& path) const;
    void arm_tail_probe(Time now, Path& path);
    enum class LossSign : std::uint8_t { overtaken, timeout };
    void lose_command(Time now, Command& command, LossSign sign);
    void evacuate_path(Path& path); // its commands go to other paths
    void remove_from_flight(Command& command);

    // ---- fences.cpp: finished writes of which a copy may still reach the disk ----
    void retire_command(Time now, Command& command); // free, or lingering behind a fence
    void fence(Time now, Command& command, Time last_sent);
    Fence& make_fence(Command& command);
    [[nodiscard]] bool copies_are_gone(const Command& command) const;
    [[nodiscard]] static bool is_done_in_order(const Fence& fence);
    [[nodiscard]] bool is_passed(Time now, const Fence& fence) const;
    void ask_path(Time now, Path& path);
    void ask_paths(Time now, const Fence& fence); // of copies that are feared
    void remove_fence(Fence& fence);
    void handle_linger_timer(Time now);
    void begin_to_settle(Time now, Target& target);
    static bool is_settled_at(const Target& target, const proto::MacAddress& mac);
    void settle_target(Time now, Target& target);
    void handle_settle_timer(Time now);
    void admit_wanted(Time now);

    // ---- devices.cpp: requests and their life ----
    std::expected<DeviceIndex, AttachError> attach(Time now, proto::Address address,
                                                   const DeviceOptions& options);
    DeviceIndex open_device(Time now, Target& target, DeviceEntry& device,
                            const proto::Identify& identify, const DeviceOptions& options);
    void detach(Time now, DeviceEntry& device);
    void submit(Time now, DeviceEntry& device, Request& request);
    static std::optional<Status> refuse(const DeviceEntry& device, const Request& request);
    static void begin_to_ask(Time now, DeviceEntry& device);
    bool may_admit(DeviceEntry& device, Request& request) const;
    void admit(DeviceEntry& device, Request& request);
    void admit_waiting(Time now, DeviceEntry& device);
    void prepare_flush(DeviceEntry& device);
    void finish_command(Time now, Command& command, Status status);
    void finish_request_data(Time now, DeviceEntry& device, Request& request);
    void fail_request(DeviceEntry& device, Request& request, Status status);
    void complete(Time now, DeviceEntry& device, Request& request, Status status);
    void finish_flush(Time now, DeviceEntry& device, Status status);
    void fail_everything(Time now, DeviceEntry& device, Status status);
    void update_device_state(Time now, Target& target);

    void push_event(const Event& event);
    std::optional<Event> poll_event();
    DeviceEntry& device_at(DeviceIndex index);

    EngineConfig config;
    EngineCounters counters;
    std::vector<Port> ports;
    std::map<proto::Address, std::unique_ptr<Target>> targets;
    std::vector<DeviceEntry> devices;
    CommandPool commands;
    // Slots that data leaves for IDENTIFY, or a full pool could never find out that its paths are
    // back; and those that new commands leave for the tails of lost ones, or a full pool could not
    // be sent again over a path that carries less.
    std::size_t commands_reserved_for_identify;
    std::size_t commands_reserved_for_splits;
    std::size_t identify_slots_count = 0; // in use
    std::vector<Fence> fences;            // for those that leave their commands' slots
    FenceQueue spare_fences;              // of these
    FenceQueue lingering;                 // by fence_until
    FenceQueue held;                      // past it, feared in the queue of a target
    Time held_checked_at;
    std::vector<std::array<std::byte, 512>> scratch_blocks;
    std::vector<std::span<std::byte>> scratch_free;

    TimerQueue timers;
    Timer discover_timer{TimerKind::discover};
    Timer linger_timer{TimerKind::linger};
    Timer settle_timer{TimerKind::settle};
    Timer administration_timer{TimerKind::administration};

    ProbeQueue probe_queue;
    PayloadQueue payload_queue;
    SeekQueue seek_queue;
    IdentifyQueue identify_queue;
    std::uint32_t identifies_count = 0; // in flight
    DeviceQueue ready;                  // may have something to send
    DeviceQueue starved;                // wait for a command slot or scratch block
    std::uint32_t burst_count = 0;      // frames in a row from the first ready device
    std::uint16_t query_generation = 0;
    std::uint32_t discovers_wanted_count = 0; // ports with wants_discover
    Duration discover_wait;                   // from one to the next

    Administration administration;

    RequestState::Queue completed;
    std::vector<Event> events; // a ring of fixed size
    std::size_t events_first = 0;
    std::size_t events_count = 0;
};

} // namespace uaoe::initiator
