// LunState as JSON, a file each.
#include "tools/state_store.hpp"

#include "tools/whole_file.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

namespace uaoe::tools {

namespace {

using Json = nlohmann::ordered_json;

constexpr int state_version = 1;
constexpr std::size_t state_bytes_max = std::size_t{1} << 16U;

std::string hex_of(std::span<const std::byte> bytes) {
    std::string text;
    for (const std::byte byte : bytes) {
        text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
    }
    return text;
}

bool take_hex(std::string_view text, std::span<std::byte> bytes) {
    if (text.size() != 2 * bytes.size()) {
        return false;
    }
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        unsigned value = 0;
        const char* const first = text.data() + (2 * i);
        const auto [end, error] = std::from_chars(first, first + 2, value, 16);
        if (error != std::errc{} || end != first + 2) {
            return false;
        }
        bytes[i] = static_cast<std::byte>(value);
    }
    return true;
}

std::optional<proto::MacAddress> parse_mac(const std::string& text) {
    std::string digits = text;
    std::erase(digits, ':');
    std::array<std::byte, 6> bytes{};
    if (!take_hex(digits, bytes)) {
        return std::nullopt;
    }
    proto::MacAddress mac;
    std::ranges::transform(bytes, mac.octets.begin(),
                           [](std::byte byte) { return std::to_integer<std::uint8_t>(byte); });
    return mac;
}

LunState state_of(const Json& json) {
    const auto require = [](bool right) {
        if (!right) {
            throw std::runtime_error("a value makes no sense");
        }
    };
    LunState state;
    require(json.at("version").get<int>() == state_version);
    const auto address = proto::parse_address(json.at("address").get<std::string>());
    const auto kind = parse_front_end(json.at("frontend").get<std::string>());
    require(address && kind && *kind != FrontEndKind::automatic);
    state.address = *address;
    state.options.front_end = *kind;
    const auto fail_after = json.at("fail_after_s").get<std::int64_t>();
    require(fail_after >= 0 && fail_after <= seconds_max.count());
    state.options.fail_after = std::chrono::seconds{fail_after};
    state.options.read_only = json.at("read_only").get<bool>();
    state.options.in_order = json.value("in_order", false); // since it exists
    state.device_index = json.at("device_index").get<std::uint32_t>();
    state.socket_path = json.at("socket_path").get<std::string>();
    state.persistent = json.at("persistent").get<bool>();
    require(take_hex(json.at("identify_data_hex").get<std::string>(), state.identify_data));
    for (const Json& text : json.at("target_macs")) {
        const auto mac = parse_mac(text.get<std::string>());
        require(mac.has_value());
        state.target_macs.push_back(*mac);
    }
    return state;
}

} // namespace

std::string kernel_name(const LunState& state) {
    switch (state.options.front_end) {
    case FrontEndKind::ublk:
        return fmt::format("ublkb{}", state.device_index);
    case FrontEndKind::nbd:
        return fmt::format("nbd{}", state.device_index);
    case FrontEndKind::automatic:
    case FrontEndKind::socket:
        break;
    }
    return {};
}

std::string lun_state_text(const LunState& state) {
    Json json;
    json["version"] = state_version;
    json["address"] = proto::to_string(state.address);
    json["frontend"] = front_end_text(state.options.front_end);
    json["fail_after_s"] = state.options.fail_after.count();
    json["read_only"] = state.options.read_only;
    json["in_order"] = state.options.in_order;
    json["device_index"] = state.device_index;
    json["socket_path"] = state.socket_path;
    json["persistent"] = state.persistent;
    json["target_macs"] = Json::array();
    for (const proto::MacAddress& mac : state.target_macs) {
        json["target_macs"].push_back(proto::to_string(mac));
    }
    json["identify_data_hex"] = hex_of(state.identify_data);
    return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::expected<LunState, std::string> parse_lun_state(std::string_view text) {
    try {
        return state_of(Json::parse(text));
    } catch (const std::exception& error) {
        return std::unexpected(error.what());
    }
}

std::expected<StateStore, Error> StateStore::open(const std::string& folder) {
    std::error_code failed;
    std::filesystem::create_directories(folder, failed);
    if (failed) {
        const bool forbidden =
            failed == std::errc::permission_denied || failed == std::errc::operation_not_permitted;
        return std::unexpected(
            Error{.what = "cannot make the folder " + folder,
                  .why = failed.message(),
                  .what_to_do = "it holds what a restarted daemon needs; run as root, and check "
                                "that its file system can be written to",
                  .exit_code = forbidden ? ExitCode::no_permission : ExitCode::failed});
    }
    return StateStore(folder);
}

std::string StateStore::path_of(proto::Address address) const {
    return folder_ + "/" + proto::to_string(address) + ".json";
}

std::expected<void, Error> StateStore::write(const LunState& state) const {
    const std::string path = path_of(state.address);
    if (const auto written = write_whole_file(path, lun_state_text(state), FileSync::none);
        !written) {
        return std::unexpected(
            Error{.what = "cannot write " + path,
                  .why = std::strerror(written.error()),
                  .what_to_do = written.error() == ENOSPC
                                    ? "free some space there"
                                    : "a restarted daemon needs it; check the folder"});
    }
    return {};
}

void StateStore::remove(proto::Address address) const {
    unlink(path_of(address).c_str());
}

std::vector<LunState> StateStore::read_all(std::vector<Error>& problems) const {
    std::vector<LunState> states;
    std::error_code failed;
    for (std::filesystem::directory_iterator entry(folder_, failed), end; !failed && entry != end;
         entry.increment(failed)) {
        if (entry->path().extension() != ".json") {
            continue;
        }
        const std::string path = entry->path().string();
        const auto text = read_whole_file(path, state_bytes_max);
        const auto state = text ? parse_lun_state(*text)
                                : std::expected<LunState, std::string>(
                                      std::unexpected(std::string(std::strerror(text.error()))));
        if (!state || path_of(state->address) != path) {
            problems.push_back({.what = "cannot use " + path,
                                .why = state ? "it is of another address" : state.error(),
                                .what_to_do = "its device, if there is one, is left alone"});
            continue;
        }
        states.push_back(*state);
    }
    std::ranges::sort(states, {}, &LunState::address);
    return states;
}

} // namespace uaoe::tools
