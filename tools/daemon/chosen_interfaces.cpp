// One name a line.
#include "tools/daemon/chosen_interfaces.hpp"

#include "tools/session.hpp"
#include "tools/whole_file.hpp"

#include <cstring>
#include <sstream>

namespace uaoe::tools {

namespace {

// Of a session that only shows whether interfaces can be used.
constexpr initiator::EngineConfig small_engine{.targets_count_max = 16,
                                               .devices_count_max = 1,
                                               .commands_count_max = 16,
                                               .fences_count_max = 16};
constexpr std::size_t small_ring_slots_count = 64;

constexpr std::size_t file_bytes_max = 4096;

std::string path_in(const std::string& folder) {
    return folder + "/interfaces";
}

} // namespace

std::expected<void, Error> choose_interfaces(const std::string& folder,
                                             const std::vector<std::string>& names) {
    if (const auto tried = open_session(names, small_engine,
                                        {.ring_slots_count = small_ring_slots_count,
                                         .interfaces_up = initiator::InterfacesUp::none});
        !tried) {
        return std::unexpected(tried.error());
    }
    std::string text;
    for (const std::string& name : names) {
        text += name + "\n";
    }
    const std::string path = path_in(folder);
    if (const auto written = write_whole_file(path, text, FileSync::none); !written) {
        return std::unexpected(Error{.what = "cannot write " + path,
                                     .why = std::strerror(written.error()),
                                     .what_to_do = "check the folder"});
    }
    return {};
}

std::optional<std::vector<std::string>> chosen_interfaces(const std::string& folder) {
    const auto text = read_whole_file(path_in(folder), file_bytes_max);
    if (!text) {
        return std::nullopt;
    }
    std::vector<std::string> names;
    std::istringstream words(*text);
    for (std::string name; words >> name;) {
        names.push_back(name);
    }
    return names;
}

} // namespace uaoe::tools
