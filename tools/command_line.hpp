// The command line of `uaoe`: words in, a command and its options out. Opens nothing, prints
// nothing.
#pragma once

#include "initiator/linux/busy_poll.hpp"
#include "initiator/linux/error.hpp"
#include "initiator/linux/link_kind.hpp"
#include "proto/address.hpp"
#include "proto/ethernet.hpp"
#include "proto/smart.hpp"
#include "tools/control_protocol.hpp"

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace uaoe::tools {

using Milliseconds = std::chrono::milliseconds;

struct DiscoverOptions {
    std::vector<std::string> interfaces; // none: all that are up
    Milliseconds wait{2000};
    bool json = false;
    bool watch = false;
    std::optional<proto::Address> address;
};

struct ServeOptions {
    proto::Address address;
    std::vector<std::string> interfaces;    // at least one
    LunOptions lun;                         // never FrontEndKind::automatic
    std::string nbd_socket;                 // of FrontEndKind::socket
    std::optional<std::uint32_t> nbd_index; // of FrontEndKind::nbd; nothing: any that is free
    std::chrono::seconds wait{10};
    std::string statistics_file; // empty: none
    initiator::LinkKind link = initiator::LinkKind::packet;
    std::chrono::microseconds busy_poll = initiator::BusyPoll::time_max_default; // 0: never
};

struct IdentifyOptions {
    proto::Address address;
    std::vector<std::string> interfaces;
    Milliseconds wait{3000};
    bool json = false;
    bool raw = false;
};

struct PingOptions {
    proto::Address address;
    std::vector<std::string> interfaces;
    Milliseconds wait{3000};
    std::uint64_t count = 0; // 0: until SIGINT
    Milliseconds interval{1000};
    bool json = false;
};

// What the commands that administer a target have in common.
struct AdminOptions {
    proto::Address address;
    std::vector<std::string> interfaces;
    Milliseconds wait{3000}; // for the target, and for each answer
    bool json = false;
};

struct ConfigOptions {
    enum class Verb : std::uint8_t { get, set, test, clear };
    AdminOptions admin;
    Verb verb = Verb::get;
    std::string string; // of set, never empty; of test
    bool force = false;
    bool is_prefix = false;
};

struct MaskOptions {
    enum class Verb : std::uint8_t { list, add, remove, clear };
    AdminOptions admin;
    Verb verb = Verb::list;
    std::vector<proto::MacAddress> macs; // of add and remove, at least one
    bool force = false;
};

struct ReserveOptions {
    enum class Verb : std::uint8_t { get, set, force, release };
    AdminOptions admin;
    Verb verb = Verb::get;
    std::vector<proto::MacAddress> macs; // of set and force; none: this host
    bool force = false;                  // of release
};

struct SmartOptions {
    AdminOptions admin;
    bool log = false;
    bool enable = false;
    std::optional<proto::SmartTest> test;
    bool follow = false; // the test, to its end
};

struct AttachOptions {
    std::string control_path = control_socket_default;
    AttachRequest request;
};

struct DetachOptions {
    std::string control_path = control_socket_default;
    DetachRequest request;
};

struct ListOptions {
    std::string control_path = control_socket_default;
    bool json = false;
    bool aoe_stat = false;
};

struct ShowOptions {
    std::string control_path = control_socket_default;
    std::string target;
    bool json = false;
};

struct CheckOptions {
    std::vector<std::string> interfaces;   // none: all that are up
    std::optional<proto::Address> address; // nothing: all that answer
    Milliseconds wait{3000};
    bool json = false;
    bool is_quiet = false; // for aoe-sancheck: where it looks, and how far it is, is not said
};

struct MetricsOptions {
    std::string control_path = control_socket_default;
};

struct EventsOptions {
    std::string control_path = control_socket_default;
    std::optional<proto::Address> address; // nothing: of all LUNs
    bool json = false;
};

struct TopOptions {
    std::string control_path = control_socket_default;
    std::optional<proto::Address> address; // nothing: all LUNs
    std::chrono::seconds interval{2};      // at least 1
    std::uint64_t count = 0;               // then it ends, and is plain lines; 0: no end
    bool paths = false;
};

struct ConfigCheckOptions {
    std::string config_path; // empty: the default, which need not be there
};

using CommandOptions =
    std::variant<DiscoverOptions, ServeOptions, IdentifyOptions, PingOptions, AttachOptions,
                 DetachOptions, ListOptions, ShowOptions, ConfigOptions, MaskOptions,
                 ReserveOptions, SmartOptions, CheckOptions, ConfigCheckOptions, MetricsOptions,
                 EventsOptions, TopOptions>;

// There is no command to run: --help, --version, or wrong usage.
struct NothingToRun {
    ExitCode exit_code = ExitCode::done;
    std::string output; // for stdout
    std::string error;  // one line for stderr, when not empty
};

// `arguments`: without the program's own name.
[[nodiscard]] std::expected<CommandOptions, NothingToRun>
parse_command_line(const std::vector<std::string>& arguments);

} // namespace uaoe::tools
