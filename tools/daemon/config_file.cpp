// Files to DaemonConfig, and drop-ins that come and go.
#include "tools/daemon/config_file.hpp"

#include "tools/whole_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace uaoe::tools {

namespace {

constexpr std::size_t config_bytes_max = std::size_t{1} << 20U;

std::string unreadable(int error) {
    return error == EFBIG ? "it is too large" : std::strerror(error);
}

std::expected<void, Error> take_file(const std::string& path, bool required, DaemonConfig& config) {
    const auto text = read_whole_file(path, config_bytes_max);
    if (!text) {
        if (text.error() == ENOENT && !required) {
            return {};
        }
        return std::unexpected(Error{.what = "cannot read " + path,
                                     .why = unreadable(text.error()),
                                     .what_to_do = "name the configuration with -c FILE",
                                     .exit_code = text.error() == EACCES ? ExitCode::no_permission
                                                                         : ExitCode::failed});
    }
    return parse_config(*text, path, config);
}

// By name. A folder that is not there has none.
std::expected<std::vector<std::string>, std::error_code>
drop_ins_of(const std::string& config_path) {
    std::vector<std::string> drop_ins;
    std::error_code failed;
    for (std::filesystem::directory_iterator entry(drop_in_folder(config_path), failed), end;
         !failed && entry != end; entry.increment(failed)) {
        if (entry->path().extension() == ".toml") {
            drop_ins.push_back(entry->path().string());
        }
    }
    if (failed && failed != std::errc::no_such_file_or_directory) {
        return std::unexpected(failed);
    }
    std::ranges::sort(drop_ins);
    return drop_ins;
}

// True when the file is there.
bool check_file(const std::string& path, bool required, ConfigCheck& check) {
    const auto text = read_whole_file(path, config_bytes_max);
    if (!text) {
        if (text.error() != ENOENT || required) {
            check.mistakes.push_back({.file = path, .why = unreadable(text.error())});
            check.no_permission = check.no_permission || text.error() == EACCES;
        }
        return false;
    }
    for (ConfigMistake& mistake : add_config(*text, path, check.config)) {
        check.mistakes.push_back(std::move(mistake));
    }
    return true;
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

std::expected<DaemonConfig, Error> read_config(const std::string& path, bool required) {
    DaemonConfig config;
    if (auto taken = take_file(path, required, config); !taken) {
        return std::unexpected(std::move(taken.error()));
    }
    const auto drop_ins = drop_ins_of(path);
    if (!drop_ins) {
        return std::unexpected(Error{.what = "cannot read " + drop_in_folder(path),
                                     .why = drop_ins.error().message(),
                                     .what_to_do = "check the folder"});
    }
    for (const std::string& drop_in : *drop_ins) {
        if (auto taken = take_file(drop_in, false, config); !taken) {
            return std::unexpected(std::move(taken.error()));
        }
    }
    return config;
}

ConfigCheck check_config(const std::string& path, bool required) {
    ConfigCheck check;
    check.file_exists = check_file(path, required, check);
    const auto drop_ins = drop_ins_of(path);
    if (!drop_ins) {
        check.mistakes.push_back({.file = drop_in_folder(path), .why = drop_ins.error().message()});
        check.no_permission =
            check.no_permission || drop_ins.error() == std::errc::permission_denied;
        return check;
    }
    for (const std::string& drop_in : *drop_ins) {
        if (check_file(drop_in, false, check)) {
            ++check.drop_ins_count;
        }
    }
    return check;
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
