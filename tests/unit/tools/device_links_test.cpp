// Names of devices: what is replaced, what is left alone, and what udev is told.
#include "tools/device_links.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace uaoe;
namespace fs = std::filesystem;

namespace {

constexpr proto::Address lun{.shelf = 1, .slot = 0};

// /dev, /run/uaoe and /sys of a machine with nbd0 and nbd1 in use and nbd2 free.
struct Machine {
    Machine() {
        std::string name = (fs::temp_directory_path() / "uaoe-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        root = name;
        fs::create_directory(root / "dev");
        for (const auto& [disk, size] :
             {std::pair{"nbd0", "2048"}, std::pair{"nbd1", "2048"}, std::pair{"nbd2", "0"}}) {
            fs::create_directories(root / "sys/block" / disk / (std::string(disk) + "p1"));
            std::ofstream(root / "sys/block" / disk / "size") << size << "\n";
            std::ofstream(root / "sys/block" / disk / "uevent");
            std::ofstream(root / "dev" / disk);
        }
        std::ofstream(root / "sys/block/nbd0/nbd0p1/partition") << "1\n";
        std::ofstream(root / "sys/block/nbd0/nbd0p1/uevent");
    }
    ~Machine() { fs::remove_all(root); }
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    [[nodiscard]] tools::DeviceLinks links() const {
        return tools::DeviceLinks(root / "dev", root / "run/uaoe", root / "sys");
    }
    [[nodiscard]] std::string target() const {
        return fs::read_symlink(root / "dev/etherd/e1.0").string();
    }
    [[nodiscard]] std::string text(const char* path) const {
        std::ostringstream text;
        text << std::ifstream(root / path).rdbuf();
        return text.str();
    }
    fs::path root;
};

} // namespace

TEST_CASE("links: made, made again, removed") {
    const Machine machine;
    const auto links = machine.links();
    REQUIRE(links.make(lun, "nbd0").has_value());
    CHECK(machine.target() == "../nbd0");
    CHECK(links.make(lun, "nbd0").has_value());
    links.remove(lun, "nbd1"); // another's
    CHECK(machine.target() == "../nbd0");
    links.remove(lun, "nbd0");
    links.remove(lun, "nbd0");
    CHECK(fs::is_empty(machine.root / "dev/etherd"));
}

TEST_CASE("links: one whose device is gone or free is replaced, one that leads somewhere is not") {
    const Machine machine;
    const auto links = machine.links();
    for (const char* stale : {"../ublkb7", "../nbd2", "/no/such"}) {
        fs::create_directories(machine.root / "dev/etherd");
        fs::create_symlink(stale, machine.root / "dev/etherd/e1.0");
        REQUIRE(links.make(lun, "nbd0").has_value());
        CHECK(machine.target() == "../nbd0");
        links.remove(lun, "nbd0");
    }
    REQUIRE(links.make(lun, "nbd1").has_value());
    const auto refused = links.make(lun, "nbd0");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().why == "it leads to ../nbd1 already");
    CHECK(machine.target() == "../nbd1");
}

TEST_CASE("links: the kernel driver's node is left alone") {
    const Machine machine;
    fs::create_directories(machine.root / "dev/etherd");
    std::ofstream(machine.root / "dev/etherd/e1.0") << "a node";
    const auto refused = machine.links().make(lun, "nbd0");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().why.find("aoe driver") != std::string::npos);
    machine.links().remove(lun, "nbd0");
    CHECK(machine.text("dev/etherd/e1.0") == "a node");
}

TEST_CASE("udev: facts are fit for names and for udev's parser") {
    CHECK(
        tools::udev_text({.address = lun, .model = "Coraid EtherDrive", .serial = " SM/01\"$x "}) ==
        "UAOE_ADDRESS=1.0\nUAOE_MODEL=Coraid_EtherDrive\nUAOE_SERIAL=SM_01_x\n");
    CHECK(tools::udev_text({.address = lun, .model = "", .serial = "\n`#"}) ==
          "UAOE_ADDRESS=1.0\n");
}

TEST_CASE("udev: the file comes, is replaced and goes; changes are told to disk and partitions") {
    const Machine machine;
    const auto links = machine.links();
    REQUIRE(links.write_udev_facts("nbd0", {.address = lun, .model = "m", .serial = "1"}));
    REQUIRE(links.write_udev_facts("nbd0", {.address = lun, .model = "m", .serial = "2"}));
    CHECK(machine.text("run/uaoe/udev/nbd0") == "UAOE_ADDRESS=1.0\nUAOE_MODEL=m\nUAOE_SERIAL=2\n");
    links.remove_udev_facts("nbd0");
    CHECK(fs::is_empty(machine.root / "run/uaoe/udev"));
    CHECK(links.trigger_change("nbd0"));
    CHECK(machine.text("sys/block/nbd0/uevent") == "change");
    CHECK(machine.text("sys/block/nbd0/nbd0p1/uevent") == "change");
    CHECK_FALSE(links.trigger_change("nbd9"));
}
