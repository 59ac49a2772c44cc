// What is given up stays given up, also by programs that are run afterwards.
#include "initiator/linux/privileges.hpp"

#include "initiator/linux/mountinfo.hpp"

#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

using namespace uaoe::initiator;

namespace {

constexpr std::uint64_t bit(Capability capability) {
    return std::uint64_t{1} << static_cast<unsigned>(capability);
}

// Of a child that keeps these, and of a program that it runs; all bits when that failed.
struct Left {
    std::uint64_t child = ~std::uint64_t{0};
    std::uint64_t program = ~std::uint64_t{0};
};

Left left_after(std::initializer_list<Capability> kept) {
    int ends[2]; // NOLINT: pipe(2) wants it so
    REQUIRE(pipe(ends) == 0);
    const pid_t child = fork();
    if (child == 0) {
        if (!keep_capabilities(kept)) {
            _exit(1);
        }
        const auto set = read_effective_capabilities(getpid());
        if (!set || write(ends[1], &*set, sizeof(*set)) != sizeof(*set)) {
            _exit(1);
        }
        dup2(ends[1], STDOUT_FILENO);
        execl("/bin/sh", "sh", "-c",
              "while read key set; do [ $key != CapEff: ] || echo $set; done "
              "</proc/self/status",
              nullptr);
        _exit(1);
    }
    close(ends[1]);
    Left left;
    std::string text(64, '\0');
    const bool told = read(ends[0], &left.child, sizeof(left.child)) == sizeof(left.child);
    const ssize_t bytes = read(ends[0], text.data(), text.size());
    close(ends[0]);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(told);
    REQUIRE(bytes > 0);
    left.program = std::stoull(text, nullptr, 16);
    return left;
}

} // namespace

TEST_CASE("capabilities that are not kept are gone, in what is run afterwards too") {
    const std::uint64_t before = read_effective_capabilities(getpid()).value();
    for (const Left& left :
         {left_after({}), left_after({Capability::net_raw, Capability::sys_admin})}) {
        CHECK((left.child & ~(bit(Capability::net_raw) | bit(Capability::sys_admin))) == 0);
        CHECK((left.program & ~left.child) == 0);
    }
    const Left one = left_after({Capability::net_raw});
    CHECK(one.child == (before & bit(Capability::net_raw)));
    CHECK(one.program == (geteuid() == 0 ? one.child : 0));
    CHECK(left_after({}).child == 0);
}

TEST_CASE("a process that is not there has no capabilities to read") {
    CHECK_FALSE(read_effective_capabilities(-1).has_value());
}
