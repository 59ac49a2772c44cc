// The journal of systemd, by its native protocol: one datagram an entry. Not by
// sd_journal_sendv(3), which blocks while journald stands still, and journald's own files may be on
// a LUN that waits for whoever writes here.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>

namespace uaoe::tools {

// "8:1234567", as systemd sets JOURNAL_STREAM for a stream that it has connected to the journal.
[[nodiscard]] bool is_journal_stream(std::string_view journal_stream, dev_t device, ino_t inode);
// Whether standard error is such a stream.
[[nodiscard]] bool error_stream_is_journal();

class JournalSocket {
  public:
    static constexpr const char* path_default = "/run/systemd/journal/socket";
    enum class Sent : unsigned char {
        yes,
        stopped, // nobody took it in that time
        nobody,  // there is no journal, or the entry is none that it takes
    };

    explicit JournalSocket(std::string path = path_default) : path_(std::move(path)) {}
    ~JournalSocket() { close(); }
    JournalSocket(const JournalSocket&) = delete;
    JournalSocket& operator=(const JournalSocket&) = delete;

    // Connects if it is not connected, also anew when journald has been started anew.
    [[nodiscard]] Sent send(std::string_view entry, std::chrono::milliseconds wait);

  private:
    [[nodiscard]] bool connect();
    void close();

    std::string path_;
    int fd_ = -1;
};

} // namespace uaoe::tools
