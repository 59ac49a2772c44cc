// aoe_model_target: serves model targets on real interfaces, fast enough to measure an initiator
// with, and as faulty as asked. A test tool, not a target for data one wants to keep: see --help.
#include "tests/target/options.hpp"
#include "tests/target/server.hpp"
#include "tests/target/storage.hpp"

#include <fmt/format.h>

#include <sched.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>
#include <system_error>
#include <vector>

namespace {

using namespace uaoe;
using namespace uaoe::target;

int open_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    const int descriptor = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (descriptor < 0) {
        throw std::system_error(errno, std::generic_category(), "cannot open a signalfd");
    }
    return descriptor;
}

void prepare_thread(const Options& options) {
    ::prctl(PR_SET_TIMERSLACK, 1000UL); // delays are microseconds; the default slack is 50 of them
    if (options.processor < 0) {
        return;
    }
    cpu_set_t processors;
    CPU_ZERO(&processors);
    CPU_SET(static_cast<std::size_t>(options.processor), &processors);
    if (::sched_setaffinity(0, sizeof(processors), &processors) != 0) {
        throw std::system_error(errno, std::generic_category(),
                                fmt::format("cannot run on processor {}", options.processor));
    }
}

template <std::size_t Size>
void set_text(proto::FixedText<Size>& to, std::string_view text) {
    text = text.substr(0, Size);
    to = {};
    std::ranges::copy(text, to.characters.begin());
    to.length = static_cast<std::uint8_t>(text.size());
}

// The disks live longer than the server that answers from them.
std::vector<std::unique_ptr<Storage>> add_luns(const Options& options, Server& server) {
    std::vector<std::unique_ptr<Storage>> disks;
    const auto addresses = addresses_of(options);
    for (const proto::Address address : addresses) {
        LunConfig config = options.lun;
        config.address = address;
        std::uint64_t bytes = options.size_bytes;
        if (disks.empty() && !options.file.empty()) {
            auto disk = std::make_unique<FileStorage>(options.file, config.quirks.read_only, bytes);
            bytes = bytes == 0 ? disk->size_bytes() : std::min(bytes, disk->size_bytes());
            disks.push_back(std::move(disk));
        } else {
            bytes = bytes == 0 ? std::uint64_t{1} << 30U : bytes;
            disks.push_back(std::make_unique<RamStorage>());
        }
        config.identify.sectors = {bytes / config.identify.logical_sector_bytes};
        if (config.identify.sectors.value == 0) {
            throw std::runtime_error("the disk is smaller than a sector; --size makes it larger");
        }
        const std::string name = proto::to_string(address);
        set_text(config.identify.serial, options.serial.empty() ? "model-" + name
                                         : addresses.size() > 1 ? options.serial + "-" + name
                                                                : options.serial);
        server.add_lun(std::move(config), *disks.back());
    }
    return disks;
}

std::FILE* open_statistics(const Options& options) {
    if (options.statistics_file.empty()) {
        return stderr;
    }
    std::FILE* file = std::fopen(options.statistics_file.c_str(), "we");
    if (file == nullptr) {
        throw std::system_error(errno, std::generic_category(),
                                "cannot write " + options.statistics_file);
    }
    return file;
}

void serve(Options& options) {
    if (options.lun.identify.model.length == 0) {
        set_text(options.lun.identify.model, "uaoe model target");
    }
    if (options.lun.identify.firmware.length == 0) {
        set_text(options.lun.identify.firmware, "1");
    }
    prepare_thread(options);
    const int signals = open_signals();
    std::FILE* statistics = open_statistics(options);
    std::vector<std::unique_ptr<Storage>> disks;
    Server server(options.faults, options.hold_bytes, options.spin_us);
    disks = add_luns(options, server);
    for (const std::string& interface : options.interfaces) {
        server.add_port(
            {.interface = interface, .mac = options.mac, .ring_bytes = options.ring_bytes});
    }
    server.advertise();
    std::puts("ready");
    std::fflush(stdout);
    const auto report = [&] {
        fmt::print(statistics, "{}\n", server.statistics_json());
        std::fflush(statistics);
    };
    server.run(signals, report);
    report();
}

} // namespace

int main(int argc, char** argv) {
    Options options;
    if (const auto code = parse_options(argc, argv, options)) {
        return *code;
    }
    try {
        serve(options);
    } catch (const std::exception& error) {
        fmt::print(stderr, "aoe_model_target: {}\n", error.what());
        return 1;
    }
    return 0;
}
