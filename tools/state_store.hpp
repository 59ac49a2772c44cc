// What a daemon leaves in /run for its successor: a file for each attached LUN, written before the
// kernel's device starts and removed after it is gone. A successor that finds it attaches the same
// disk to the same device, whether the target answers at that moment or not.
#pragma once

#include "initiator/linux/error.hpp"
#include "proto/ethernet.hpp"
#include "proto/identify.hpp"
#include "tools/lun_options.hpp"

#include <array>
#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace uaoe::tools {

struct LunState {
    proto::Address address;
    LunOptions options;             // with the front end that was chosen: never automatic
    std::uint32_t device_index = 0; // N of /dev/ublkbN or /dev/nbdN
    std::string socket_path;        // of an export
    bool persistent = false;
    std::array<std::byte, proto::identify_bytes> identify_data{};
    std::vector<proto::MacAddress> target_macs; // every one that may hold frames of this daemon

    friend bool operator==(const LunState&, const LunState&) = default;
};

// "ublkb0", "nbd0"; empty for a socket.
[[nodiscard]] std::string kernel_name(const LunState& state);

[[nodiscard]] std::string lun_state_text(const LunState& state);
[[nodiscard]] std::expected<LunState, std::string> parse_lun_state(std::string_view text);

class StateStore {
  public:
    // Makes the folder if it is missing.
    static std::expected<StateStore, Error> open(const std::string& folder);

    [[nodiscard]] std::expected<void, Error> write(const LunState& state) const;
    void remove(proto::Address address) const;

    // Files that cannot be read are told in `problems` and left alone.
    [[nodiscard]] std::vector<LunState> read_all(std::vector<Error>& problems) const;

    [[nodiscard]] const std::string& folder() const { return folder_; }

  private:
    explicit StateStore(std::string folder) : folder_(std::move(folder)) {}
    [[nodiscard]] std::string path_of(proto::Address address) const;
    std::string folder_;
};

} // namespace uaoe::tools
