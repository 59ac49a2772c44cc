// Links and small files, each put in place by a rename.
#include "tools/device_links.hpp"

#include "blockdev/sysfs.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <unistd.h>
#include <utility>

namespace uaoe::tools {

namespace fs = std::filesystem;

namespace {

bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

// No blanks around it, and one _ for several characters that a name cannot have.
std::string plain(std::string_view text) {
    while (!text.empty() && !is_plain(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && !is_plain(text.back())) {
        text.remove_suffix(1);
    }
    std::string name;
    for (const char c : text) {
        if (is_plain(c)) {
            name += c;
        } else if (name.back() != '_') {
            name += '_';
        }
    }
    return name;
}

Error file_error(std::string what, int error) {
    const bool forbidden = error == EACCES || error == EPERM || error == EROFS;
    return {.what = std::move(what),
            .why = std::strerror(error),
            .what_to_do = forbidden ? "run it as root" : "the device works without",
            .exit_code = forbidden ? ExitCode::no_permission : ExitCode::failed};
}

std::optional<std::string> link_target(const std::string& path) {
    std::error_code error;
    const fs::path target = fs::read_symlink(path, error);
    return error ? std::nullopt : std::optional(target.string());
}

std::string temporary_name(const std::string& path) {
    return path + ".new-" + std::to_string(getpid());
}

} // namespace

std::string udev_text(const UdevFacts& facts) {
    std::string text = "UAOE_ADDRESS=" + proto::to_string(facts.address) + "\n";
    const std::string model = plain(facts.model);
    const std::string serial = plain(facts.serial);
    if (!model.empty()) {
        text += "UAOE_MODEL=" + model + "\n";
    }
    if (!serial.empty()) {
        text += "UAOE_SERIAL=" + serial + "\n";
    }
    return text;
}

DeviceLinks::DeviceLinks(std::string dev_folder, std::string run_folder, std::string sys_folder)
    : dev_folder_(std::move(dev_folder)), run_folder_(std::move(run_folder)),
      sys_folder_(std::move(sys_folder)) {}

std::string DeviceLinks::path(proto::Address address) const {
    return dev_folder_ + "/etherd/e" + proto::to_string(address);
}

// Of a device that is gone; a free nbd device keeps its node and has no size.
bool DeviceLinks::is_stale(const std::string& target) const {
    std::error_code error;
    if (!fs::exists(dev_folder_ + "/etherd/" + target, error)) {
        return true;
    }
    const std::string disk = fs::path(target).filename();
    const auto sectors = blockdev::read_number(sys_folder_ + "/block/" + disk + "/size");
    return target == "../" + disk && sectors == 0ULL;
}

std::expected<void, Error> DeviceLinks::make(proto::Address address,
                                             const std::string& disk) const {
    const std::string link = path(address);
    const std::string wanted = "../" + disk;
    std::error_code error;
    fs::create_directory(dev_folder_ + "/etherd", error);
    if (fs::symlink_status(link, error).type() != fs::file_type::not_found) {
        const auto target = link_target(link);
        if (target == wanted) {
            return {};
        }
        if (!target || !is_stale(*target)) {
            return std::unexpected(
                Error{.what = "cannot make " + link,
                      .why = target ? "it leads to " + *target + " already"
                                    : "something else is there; the kernel's aoe driver makes "
                                      "nodes of this name",
                      .what_to_do = "use " + dev_folder_ + "/" + disk});
        }
    }
    const std::string temporary = temporary_name(link);
    unlink(temporary.c_str());
    if (symlink(wanted.c_str(), temporary.c_str()) != 0 ||
        rename(temporary.c_str(), link.c_str()) != 0) {
        const int failure = errno;
        unlink(temporary.c_str());
        return std::unexpected(file_error("cannot make " + link, failure));
    }
    return {};
}

void DeviceLinks::remove(proto::Address address, const std::string& disk) const {
    const std::string link = path(address);
    if (link_target(link) == "../" + disk) {
        unlink(link.c_str());
    }
}

std::expected<void, Error> DeviceLinks::write_udev_facts(const std::string& disk,
                                                         const UdevFacts& facts) const {
    const std::string folder = run_folder_ + "/udev";
    const std::string file = folder + "/" + disk;
    const std::string temporary = folder + "/." + disk + ".new"; // no disk has such a name
    std::error_code error;
    fs::create_directories(folder, error);
    const std::string text = udev_text(facts);
    std::FILE* const stream = std::fopen(temporary.c_str(), "we");
    bool written = stream != nullptr && std::fputs(text.c_str(), stream) >= 0;
    if (stream != nullptr) {
        written = std::fclose(stream) == 0 && written;
    }
    if (!written || std::rename(temporary.c_str(), file.c_str()) != 0) {
        return std::unexpected(file_error("cannot write " + file, errno));
    }
    return {};
}

void DeviceLinks::remove_udev_facts(const std::string& disk) const {
    unlink((run_folder_ + "/udev/" + disk).c_str());
}

bool DeviceLinks::trigger_change(const std::string& disk) const {
    const std::string folder = sys_folder_ + "/block/" + disk;
    const bool triggered = blockdev::write_attribute(folder + "/uevent", "change");
    for (const std::string& name : blockdev::names_in(folder)) {
        if (blockdev::read_attribute(folder + "/" + name + "/partition")) {
            blockdev::write_attribute(folder + "/" + name + "/uevent", "change");
        }
    }
    return triggered;
}

} // namespace uaoe::tools
