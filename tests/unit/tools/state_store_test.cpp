// What is left in /run for a successor.
#include "tools/state_store.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace uaoe;
using namespace uaoe::tools;
using namespace std::chrono_literals;

namespace {

LunState sample() {
    LunState state{.address = {7, 3},
                   .options = {FrontEndKind::ublk, 5s, true, true},
                   .device_index = 12,
                   .socket_path = {},
                   .persistent = true,
                   .identify_data = {},
                   .target_macs = {{{2, 0, 0, 0, 1, 0xfe}}, {{2, 0, 0, 0, 1, 1}}}};
    for (std::size_t i = 0; i < state.identify_data.size(); ++i) {
        state.identify_data[i] = static_cast<std::byte>(i);
    }
    return state;
}

class Folder {
  public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "uaoe-test.XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~Folder() { std::filesystem::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string path;
};

} // namespace

TEST_CASE("a state comes out as it went in") {
    const auto read = parse_lun_state(lun_state_text(sample()));
    REQUIRE_MESSAGE(read.has_value(), (read ? "" : read.error()));
    CHECK(*read == sample());
}

TEST_CASE("a state that was cut or changed is not believed") {
    const std::string text = lun_state_text(sample());
    for (std::size_t size = 0; size + 2 < text.size(); ++size) {
        CHECK_FALSE(parse_lun_state(text.substr(0, size)).has_value());
    }
    const auto changed = [&](const std::string& from, const std::string& to) {
        std::string other = text;
        other.replace(other.find(from), from.size(), to);
        return parse_lun_state(other).has_value();
    };
    CHECK_FALSE(changed("\"version\": 1", "\"version\": 2"));
    CHECK_FALSE(changed("\"7.3\"", "\"7.255\""));
    CHECK_FALSE(changed("\"ublk\"", "\"auto\""));
    CHECK_FALSE(changed("\"fail_after_s\": 5", "\"fail_after_s\": -5"));
    CHECK_FALSE(changed("02:00:00:00:01:fe", "02:00:00:00:01"));
    CHECK_FALSE(changed("\"00010203", "\"0g010203"));
}

TEST_CASE("states are kept a file each, and only whole ones are used") {
    const Folder folder;
    const auto store = StateStore::open(folder.path + "/deep/luns");
    REQUIRE(store.has_value());
    LunState one = sample();
    REQUIRE(store->write(one).has_value());
    one.device_index = 13;
    REQUIRE(store->write(one).has_value()); // again
    LunState other = sample();
    other.address = {1, 0};
    REQUIRE(store->write(other).has_value());
    std::ofstream(store->folder() + "/9.9.json") << lun_state_text(other); // under a wrong name
    std::ofstream(store->folder() + "/8.8.json") << "{";
    std::ofstream(store->folder() + "/7.3.json.new") << "half"; // of a writer that was killed
    std::vector<Error> problems;
    const auto states = store->read_all(problems);
    REQUIRE(states.size() == 2);
    CHECK(states[0] == other);
    CHECK(states[1] == one);
    CHECK(problems.size() == 2);
    store->remove({1, 0});
    store->remove({1, 0}); // none is fine
    problems.clear();
    CHECK(store->read_all(problems).size() == 1);
}

TEST_CASE("a state that cannot be written is an error, and the old one stays") {
    const Folder folder;
    const auto store = StateStore::open(folder.path);
    REQUIRE(store.has_value());
    REQUIRE(store->write(sample()).has_value());
    // Even root cannot make a file under this name.
    std::filesystem::create_directory(folder.path + "/7.3.json.new");
    LunState changed = sample();
    changed.device_index = 99;
    const auto written = store->write(changed);
    REQUIRE_FALSE(written.has_value());
    CHECK(written.error().line().find("7.3.json") != std::string::npos);
    std::vector<Error> problems;
    CHECK(store->read_all(problems).front() == sample());
}
