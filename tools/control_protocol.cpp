// The control protocol, in nlohmann's JSON.
#include "tools/control_protocol.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <initializer_list>

namespace uaoe::tools {

namespace {

using Json = nlohmann::ordered_json;

std::string line_of(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Error garbage(std::string why) {
    return {.what = "the request was not understood",
            .why = std::move(why),
            .what_to_do = "use `uaoe`, of the version of uaoed",
            .exit_code = ExitCode::failed};
}

// Reads the fields of a request; the first that is wrong is kept.
class Fields {
  public:
    explicit Fields(const Json& json) : json_(json) {}

    [[nodiscard]] const std::optional<std::string>& mistake() const { return mistake_; }

    [[nodiscard]] bool has(const char* key) const { return json_.contains(key); }

    std::string text(const char* key) {
        if (!has(key) || !json_[key].is_string()) {
            return note(key, "a text"), std::string();
        }
        return json_[key].get<std::string>();
    }

    bool flag(const char* key) {
        if (!json_[key].is_boolean()) {
            return note(key, "true or false"), false;
        }
        return json_[key].get<bool>();
    }

    std::vector<std::string> texts(const char* key) {
        const Json& value = json_[key];
        std::vector<std::string> found;
        for (const Json& one : value.is_array() ? value : Json::array({0})) {
            if (!one.is_string()) {
                return note(key, "a list of texts"), std::vector<std::string>();
            }
            found.push_back(one.get<std::string>());
        }
        return found;
    }

    std::int64_t number(const char* key, std::int64_t most) {
        const Json& value = json_[key];
        const bool fits = value.is_number_unsigned() &&
                          value.get<std::uint64_t>() <= static_cast<std::uint64_t>(most);
        if (!fits) {
            return note(key, "a whole number up to " + std::to_string(most)), 0;
        }
        return value.get<std::int64_t>();
    }

    // Every key must be one of these, so that a misspelt option is not silently ignored.
    void allow(std::initializer_list<std::string_view> keys) {
        for (const auto& [key, value] : json_.items()) {
            if (std::ranges::find(keys, key) == keys.end()) {
                mistake_ = mistake_.value_or("it has no \"" + key.substr(0, 40) + "\"");
            }
        }
    }

    void note(const char* key, const std::string& what) {
        mistake_ = mistake_.value_or("\"" + std::string(key) + "\" is " + what);
    }

  private:
    const Json& json_;
    std::optional<std::string> mistake_;
};

AttachRequest parse_attach(Fields& fields) {
    fields.allow({"command", "address", "frontend", "nbd_index", "fail_after_s", "read_only",
                  "in_order", "wait_s", "persist"});
    AttachRequest request;
    if (const auto address = proto::parse_address(fields.text("address"))) {
        request.address = *address;
    } else {
        fields.note("address", "shelf.slot");
    }
    if (fields.has("frontend")) {
        const auto kind = parse_front_end(fields.text("frontend"));
        if (!kind) {
            fields.note("frontend", "auto, ublk, nbd or export");
        }
        request.front_end = kind.value_or(FrontEndKind::automatic);
    }
    if (fields.has("nbd_index")) {
        constexpr std::int64_t index_max = 65535;
        request.nbd_index = static_cast<std::uint32_t>(fields.number("nbd_index", index_max));
    }
    if (fields.has("fail_after_s")) {
        request.fail_after =
            std::chrono::seconds{fields.number("fail_after_s", seconds_max.count())};
    }
    if (fields.has("read_only")) {
        request.read_only = fields.flag("read_only");
    }
    if (fields.has("in_order")) {
        request.in_order = fields.flag("in_order");
    }
    if (fields.has("wait_s")) {
        request.wait = std::chrono::seconds{fields.number("wait_s", seconds_max.count())};
    }
    request.persist = fields.has("persist") && fields.flag("persist");
    return request;
}

EventsRequest parse_events(Fields& fields) {
    fields.allow({"command", "address"});
    EventsRequest request;
    if (fields.has("address")) {
        request.address = proto::parse_address(fields.text("address"));
        if (!request.address) {
            fields.note("address", "shelf.slot");
        }
    }
    return request;
}

DetachRequest parse_detach(Fields& fields) {
    fields.allow({"command", "target", "force", "keep"});
    DetachRequest request{.target = fields.text("target")};
    request.force = fields.has("force") && fields.flag("force");
    request.keep = fields.has("keep") && fields.flag("keep");
    return request;
}

Json json_of(const AttachRequest& request) {
    Json json;
    json["command"] = "attach";
    json["address"] = proto::to_string(request.address);
    json["frontend"] = front_end_text(request.front_end);
    if (request.nbd_index) {
        json["nbd_index"] = *request.nbd_index;
    }
    if (request.fail_after) {
        json["fail_after_s"] = request.fail_after->count();
    }
    if (request.read_only) {
        json["read_only"] = *request.read_only;
    }
    if (request.in_order) {
        json["in_order"] = *request.in_order;
    }
    json["wait_s"] = request.wait.count();
    json["persist"] = request.persist;
    return json;
}

Json json_of(const DetachRequest& request) {
    return {{"command", "detach"},
            {"target", request.target},
            {"force", request.force},
            {"keep", request.keep}};
}

Json json_of(const ListRequest& /*request*/) {
    return {{"command", "list"}};
}

Json json_of(const ShowRequest& request) {
    return {{"command", "show"}, {"target", request.target}};
}

Json json_of(const AttachAllRequest& /*request*/) {
    return {{"command", "attach_all"}};
}

Json json_of(const RevalidateRequest& request) {
    return {{"command", "revalidate"}, {"target", request.target}};
}

Json json_of(const InterfacesRequest& request) {
    Json json = {{"command", "interfaces"}};
    if (request.wanted) {
        json["wanted"] = *request.wanted;
    }
    return json;
}

Json json_of(const StatusRequest& /*request*/) {
    return {{"command", "status"}};
}

Json json_of(const MetricsRequest& /*request*/) {
    return {{"command", "metrics"}};
}

Json json_of(const EventsRequest& request) {
    Json json{{"command", "events"}};
    if (request.address) {
        json["address"] = proto::to_string(*request.address);
    }
    return json;
}

} // namespace

bool changes_anything(const ControlRequest& request) {
    const auto* const interfaces = std::get_if<InterfacesRequest>(&request);
    return !std::holds_alternative<ListRequest>(request) &&
           !std::holds_alternative<ShowRequest>(request) &&
           !std::holds_alternative<StatusRequest>(request) &&
           !std::holds_alternative<MetricsRequest>(request) &&
           !std::holds_alternative<EventsRequest>(request) &&
           (interfaces == nullptr || interfaces->wanted);
}

std::string request_line(const ControlRequest& request) {
    return line_of(std::visit([](const auto& one) { return json_of(one); }, request));
}

std::string reply_line(const ControlReply& reply) {
    if (reply) {
        return R"({"ok":true,"result":)" + *reply + "}\n";
    }
    const Error& error = reply.error();
    Json json;
    json["ok"] = false;
    json["what"] = error.what;
    json["why"] = error.why;
    json["what_to_do"] = error.what_to_do;
    json["exit_code"] = static_cast<int>(error.exit_code);
    return line_of(json);
}

std::expected<ControlRequest, Error> parse_request(std::string_view line) {
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object()) {
        return std::unexpected(garbage("it is not a JSON object"));
    }
    Fields fields(json);
    const std::string command = fields.text("command");
    ControlRequest request;
    if (command == "attach") {
        request = parse_attach(fields);
    } else if (command == "detach") {
        request = parse_detach(fields);
    } else if (command == "list") {
        fields.allow({"command"});
        request = ListRequest{};
    } else if (command == "status") {
        fields.allow({"command"});
        request = StatusRequest{};
    } else if (command == "events") {
        request = parse_events(fields);
    } else if (command == "metrics") {
        fields.allow({"command"});
        request = MetricsRequest{};
    } else if (command == "show") {
        fields.allow({"command", "target"});
        request = ShowRequest{.target = fields.text("target")};
    } else if (command == "attach_all") {
        fields.allow({"command"});
        request = AttachAllRequest{};
    } else if (command == "revalidate") {
        fields.allow({"command", "target"});
        request = RevalidateRequest{.target = fields.text("target")};
    } else if (command == "interfaces") {
        fields.allow({"command", "wanted"});
        InterfacesRequest interfaces;
        if (fields.has("wanted")) {
            interfaces.wanted = fields.texts("wanted");
        }
        request = std::move(interfaces);
    } else if (!fields.mistake()) {
        return std::unexpected(garbage("there is no command \"" + command.substr(0, 40) + "\""));
    }
    if (fields.mistake()) {
        return std::unexpected(garbage(*fields.mistake()));
    }
    return request;
}

Error not_understood() {
    return {.what = "uaoed gave an answer that was not understood",
            .why = {},
            .what_to_do = "check that uaoe and uaoed have the same version",
            .exit_code = ExitCode::daemon_unreachable};
}

ControlReply parse_reply(std::string_view line) {
    const Json json = Json::parse(line, nullptr, false);
    if (json.is_object() && json.contains("ok") && json["ok"].is_boolean()) {
        if (json["ok"].get<bool>() && json.contains("result")) {
            return json["result"].dump(-1, ' ', false, Json::error_handler_t::replace);
        }
        Fields fields(json);
        Error error{.what = fields.text("what"),
                    .why = fields.text("why"),
                    .what_to_do = fields.text("what_to_do")};
        const auto code = fields.has("exit_code") ? fields.number("exit_code", 5) : 1;
        error.exit_code = static_cast<ExitCode>(std::max<std::int64_t>(code, 1));
        if (!fields.mistake()) {
            return std::unexpected(std::move(error));
        }
    }
    return std::unexpected(not_understood());
}

std::string attached_all_json(const AttachedAll& answer) {
    const Json json = {{"attached_count", answer.attached_count}, {"failures", answer.failures}};
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<AttachedAll> attached_all_of(std::string_view json) {
    const Json value = Json::parse(json, nullptr, false);
    if (!value.is_object() || !value.contains("attached_count") || !value.contains("failures")) {
        return std::nullopt;
    }
    Fields fields(value);
    AttachedAll answer{.attached_count =
                           static_cast<std::uint32_t>(fields.number("attached_count", 1U << 20U)),
                       .failures = fields.texts("failures")};
    return fields.mistake() ? std::nullopt : std::optional(std::move(answer));
}

std::string interfaces_json(const InterfacesAnswer& answer) {
    const Json json = {{"interfaces", answer.interfaces}, {"restarts", answer.restarts}};
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<InterfacesAnswer> interfaces_of(std::string_view json) {
    const Json value = Json::parse(json, nullptr, false);
    if (!value.is_object() || !value.contains("interfaces") || !value.contains("restarts")) {
        return std::nullopt;
    }
    Fields fields(value);
    InterfacesAnswer answer{.interfaces = fields.texts("interfaces"),
                            .restarts = fields.flag("restarts")};
    return fields.mistake() ? std::nullopt : std::optional(std::move(answer));
}

std::string json_string(std::string_view text) {
    return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<std::string> string_of_json(std::string_view json) {
    const Json value = Json::parse(json, nullptr, false);
    return value.is_string() ? std::optional(value.get<std::string>()) : std::nullopt;
}

} // namespace uaoe::tools
