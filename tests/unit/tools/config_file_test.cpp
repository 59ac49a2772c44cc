// uaoe.toml: what is taken, and where a mistake is said to be.
#include "tools/daemon/config_file.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace uaoe;
using namespace uaoe::tools;
using namespace std::chrono_literals;

namespace {

DaemonConfig parsed(std::string_view text) {
    DaemonConfig config;
    const auto result = parse_config(text, "x.toml", config);
    REQUIRE_MESSAGE(result.has_value(), (result ? "" : result.error().line()));
    return config;
}

// And the configuration is as it was.
std::string refusal(std::string_view text) {
    DaemonConfig config;
    config.buffer_mib = 77;
    const auto result = parse_config(text, "x.toml", config);
    REQUIRE_FALSE(result.has_value());
    CHECK(config.buffer_mib == 77);
    CHECK(config.luns.empty());
    return result.error().line();
}

class Folder {
  public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "uaoe-test.XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }
    void write(const std::string& name, const std::string& text) const {
        std::filesystem::create_directories(std::filesystem::path(file(name)).parent_path());
        std::ofstream(file(name)) << text;
    }

  private:
    std::string path_;
};

} // namespace

TEST_CASE("an empty configuration is every default") {
    const DaemonConfig config = parsed("# nothing\n");
    CHECK(config.interfaces.empty());
    CHECK(config.shards_count == 1);
    CHECK(config.buffer_mib == 64);
    CHECK(config.busy_poll == 2000us);
    CHECK(config.link == initiator::LinkKind::packet);
    CHECK(config.defaults == LunOptions{});
    CHECK(config.luns.empty());
}

TEST_CASE("LUNs build on the defaults, wherever those stand") {
    const DaemonConfig config = parsed(R"(
interfaces = ["eth1", "eth2"]
shards = 2
buffer_mib = 128
busy_poll_us = 100000
link = "xdp"
[[lun]]
address = "1.0"
[[lun]]
address = "e7.3"
frontend = "nbd"
fail_after = 0
read_only = true
in_order = true
[defaults]
frontend = "ublk"
fail_after = 5
)");
    CHECK(config.interfaces == std::vector<std::string>{"eth1", "eth2"});
    CHECK(config.shards_count == 2);
    CHECK(config.buffer_mib == 128);
    CHECK(config.busy_poll == 100ms);
    CHECK(config.link == initiator::LinkKind::xdp);
    REQUIRE(config.luns.size() == 2);
    CHECK(config.luns.at({1, 0}) == LunOptions{FrontEndKind::ublk, 5s, false});
    CHECK(config.luns.at({7, 3}) == LunOptions{FrontEndKind::nbd, 0s, true, true});
}

TEST_CASE("a mistake is named with its line and column") {
    CHECK(refusal("interfaces = [\"eth1\"\n\nshards = 1\n").starts_with("x.toml, line 3, column"));
    CHECK(refusal("shards = 1\nshardz = 2\n").starts_with("x.toml, line 2, column 1"));
    CHECK(refusal("shards = 0\n").starts_with("x.toml, line 1, column 10"));
    CHECK(refusal("shards = 1.5\n").starts_with("x.toml, line 1, column 10"));
    CHECK(refusal("interfaces = \"eth1\"\n").starts_with("x.toml, line 1"));
    CHECK(refusal("interfaces = [\"eth1\",\n\"eth 1\"]\n")
              .starts_with("x.toml, line 2, column 1: no interface can have that name"));
    CHECK(refusal("busy_poll_us = 100001\n").starts_with("x.toml, line 1, column 16"));
    CHECK(refusal("link = \"raw\"\n").starts_with("x.toml, line 1, column 8"));
    CHECK(refusal("[[lun]]\naddress = \"1.255\"\n").starts_with("x.toml, line 2, column 11"));
    CHECK(refusal("[[lun]]\naddress = 1.0\n").starts_with("x.toml, line 2, column 11"));
    CHECK(refusal("[[lun]]\nfail_after = 5\n").find("has no address") != std::string::npos);
    CHECK(
        refusal("[[lun]]\naddress = \"1.0\"\n[[lun]]\naddress = \"1.0\"\n").find("a second time") !=
        std::string::npos);
    CHECK(refusal("[[lun]]\naddress = \"1.0\"\nfail_after = -1\n").starts_with("x.toml, line 3"));
    CHECK(
        refusal("[[lun]]\naddress = \"1.0\"\nfrontend = \"scsi\"\n").starts_with("x.toml, line 3"));
    CHECK(refusal("[lun]\naddress = \"1.0\"\n").find("two brackets") != std::string::npos);
    CHECK(refusal("[defaults]\naddress = \"1.0\"\n").starts_with("x.toml, line 2"));
}

TEST_CASE("a missing file is empty unless it was named") {
    const Folder folder;
    CHECK(read_config(folder.file("uaoe.toml"), false).has_value());
    const auto named = read_config(folder.file("uaoe.toml"), true);
    REQUIRE_FALSE(named.has_value());
    CHECK(named.error().line().find("No such file") != std::string::npos);
}

TEST_CASE("drop-ins add LUNs, and come and go with attach and detach") {
    const Folder folder;
    const std::string path = folder.file("uaoe.toml");
    folder.write("uaoe.toml", "[[lun]]\naddress = \"1.0\"\n");
    const LunOptions options{FrontEndKind::nbd, 7s, true};
    REQUIRE(write_drop_in(path, {2, 1}, options).has_value());
    auto config = read_config(path, true);
    REQUIRE(config.has_value());
    CHECK(config->luns.size() == 2);
    CHECK(config->luns.at({2, 1}) == options);
    REQUIRE(remove_drop_in(path, {2, 1}).has_value());
    REQUIRE(remove_drop_in(path, {2, 1}).has_value()); // none is fine
    config = read_config(path, true);
    REQUIRE(config.has_value());
    CHECK(config->luns.size() == 1);
}

TEST_CASE("a mistake in a drop-in names the drop-in") {
    const Folder folder;
    folder.write("uaoe.toml", "");
    folder.write("uaoe.d/9.toml", "[[lun]\n");
    const auto config = read_config(folder.file("uaoe.toml"), true);
    REQUIRE_FALSE(config.has_value());
    CHECK(config.error().what.find("uaoe.d/9.toml, line 1") != std::string::npos);
}

TEST_CASE("a check names every mistake of every file, by place") {
    const Folder folder;
    folder.write("uaoe.toml",
                 "shardz = 1\nshards = 9\n[[lun]]\naddress = \"1.0\"\nfail_after = -1\n"
                 "read_only = 1\n[[lun]]\nfail_after = 5\n[defaults]\nfrontend = \"x\"\n");
    folder.write("uaoe.d/1.toml", "[[lun]\n");
    folder.write("uaoe.d/2.toml", "[[lun]]\naddress = \"2.0\"\n");
    folder.write("uaoe.d/not-one.txt", "[[lun]\n");
    const ConfigCheck check = check_config(folder.file("uaoe.toml"), false);
    std::vector<std::pair<std::string, std::uint32_t>> places;
    for (const ConfigMistake& mistake : check.mistakes) {
        places.emplace_back(std::filesystem::path(mistake.file).filename(), mistake.line);
    }
    CHECK(places == decltype(places){{"uaoe.toml", 1},
                                     {"uaoe.toml", 2},
                                     {"uaoe.toml", 5},
                                     {"uaoe.toml", 6},
                                     {"uaoe.toml", 7},
                                     {"uaoe.toml", 10},
                                     {"1.toml", 1}});
    CHECK(check.drop_ins_count == 2);
    CHECK(check.config.luns.size() == 1);
    CHECK(check.mistakes.front().text() ==
          folder.file("uaoe.toml") + ":1:1: there is no \"shardz\"; there are interfaces, shards, "
                                     "buffer_mib, busy_poll_us, link, control_group, "
                                     "control_group_changes, metrics_listen, [defaults] and "
                                     "[[lun]]");
}

TEST_CASE("a check of what is not there") {
    const Folder folder;
    const ConfigCheck none = check_config(folder.file("uaoe.toml"), false);
    CHECK(none.mistakes.empty());
    CHECK_FALSE(none.file_exists);
    const ConfigCheck named = check_config(folder.file("uaoe.toml"), true);
    REQUIRE(named.mistakes.size() == 1);
    CHECK(named.mistakes.front().text() ==
          folder.file("uaoe.toml") + ": No such file or directory");
}

TEST_CASE("who may ask on the control socket, also after a restart with a broken configuration") {
    CHECK_FALSE(parsed("").control_group.has_value());
    CHECK(parsed("control_group = \"\"\n").control_group == "");
    CHECK(refusal("control_group = 5\n").starts_with("x.toml, line 1, column 17"));
    CHECK(refusal("control_group_changes = \"yes\"\n").starts_with("x.toml, line 1, column 25"));
    for (const char* text : {"", "control_group = \"\"\n",
                             "control_group = \"disk\"\ncontrol_group_changes = true\n"}) {
        const DaemonConfig config = parsed(text);
        const DaemonConfig again = parsed(config_text(config));
        CHECK(again.control_group == config.control_group);
        CHECK(again.control_group_changes == config.control_group_changes);
    }
}

TEST_CASE("where metrics are served, also after a restart with a broken configuration") {
    CHECK_FALSE(parsed("").metrics_listen.has_value());
    CHECK(refusal("metrics_listen = \"0.0.0.0:1\"\n").starts_with("x.toml, line 1, column 18"));
    CHECK(refusal("metrics_listen = 9790\n").find("text in quotes") != std::string::npos);
    for (const char* text :
         {"", "metrics_listen = \"[::1]:9790\"\n", "metrics_listen = \"/x\"\n"}) {
        const DaemonConfig config = parsed(text);
        CHECK(parsed(config_text(config)).metrics_listen == config.metrics_listen);
    }
}

TEST_CASE("what a running uaoed does not follow is named, and nothing else") {
    const DaemonConfig running = parsed("");
    CHECK(keys_of_next_start(running, running).empty());
    CHECK(keys_of_next_start(running, parsed("metrics_listen = \"/x\"\n[defaults]\n"
                                             "fail_after = 5\n[[lun]]\naddress = \"1.0\"\n"))
              .empty());
    CHECK(keys_of_next_start(running,
                             parsed("interfaces = [\"eth1\"]\nshards = 2\nbuffer_mib = 65\n"
                                    "busy_poll_us = 0\nlink = \"xdp\"\ncontrol_group = \"disk\"\n"
                                    "control_group_changes = true\n")) ==
          std::vector<std::string>{"interfaces", "shards", "buffer_mib", "busy_poll_us", "link",
                                   "control_group", "control_group_changes"});
}
