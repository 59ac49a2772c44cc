// The standard streams when nobody takes what is written.
#include "tools/output.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <fcntl.h>
#include <string>
#include <unistd.h>

using namespace uaoe::tools;
using namespace std::chrono_literals;

namespace {

// One of the standard streams as a pipe, for as long as it lives.
class PipeStream {
  public:
    explicit PipeStream(int descriptor) : descriptor_(descriptor), before_(dup(descriptor)) {
        REQUIRE(pipe2(fds_, O_CLOEXEC) == 0);
        REQUIRE(dup2(fds_[1], descriptor_) == descriptor_);
        fcntl(fds_[0], F_SETFL, O_NONBLOCK);
    }
    ~PipeStream() {
        dup2(before_, descriptor_);
        close(before_);
        close(fds_[0]);
        close(fds_[1]);
    }
    PipeStream(const PipeStream&) = delete;
    PipeStream& operator=(const PipeStream&) = delete;

    void fill() {
        fcntl(fds_[1], F_SETFL, O_NONBLOCK);
        const std::string filling(4096, '.');
        while (write(fds_[1], filling.data(), filling.size()) > 0) {
        }
        fcntl(fds_[1], F_SETFL, 0);
    }
    std::string take() {
        std::string text;
        char room[4096];
        for (ssize_t count = 0; (count = read(fds_[0], room, sizeof(room))) > 0;) {
            text.append(room, static_cast<std::size_t>(count));
        }
        return text;
    }

  private:
    int descriptor_;
    int before_;
    int fds_[2] = {-1, -1};
};

} // namespace

TEST_CASE("a stopped stderr holds nobody up; what was lost is told when it goes on") {
    PipeStream stream(STDERR_FILENO);
    stream.fill();
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 100; ++i) {
        report("nobody reads this");
    }
    CHECK(std::chrono::steady_clock::now() - begin < 2s);
    stream.take();
    report("it goes on");
    CHECK(stream.take() == "100 lines were lost while standard error was stopped\nit goes on\n");
    const std::string longer(20'000, 'x');
    report(longer);
    CHECK(stream.take() == longer + "\n");
}

TEST_CASE("whether standard output would block is known before") {
    PipeStream stream(STDOUT_FILENO);
    const bool when_empty = output_is_ready();
    stream.fill();
    const bool when_full = output_is_ready();
    stream.take();
    CHECK(when_empty);
    CHECK_FALSE(when_full);
}
