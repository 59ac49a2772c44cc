// Where the configuration of uaoed is: uaoe.toml, and the folder beside it with drop-ins, which
// `uaoe attach --persist` writes. Whoever reads them gets all of it or an error that names file,
// line and column.
#pragma once

#include "initiator/linux/error.hpp"
#include "tools/daemon/config.hpp"

#include <cstddef>
#include <expected>
#include <string>
#include <vector>

namespace uaoe::tools {

inline constexpr const char* config_path_default = "/etc/uaoe/uaoe.toml";

// `path`, then "*.toml" of its drop-in folder, by name; of one LUN the last word counts. Where
// `required` is false, a missing file is an empty one.
[[nodiscard]] std::expected<DaemonConfig, Error> read_config(const std::string& path,
                                                             bool required);

// The same files, all of them, whatever is wrong with one.
struct ConfigCheck {
    std::vector<ConfigMistake> mistakes; // none: read_config() takes it
    bool no_permission = false;          // to read one of them
    bool file_exists = false;            // `path` itself
    std::size_t drop_ins_count = 0;
    DaemonConfig config; // what there is without the files that have mistakes
};
[[nodiscard]] ConfigCheck check_config(const std::string& path, bool required);

// "/etc/uaoe/uaoe.toml" -> "/etc/uaoe/uaoe.d"
[[nodiscard]] std::string drop_in_folder(const std::string& config_path);

// A drop-in with one LUN, whole or not at all.
[[nodiscard]] std::expected<void, Error>
write_drop_in(const std::string& config_path, proto::Address address, const LunOptions& options);
// Does nothing when there is none.
[[nodiscard]] std::expected<void, Error> remove_drop_in(const std::string& config_path,
                                                        proto::Address address);

} // namespace uaoe::tools
