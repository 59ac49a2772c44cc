// lossy_bridge: a wire with faults, where the kernel has no netem. The command line and the
// signals; its --help is its manual.
#include "tests/interop/bridge.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>

namespace {

using namespace uaoe::bridge;

constexpr const char* description =
    R"(Forwards AoE frames between two interfaces, with faults drawn from a seed by the number of the
frame in its direction. Prints "ready" on stdout when it forwards. Ends on SIGTERM and SIGINT, then
writes what became of the frames as JSON into --stats FILE.)";

constexpr const char* footer = R"(
A line written into the FIFO of --commands changes a fault while frames flow; each is answered by a
line on stdout: "ok", "error: ..." or the statistics.
  cut                     every frame vanishes, both links stay up
  restore                 the end of that
  loss 5                  and any other fault by the name of its option
  stats                   what became of the frames so far

Examples:
  lossy_bridge veth1 veth2 --loss 1 --seed 7
  lossy_bridge veth1 veth2 --bytes-max-b-to-a 1600      a switch that drops jumbo frames one way
  lossy_bridge veth1 veth2 --commands fifo & echo cut >fifo
)";

struct Options {
    std::string interface_a;
    std::string interface_b;
    Faults faults;
    std::string commands_fifo;
    std::string statistics_file;
};

struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

// Nothing when the program shall go on; else its exit code.
std::optional<int> parse_options(int argc, char** argv, Options& options) {
    CLI::App app{description, "lossy_bridge"};
    app.footer(footer);
    app.add_option("A", options.interface_a, "Interface")->required();
    app.add_option("B", options.interface_b, "Interface")->required();
    app.add_option("--seed", options.faults.seed, "Of the faults (default 1)");
    const auto add_fault = [&](const std::string& name, const char* type, const char* what) {
        app.add_option_function<std::string>(
               "--" + name,
               [&options, name](const std::string& value) {
                   if (const auto problem = set_fault(options.faults, name, value);
                       !problem.empty()) {
                       throw CLI::ValidationError("--" + problem);
                   }
               },
               what)
            ->type_name(type);
    };
    add_fault("loss", "PERCENT", "Frames that vanish, each direction on its own");
    add_fault("duplicate", "PERCENT", "Frames that arrive twice, at once");
    add_fault("late", "PERCENT", "Frames that are held for up to --late-max");
    add_fault("late-max", "MS", "Milliseconds (default 100)");
    add_fault("reorder", "PERCENT", "Frames that are held for 300 us: others overtake them");
    add_fault("delay", "US", "Every frame is held so long");
    add_fault("bytes-max-a-to-b", "BYTES",
              "Longer frames vanish, Ethernet header counted; 0: none");
    add_fault("bytes-max-b-to-a", "BYTES", "The other way");
    app.add_option("--commands", options.commands_fifo, "FIFO to read commands from, see below");
    app.add_option("--stats", options.statistics_file, "JSON goes there at the end");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const int code = app.exit(error);
        return code == 0 ? 0 : 2;
    }
    return std::nullopt;
}

[[noreturn]] void fail(const std::string& what, const char* what_to_do) {
    throw std::runtime_error(what + ": " + std::strerror(errno) + "; " + what_to_do);
}

int open_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    const int descriptor = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (descriptor < 0) {
        fail("cannot open a signalfd", "raise the limit of open files");
    }
    return descriptor;
}

int open_commands(const std::string& path) {
    if (path.empty()) {
        return -1;
    }
    // For writing, too: writers come and go, and the last to go is no end.
    const int descriptor = ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC); // NOLINT
    if (descriptor < 0) {
        fail("cannot read commands from " + path, "make it with mkfifo");
    }
    struct stat status{};
    if (::fstat(descriptor, &status) != 0 || !S_ISFIFO(status.st_mode)) {
        throw std::runtime_error("cannot read commands from " + path +
                                 ": it is not a FIFO; make it with mkfifo");
    }
    return descriptor;
}

std::unique_ptr<std::FILE, CloseFile> open_statistics(const std::string& path) {
    std::unique_ptr<std::FILE, CloseFile> file;
    if (!path.empty()) {
        file.reset(std::fopen(path.c_str(), "we"));
        if (!file) {
            fail("cannot write statistics to " + path, "name a file that can be written");
        }
    }
    return file;
}

void bridge(const Options& options) {
    ::prctl(PR_SET_TIMERSLACK, 1000UL); // delays are microseconds; the default slack is 50 of them
    const int signals = open_signals();
    const int commands = open_commands(options.commands_fifo);
    const auto statistics = open_statistics(options.statistics_file);
    Bridge bridge(options.faults, options.interface_a, options.interface_b);
    std::puts("ready");
    std::fflush(stdout);
    bridge.run(signals, commands);
    if (statistics) {
        fmt::print(statistics.get(), "{}\n", bridge.statistics_json());
        if (std::fflush(statistics.get()) != 0) {
            fail("cannot write statistics to " + options.statistics_file, "make room for them");
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    Options options;
    if (const auto code = parse_options(argc, argv, options)) {
        return *code;
    }
    try {
        bridge(options);
    } catch (const std::exception& error) {
        fmt::print(stderr, "lossy_bridge: {}\n", error.what());
        return 1;
    }
    return 0;
}
