// TOML to DaemonConfig. The only place that sees toml++.
#include "tools/daemon/config_file.hpp"

#include "tools/whole_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <set>
#include <sys/stat.h>
#include <toml++/toml.h>

namespace uaoe::tools {

namespace {

constexpr std::size_t config_bytes_max = std::size_t{1} << 20U;

// Unwinds a parse to parse_config().
struct Mistake {
    toml::source_position at;
    std::string why;
};

[[noreturn]] void refuse(const toml::node& node, std::string why) {
    throw Mistake{.at = node.source().begin, .why = std::move(why)};
}

// A key that is not known: the mistake is the key, not its value.
[[noreturn]] void refuse(const toml::key& key, std::string why) {
    throw Mistake{.at = key.source().begin, .why = std::move(why)};
}

std::int64_t integer_of(const toml::node& node, std::string_view key, std::int64_t least,
                        std::int64_t most) {
    const auto value = node.value_exact<std::int64_t>();
    if (!value || *value < least || *value > most) {
        refuse(node, fmt::format("{} is a whole number from {} to {}", key, least, most));
    }
    return *value;
}

std::string string_of(const toml::node& node, std::string_view key) {
    const auto value = node.value_exact<std::string>();
    if (!value || value->empty()) {
        refuse(node, fmt::format("{} is a text in quotes", key));
    }
    return *value;
}

bool flag_of(const toml::node& node, std::string_view key) {
    const auto value = node.value_exact<bool>();
    if (!value) {
        refuse(node, fmt::format("{} is true or false", key));
    }
    return *value;
}

// True when `key` is one of LunOptions.
bool take_lun_option(std::string_view key, const toml::node& node, LunOptions& options) {
    if (key == "frontend") {
        const auto kind = parse_front_end(string_of(node, key));
        if (!kind) {
            refuse(node, "frontend is \"auto\", \"ublk\", \"nbd\" or \"export\"");
        }
        options.front_end = *kind;
    } else if (key == "fail_after") {
        options.fail_after = std::chrono::seconds{integer_of(node, key, 0, seconds_max.count())};
    } else if (key == "read_only") {
        options.read_only = flag_of(node, key);
    } else if (key == "in_order") {
        options.in_order = flag_of(node, key);
    } else {
        return false;
    }
    return true;
}

const toml::table& table_of(const toml::node& node, std::string_view what) {
    const toml::table* const table = node.as_table();
    if (table == nullptr) {
        refuse(node, fmt::format("{} begins a table", what));
    }
    return *table;
}

void take_defaults(const toml::node& node, LunOptions& defaults) {
    for (const auto& [key, value] : table_of(node, "[defaults]")) {
        if (!take_lun_option(key.str(), value, defaults)) {
            refuse(key, fmt::format("[defaults] has no \"{}\"; it has frontend, fail_after, "
                                    "read_only and in_order",
                                    key.str()));
        }
    }
}

void take_lun(const toml::node& node, DaemonConfig& config,
              std::set<proto::Address>& of_this_file) {
    const toml::table& table = table_of(node, "[[lun]]");
    LunOptions options = config.defaults;
    std::optional<proto::Address> address;
    for (const auto& [key, value] : table) {
        if (key.str() == "address") {
            address = proto::parse_address(string_of(value, "address"));
            if (!address) {
                refuse(value, "address is shelf.slot, for example \"1.0\" (shelf 0-65534, slot "
                              "0-254)");
            }
        } else if (!take_lun_option(key.str(), value, options)) {
            refuse(key, fmt::format("[[lun]] has no \"{}\"; it has address, frontend, "
                                    "fail_after, read_only and in_order",
                                    key.str()));
        }
    }
    if (!address) {
        refuse(node, "[[lun]] has no address");
    }
    if (!of_this_file.insert(*address).second) {
        refuse(node, proto::to_string(*address) + " is here a second time");
    }
    config.luns.insert_or_assign(*address, options); // a drop-in's word counts for more
}

void take_interfaces(const toml::node& node, DaemonConfig& config) {
    const toml::array* const names = node.as_array();
    if (names == nullptr) {
        refuse(node, "interfaces is a list: [\"eth1\", \"eth2\"]");
    }
    for (const toml::node& name : *names) {
        config.interfaces.push_back(string_of(name, "an interface"));
    }
}

void take_top(const toml::key& name, const toml::node& node, DaemonConfig& config) {
    const std::string_view key = name.str();
    if (key == "interfaces") {
        take_interfaces(node, config);
    } else if (key == "shards") {
        config.shards_count = static_cast<std::uint32_t>(integer_of(node, key, 1, 8));
    } else if (key == "buffer_mib") {
        config.buffer_mib = static_cast<std::size_t>(integer_of(node, key, 16, 4096));
    } else if (key == "busy_poll_us") {
        config.busy_poll = std::chrono::microseconds{
            integer_of(node, key, 0, initiator::BusyPoll::time_max_limit.count())};
    } else if (key == "link") {
        const auto kind = initiator::parse_link_kind(string_of(node, key));
        if (!kind) {
            refuse(node, "link is \"packet\" or \"xdp\"");
        }
        config.link = *kind;
    } else if (key == "lun") {
        const toml::array* const luns = node.as_array();
        if (luns == nullptr) {
            refuse(node, "a LUN begins with [[lun]], in two brackets");
        }
        std::set<proto::Address> of_this_file;
        for (const toml::node& lun : *luns) {
            take_lun(lun, config, of_this_file);
        }
    } else if (key != "defaults") {
        refuse(name, fmt::format("there is no \"{}\"; there are interfaces, shards, buffer_mib, "
                                 "busy_poll_us, link, [defaults] and [[lun]]",
                                 key));
    }
}

Error config_error(const std::string& name, const toml::source_position& at, std::string why) {
    return {.what = fmt::format("{}, line {}, column {}", name, at.line, at.column),
            .why = std::move(why),
            .what_to_do = "mend it; nothing of it is used",
            .exit_code = ExitCode::failed};
}

std::expected<void, Error> take_file(const std::string& path, bool required, DaemonConfig& config) {
    const auto text = read_whole_file(path, config_bytes_max);
    if (!text) {
        if (text.error() == ENOENT && !required) {
            return {};
        }
        return std::unexpected(Error{
            .what = "cannot read " + path,
            .why = text.error() == EFBIG ? "it is too large" : std::strerror(text.error()),
            .what_to_do = "name the configuration with -c FILE",
            .exit_code = text.error() == EACCES ? ExitCode::no_permission : ExitCode::failed});
    }
    return parse_config(*text, path, config);
}

std::string drop_in_path(const std::string& config_path, proto::Address address) {
    return drop_in_folder(config_path) + "/" + proto::to_string(address) + ".toml";
}

Error drop_in_error(const std::string& path, int error) {
    return {.what = "cannot change " + path,
            .why = std::strerror(error),
            .what_to_do = "check the folder of the configuration",
            .exit_code =
                error == EACCES || error == EROFS ? ExitCode::no_permission : ExitCode::failed};
}

} // namespace

std::expected<void, Error> parse_config(std::string_view text, const std::string& name,
                                        DaemonConfig& config) {
    try {
        DaemonConfig read = config;
        const toml::table table = toml::parse(text);
        if (const toml::node* const defaults = table.get("defaults")) {
            take_defaults(*defaults, read.defaults); // before the LUNs that build on it
        }
        for (const auto& [key, value] : table) {
            take_top(key, value, read);
        }
        config = std::move(read);
        return {};
    } catch (const toml::parse_error& error) {
        return std::unexpected(
            config_error(name, error.source().begin, std::string(error.description())));
    } catch (const Mistake& mistake) {
        return std::unexpected(config_error(name, mistake.at, mistake.why));
    }
}

std::expected<DaemonConfig, Error> read_config(const std::string& path, bool required) {
    DaemonConfig config;
    if (auto taken = take_file(path, required, config); !taken) {
        return std::unexpected(std::move(taken.error()));
    }
    std::vector<std::string> drop_ins;
    std::error_code failed;
    for (std::filesystem::directory_iterator entry(drop_in_folder(path), failed), end;
         !failed && entry != end; entry.increment(failed)) {
        if (entry->path().extension() == ".toml") {
            drop_ins.push_back(entry->path().string());
        }
    }
    if (failed && failed != std::errc::no_such_file_or_directory) {
        return std::unexpected(Error{.what = "cannot read " + drop_in_folder(path),
                                     .why = failed.message(),
                                     .what_to_do = "check the folder"});
    }
    std::ranges::sort(drop_ins);
    for (const std::string& drop_in : drop_ins) {
        if (auto taken = take_file(drop_in, false, config); !taken) {
            return std::unexpected(std::move(taken.error()));
        }
    }
    return config;
}

std::string config_text(const DaemonConfig& config) {
    std::string interfaces;
    for (const std::string& name : config.interfaces) {
        interfaces += fmt::format("{}\"{}\"", interfaces.empty() ? "" : ", ", name);
    }
    return fmt::format("interfaces = [{}]\nshards = {}\nbuffer_mib = {}\nbusy_poll_us = {}\n"
                       "link = \"{}\"\n",
                       interfaces, config.shards_count, config.buffer_mib, config.busy_poll.count(),
                       initiator::link_kind_text(config.link));
}

std::string drop_in_folder(const std::string& config_path) {
    return std::filesystem::path(config_path).replace_extension(".d").string();
}

std::expected<void, Error> write_drop_in(const std::string& config_path, proto::Address address,
                                         const LunOptions& options) {
    const std::string path = drop_in_path(config_path, address);
    for (const auto& folder : {std::filesystem::path(path).parent_path().parent_path(),
                               std::filesystem::path(path).parent_path()}) {
        if (!folder.empty() && mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) {
            return std::unexpected(drop_in_error(folder.string(), errno));
        }
    }
    const std::string text =
        fmt::format("# Written by `uaoe attach --persist`; `uaoe detach` removes it.\n[[lun]]\n"
                    "address = \"{}\"\nfrontend = \"{}\"\nfail_after = {}\nread_only = {}\n"
                    "in_order = {}\n",
                    proto::to_string(address), front_end_text(options.front_end),
                    options.fail_after.count(), options.read_only, options.in_order);
    if (auto written = write_whole_file(path, text, FileSync::disk); !written) {
        return std::unexpected(drop_in_error(path, written.error()));
    }
    return {};
}

std::expected<void, Error> remove_drop_in(const std::string& config_path, proto::Address address) {
    const std::string path = drop_in_path(config_path, address);
    if (unlink(path.c_str()) != 0 && errno != ENOENT) {
        return std::unexpected(drop_in_error(path, errno));
    }
    return {};
}

} // namespace uaoe::tools
