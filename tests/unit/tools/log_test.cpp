// What the log says, how much of it, and how it reaches a journal.
#include "tools/journal.hpp"
#include "tools/log_limit.hpp"
#include "tools/log_line.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

using namespace uaoe;
using namespace uaoe::tools;
using namespace std::chrono_literals;
using initiator::Time;

namespace {

LogLine path_line(std::uint16_t shelf, const std::string& text = "path eth1 to x is down") {
    return {.level = LogLevel::warning,
            .kind = LogKind::path,
            .text = text,
            .address = proto::Address{shelf, 0},
            .event = "path_down",
            .interface = "eth1",
            .target_mac = "02:00:00:00:00:01"};
}

// As whoever writes the log asks: first what is due.
bool says(LogLimit& limit, Time now, const LogLine& line) {
    CHECK_FALSE(limit.poll_left_out(now).has_value());
    return limit.admit(now, line);
}

// A journald that does not read by itself.
class FakeJournal {
  public:
    FakeJournal() {
        folder_ =
            std::filesystem::temp_directory_path() / ("uaoe-journal-" + std::to_string(getpid()));
        std::filesystem::create_directory(folder_);
        open();
    }
    ~FakeJournal() {
        ::close(fd_);
        std::filesystem::remove_all(folder_);
    }
    FakeJournal(const FakeJournal&) = delete;
    FakeJournal& operator=(const FakeJournal&) = delete;

    [[nodiscard]] std::string path() const { return folder_ / "socket"; }
    void restart() {
        ::close(fd_);
        std::filesystem::remove(path());
        open();
    }
    [[nodiscard]] std::string take() const {
        char room[65536];
        const ssize_t count = recv(fd_, room, sizeof(room), MSG_DONTWAIT);
        return count < 0 ? std::string() : std::string(room, static_cast<std::size_t>(count));
    }

  private:
    void open() {
        fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path().copy(address.sun_path, sizeof(address.sun_path) - 1);
        REQUIRE(bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    }
    std::filesystem::path folder_;
    int fd_ = -1;
};

} // namespace

TEST_CASE("so many lines of a kind and a LUN are said, then how many were left out") {
    LogLimit limit;
    const Time begin{100s};
    for (unsigned i = 0; i < LogLimit::lines_max; ++i) {
        CHECK(says(limit, begin + i * 1ms, path_line(1)));
    }
    CHECK_FALSE(limit.poll_timeout().has_value());
    CHECK_FALSE(says(limit, begin + 1s, path_line(1)));
    CHECK_FALSE(says(limit, begin + 9s, path_line(1, "path eth1 to x is up")));
    CHECK(limit.poll_timeout() == begin + LogLimit::period);
    CHECK_FALSE(limit.poll_left_out(begin + LogLimit::period - 1ns).has_value());
    const auto left_out = limit.poll_left_out(begin + LogLimit::period);
    REQUIRE(left_out.has_value());
    CHECK(log_message(*left_out) ==
          "1.0: 2 more such lines were left out in 10 s; the last: path eth1 to x is up");
    CHECK(left_out->left_out_count == 2);
    CHECK(left_out->interface == "eth1");
    CHECK_FALSE(limit.poll_left_out(begin + LogLimit::period).has_value());
    CHECK_FALSE(limit.poll_timeout().has_value());
    CHECK(says(limit, begin + LogLimit::period, path_line(1)));
}

TEST_CASE("one that was left out is counted in the singular") {
    LogLimit limit;
    for (unsigned i = 0; i <= LogLimit::lines_max; ++i) {
        static_cast<void>(limit.admit(Time{1s}, path_line(1)));
    }
    CHECK(limit.poll_left_out(Time{11s})->text ==
          "1 more such line was left out in 10 s; the last: path eth1 to x is down");
}

TEST_CASE("other LUNs, other kinds and what somebody did are said all the same") {
    LogLimit limit;
    for (unsigned i = 0; i <= LogLimit::lines_max; ++i) {
        static_cast<void>(limit.admit(Time{1s}, path_line(1)));
    }
    CHECK(says(limit, Time{2s}, path_line(2)));
    LogLine device = path_line(1);
    device.kind = LogKind::device;
    CHECK(says(limit, Time{2s}, device));
    for (int i = 0; i < 1000; ++i) {
        CHECK(says(limit, Time{2s}, {.text = "the configuration has been read again"}));
    }
}

TEST_CASE("a table that is full has one place for all further LUNs, and is free again later") {
    LogLimit limit;
    const auto luns_count = static_cast<std::uint16_t>(LogLimit::entries_count_max + 100);
    unsigned said_count = 0;
    for (std::uint16_t lun = 0; lun < luns_count; ++lun) {
        said_count += says(limit, Time{1s}, path_line(lun)) ? 1U : 0U;
    }
    // Each with a place of its own, one that opened the shared one, and those that it has room for.
    CHECK(said_count == LogLimit::entries_count_max + LogLimit::lines_max);
    const auto left_out = limit.poll_left_out(Time{11s});
    REQUIRE(left_out.has_value());
    CHECK(left_out->left_out_count == 100 - LogLimit::lines_max);
    CHECK(left_out->text.starts_with("90 more lines about many LUNs were left out in 10 s"));
    CHECK(log_message(*left_out).starts_with("355.0: 90 more"));
    said_count = 0;
    for (std::uint16_t lun = 0; lun < LogLimit::entries_count_max; ++lun) {
        said_count +=
            says(limit, Time{11s}, path_line(static_cast<std::uint16_t>(1000 + lun))) ? 1U : 0U;
    }
    CHECK(said_count == LogLimit::entries_count_max);
}

TEST_CASE("a line on standard error, and as an entry of a journal") {
    CHECK(log_text(path_line(1), "uaoed") == "1.0: path eth1 to x is down");
    CHECK(journal_entry(path_line(1), "uaoed") == "MESSAGE=1.0: path eth1 to x is down\n"
                                                  "PRIORITY=4\n"
                                                  "SYSLOG_IDENTIFIER=uaoed\n"
                                                  "UAOE_EVENT=path_down\n"
                                                  "UAOE_ADDRESS=1.0\n"
                                                  "UAOE_INTERFACE=eth1\n"
                                                  "UAOE_TARGET_MAC=02:00:00:00:00:01\n");
    const LogLine plain{.text = "the configuration has been read again"};
    CHECK(log_text(plain, "uaoed") == "uaoed: the configuration has been read again");
    CHECK(journal_entry(plain, "uaoed") == "MESSAGE=the configuration has been read again\n"
                                           "PRIORITY=6\n"
                                           "SYSLOG_IDENTIFIER=uaoed\n");
    LogLine failed = failure_line({.what = "cannot attach 1.0", .why = "x", .what_to_do = "y"},
                                  LogKind::attachment, "it is tried again");
    failed.address = proto::Address{1, 0};
    failed.names_lun = true;
    failed.device = "/dev/nbd0";
    failed.left_out_count = 7;
    CHECK(log_text(failed, "uaoed") == "uaoed: cannot attach 1.0: x; y; it is tried again");
    CHECK(journal_entry(failed, "uaoed") == "MESSAGE=cannot attach 1.0: x; y; it is tried again\n"
                                            "PRIORITY=4\n"
                                            "SYSLOG_IDENTIFIER=uaoed\n"
                                            "UAOE_ADDRESS=1.0\n"
                                            "UAOE_DEVICE=/dev/nbd0\n"
                                            "UAOE_LEFT_OUT_COUNT=7\n");
}

TEST_CASE("nothing from elsewhere makes a field of a journal") {
    const LogLine forged{.text = "serial A\nPRIORITY=0\n\x1b[2J"};
    const std::string entry = journal_entry(forged, "uaoed");
    CHECK(entry.find("\nPRIORITY=0") == std::string::npos);
    CHECK(entry.find('\x1b') == std::string::npos);
}

TEST_CASE("a stream is the journal's by its device and inode") {
    CHECK(is_journal_stream("8:1234", 8, 1234));
    for (const char* other : {"8:1235", "9:1234", "", "8", "8:", ":1234", "8:1234x", "x8:1234",
                              " 8:1234", "8:12:34", "8:99999999999999999999999"}) {
        CHECK_FALSE(is_journal_stream(other, 8, 1234));
    }
}

TEST_CASE("a journal takes entries, is started anew, stands still, and is gone") {
    FakeJournal journal;
    JournalSocket socket(journal.path());
    CHECK(socket.send("A=1\n", 0ms) == JournalSocket::Sent::yes);
    CHECK(journal.take() == "A=1\n");
    journal.restart();
    CHECK(socket.send("A=2\n", 0ms) == JournalSocket::Sent::yes);
    CHECK(journal.take() == "A=2\n");
    const auto begin = std::chrono::steady_clock::now();
    int sent_count = 0;
    while (socket.send("A=3\n", 0ms) == JournalSocket::Sent::yes) {
        ++sent_count;
    }
    CHECK(socket.send("A=4\n", 50ms) == JournalSocket::Sent::stopped);
    CHECK(std::chrono::steady_clock::now() - begin < 2s);
    for (int i = 0; i < sent_count; ++i) {
        CHECK(journal.take() == "A=3\n");
    }
    CHECK(socket.send("A=5\n", 0ms) == JournalSocket::Sent::yes);
    CHECK(journal.take() == "A=5\n");
    CHECK(socket.send(std::string(4U << 20U, 'x'), 0ms) == JournalSocket::Sent::nobody);
    JournalSocket nobody(journal.path() + "x");
    CHECK(nobody.send("A=6\n", 0ms) == JournalSocket::Sent::nobody);
    CHECK(JournalSocket(std::string(200, 'x')).send("A=7\n", 0ms) == JournalSocket::Sent::nobody);
}
