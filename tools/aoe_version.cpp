// aoe-version: who is there.
#include "tools/aoetools.hpp"
#include "tools/aoetools_text.hpp"
#include "tools/output.hpp"
#include "tools/whole_file.hpp"

#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>

namespace uaoe::tools {

namespace {

std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

// Of the kernel's driver, which need not be loaded for it. What lies in the current folder must not
// be taken for the module.
std::string installed_driver() {
    constexpr const char* command =
        "cd / && PATH=$PATH:/usr/sbin:/sbin exec modinfo -F version aoe 2>/dev/null";
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command, "re"), pclose); // NOLINT
    std::array<char, 256> buffer{};
    if (!pipe || fgets(buffer.data(), static_cast<int>(buffer.size()), pipe.get()) == nullptr) {
        return {};
    }
    return first_line(buffer.data());
}

std::string running_driver() {
    constexpr const char* folder = "/sys/module/aoe";
    std::error_code error;
    if (!std::filesystem::is_directory(folder, error)) {
        return "(none)";
    }
    constexpr std::size_t bytes_max = 4096;
    const auto version = read_whole_file(std::string(folder) + "/version", bytes_max);
    return version ? first_line(*version) : std::string();
}

} // namespace

CommandResult run_aoe_version() {
    const std::string text = aoe_version_text(installed_driver(), running_driver(), UAOE_VERSION);
    if (auto written = write_output(text); !written) {
        return std::unexpected(written.error());
    }
    return ExitCode::done;
}

} // namespace uaoe::tools
