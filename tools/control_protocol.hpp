// What `uaoe` and uaoed say to each other on the control socket: one JSON object a line, one
// request and one reply a connection. Pure functions; the JSON library stays behind them.
#pragma once

#include "initiator/linux/error.hpp"
#include "tools/lun_options.hpp"

#include <chrono>
#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace uaoe::tools {

inline constexpr const char* control_socket_default = "/run/uaoe/control.sock";

// A request is one line of at most this many bytes.
inline constexpr std::size_t control_request_bytes_max = 4096;
// A reply is not longer: 4,096 LUNs with 16 paths each are less than 16 MiB.
inline constexpr std::size_t control_reply_bytes_max = std::size_t{64} << 20U;

struct AttachRequest {
    proto::Address address;
    FrontEndKind front_end = FrontEndKind::automatic;
    std::optional<std::uint32_t> nbd_index = std::nullopt; // /dev/nbdN; only with FrontEndKind::nbd
    std::optional<std::chrono::seconds> fail_after = std::nullopt; // nothing: as configured
    std::optional<bool> read_only = std::nullopt;
    std::optional<bool> in_order = std::nullopt;
    std::chrono::seconds wait{10};
    bool persist = false;
    friend bool operator==(const AttachRequest&, const AttachRequest&) = default;
};

struct DetachRequest {
    std::string target; // an address, or the name of a device: "1.0", "/dev/ublkb0"
    bool force = false;
    bool keep = false; // what --persist asked for: it comes back at the next start
    friend bool operator==(const DetachRequest&, const DetachRequest&) = default;
};

struct ListRequest {
    friend bool operator==(const ListRequest&, const ListRequest&) = default;
};

struct ShowRequest {
    std::string target; // as in DetachRequest
    friend bool operator==(const ShowRequest&, const ShowRequest&) = default;
};

// Looks for targets now, and attaches each that is ready and is not yet, as configured; what the
// kernel's driver does by itself.
struct AttachAllRequest {
    friend bool operator==(const AttachAllRequest&, const AttachAllRequest&) = default;
};

// Asks the target for its disk again: it may have grown.
struct RevalidateRequest {
    std::string target; // as in DetachRequest
    friend bool operator==(const RevalidateRequest&, const RevalidateRequest&) = default;
};

// The interfaces that uaoed uses; with `wanted`, those that it uses from its next start on, which
// comes at once where a service manager starts it again. None: all that are up.
struct InterfacesRequest {
    std::optional<std::vector<std::string>> wanted = std::nullopt;
    friend bool operator==(const InterfacesRequest&, const InterfacesRequest&) = default;
};

// All LUNs and interfaces, for `uaoe top`: see status_json().
struct StatusRequest {
    friend bool operator==(const StatusRequest&, const StatusRequest&) = default;
};

// A string: the text that Prometheus reads.
struct MetricsRequest {
    friend bool operator==(const MetricsRequest&, const MetricsRequest&) = default;
};

// The reply is a string, and then there is a line for each event (see event_text.hpp) until either
// side closes the connection.
struct EventsRequest {
    std::optional<proto::Address> address = std::nullopt; // nothing: of all LUNs
    friend bool operator==(const EventsRequest&, const EventsRequest&) = default;
};

using ControlRequest = std::variant<AttachRequest, DetachRequest, ListRequest, ShowRequest,
                                    AttachAllRequest, RevalidateRequest, InterfacesRequest,
                                    StatusRequest, MetricsRequest, EventsRequest>;

// False for those that only look.
[[nodiscard]] bool changes_anything(const ControlRequest& request);

// JSON text of what was asked for (attach and detach: the name of the device in quotes; others: see
// AttachedAll and InterfacesAnswer), or why not.
using ControlReply = std::expected<std::string, Error>;

// With the newline at the end.
[[nodiscard]] std::string request_line(const ControlRequest& request);
[[nodiscard]] std::string reply_line(const ControlReply& reply);

// Without the newline. Whatever the bytes are, the answer is a request or an Error in one line.
[[nodiscard]] std::expected<ControlRequest, Error> parse_request(std::string_view line);
[[nodiscard]] ControlReply parse_reply(std::string_view line);

// Of a reply that is none, or not one to what was asked.
[[nodiscard]] Error not_understood();

// The answer to AttachAllRequest.
struct AttachedAll {
    std::uint32_t attached_count = 0;
    std::vector<std::string> failures; // a line for each target that is there and was not attached
};
[[nodiscard]] std::string attached_all_json(const AttachedAll& answer);
[[nodiscard]] std::optional<AttachedAll> attached_all_of(std::string_view json);

// The answer to InterfacesRequest.
struct InterfacesAnswer {
    std::vector<std::string> interfaces; // none: all that are up
    bool restarts = false;               // uaoed ends now, and is started again
};
[[nodiscard]] std::string interfaces_json(const InterfacesAnswer& answer);
[[nodiscard]] std::optional<InterfacesAnswer> interfaces_of(std::string_view json);

// "/dev/ublkb0" as JSON text, and back. Not a string: nothing.
[[nodiscard]] std::string json_string(std::string_view text);
[[nodiscard]] std::optional<std::string> string_of_json(std::string_view json);

} // namespace uaoe::tools
