// Followers that read, that do not, and that go away.
#include "tools/daemon/event_followers.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <sstream>

using namespace uaoe;
using namespace uaoe::tools;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

struct Bench {
    asio::io_context context;
    EventFollowers followers;
    int made_count = 0; // lines

    // The other end of a new follower.
    EventFollowers::Socket follow(std::optional<proto::Address> address = std::nullopt) {
        EventFollowers::Socket ours(context);
        EventFollowers::Socket theirs(context);
        asio::local::connect_pair(ours, theirs);
        followers.add(std::move(ours), address, "hello\n");
        return theirs;
    }
    void publish(proto::Address address, const std::string& line) {
        followers.publish(address, [&] {
            ++made_count;
            return line;
        });
    }
    void run() {
        context.restart();
        context.poll();
    }
    // All that comes until nothing more does.
    std::vector<std::string> read(EventFollowers::Socket& socket) {
        socket.non_blocking(true);
        std::string text;
        for (int idle = 0; idle < 3;) {
            run();
            std::array<char, 65536> buffer{};
            boost::system::error_code error;
            const std::size_t count = socket.read_some(asio::buffer(buffer), error);
            text.append(buffer.data(), count);
            idle = count > 0 ? 0 : idle + 1;
        }
        std::vector<std::string> lines;
        std::istringstream stream(text);
        for (std::string line; std::getline(stream, line);) {
            lines.push_back(line);
        }
        return lines;
    }
};

} // namespace

TEST_CASE("each follower gets every line in order, and one of a LUN only those") {
    Bench bench;
    auto all = bench.follow();
    auto one = bench.follow(proto::Address{1, 0});
    for (int i = 0; i < 100; ++i) {
        bench.publish({1, static_cast<std::uint8_t>(i % 2)}, std::to_string(i));
    }
    const auto lines = bench.read(all);
    REQUIRE(lines.size() == 101);
    CHECK(lines[0] == "hello");
    for (std::size_t i = 0; i < 100; ++i) {
        CHECK(lines[i + 1] == std::to_string(i));
    }
    const auto of_one = bench.read(one);
    REQUIRE(of_one.size() == 51);
    CHECK(of_one[50] == "98");
}

TEST_CASE("one that does not read is told how many lines it missed, and gets the next ones") {
    Bench bench;
    auto slow = bench.follow();
    constexpr std::size_t published_count = 20'000;
    const std::string filler(200, 'x');
    for (std::size_t i = 0; i < published_count; ++i) {
        bench.publish({1, 0}, std::to_string(i) + " " + filler);
        bench.run();
    }
    auto quick = bench.follow();
    const auto lines = bench.read(slow);
    REQUIRE(lines.size() > EventFollowers::lines_waiting_max);
    REQUIRE(lines.size() < published_count);
    for (std::size_t i = 1; i + 1 < lines.size(); ++i) {
        REQUIRE(lines[i].starts_with(std::to_string(i - 1) + " "));
    }
    const auto lost = nlohmann::json::parse(lines.back());
    CHECK(lost["event"] == "events_lost");
    CHECK(lost["lost_count"].get<std::size_t>() + lines.size() - 2 == published_count);
    bench.publish({1, 0}, "next");
    CHECK(bench.read(slow) == std::vector<std::string>{"next"});
    CHECK(bench.read(quick) == std::vector<std::string>{"hello", "next"});
}

TEST_CASE("a line is made once, and only when somebody follows that LUN") {
    Bench bench;
    bench.publish({1, 0}, "nobody");
    CHECK(bench.made_count == 0);
    auto one = bench.follow(proto::Address{1, 0});
    bench.publish({1, 1}, "of another");
    CHECK(bench.made_count == 0);
    auto all = bench.follow();
    bench.publish({1, 0}, "of both");
    CHECK(bench.made_count == 1);
    bench.publish({1, 0}, ""); // nothing to tell
    CHECK(bench.read(one) == std::vector<std::string>{"hello", "of both"});
    CHECK(bench.read(all) == std::vector<std::string>{"hello", "of both"});
}

TEST_CASE("one that goes away is forgotten, one that only stops sending is not") {
    Bench bench;
    {
        auto gone = bench.follow();
        bench.run();
        CHECK(bench.followers.count() == 1);
    }
    bench.run();
    CHECK(bench.followers.count() == 0);
    auto silent = bench.follow();
    silent.shutdown(EventFollowers::Socket::shutdown_send);
    bench.run();
    bench.publish({1, 0}, "line");
    CHECK(bench.read(silent) == std::vector<std::string>{"hello", "line"});
}

TEST_CASE("when it ends, each follower sees the end of file") {
    asio::io_context context;
    EventFollowers::Socket theirs(context);
    {
        EventFollowers followers;
        EventFollowers::Socket ours(context);
        asio::local::connect_pair(ours, theirs);
        followers.add(std::move(ours), std::nullopt, "hello\n");
        for (std::size_t i = 1; i < EventFollowers::followers_count_max; ++i) {
            CHECK_FALSE(followers.is_full());
            EventFollowers::Socket other(context);
            EventFollowers::Socket kept(context);
            asio::local::connect_pair(other, kept);
            followers.add(std::move(other), std::nullopt, "hello\n");
        }
        CHECK(followers.is_full());
    }
    context.poll(); // its handlers find it gone
    theirs.non_blocking(true);
    std::array<char, 64> buffer{};
    boost::system::error_code error;
    CHECK(theirs.read_some(asio::buffer(buffer), error) == 6);
    CHECK(theirs.read_some(asio::buffer(buffer), error) == 0);
    CHECK(error == asio::error::eof);
}
