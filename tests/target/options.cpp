// The command line of the model target's program; its --help is its manual.
#include "tests/target/options.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>

namespace uaoe::target {

namespace {

constexpr const char* description =
    R"(A model AoE target: serves many LUNs on packet sockets, with faults and quirks on demand.
Prints "ready" on stdout when it serves. SIGUSR1 and its end print statistics as one line of
JSON on stderr (or into --stats FILE). Ends on SIGTERM and SIGINT.)";

constexpr const char* examples = R"(
Examples:
  aoe_model_target -i veth1                          one LUN 1.0 of 1 GiB in RAM
  aoe_model_target -i veth1 -i veth3 --file disk.img one disk behind two interfaces
  aoe_model_target -i veth1 --luns 4096 --size 1T    4096 sparse LUNs: 1.0 to 17.15
  aoe_model_target -i veth1 --delay 200 --buffer-count 16 --loss 1 --seed 7
  aoe_model_target -i veth1 --payload-limit 1500     a switch that drops jumbo frames
  aoe_model_target -i veth1 --mute-identify          answers Query Config, never IDENTIFY
)";

constexpr std::uint64_t size_bytes_default = std::uint64_t{1} << 30U;

std::optional<Range> parse_range(const std::string& text) {
    Range range;
    const char* end = text.data() + text.size();
    auto [after, error] = std::from_chars(text.data(), end, range.first);
    if (error != std::errc{}) {
        return std::nullopt;
    }
    range.last = range.first;
    if (after != end && *after == '-') {
        const auto second = std::from_chars(after + 1, end, range.last);
        if (second.ec != std::errc{}) {
            return std::nullopt;
        }
        after = second.ptr;
    }
    return after == end && range.first <= range.last ? std::optional(range) : std::nullopt;
}

void add_range(CLI::App& app, const char* name, Range& range, std::uint32_t highest,
               const char* what) {
    app.add_option_function<std::string>(
           name,
           [&range, highest, name](const std::string& text) {
               const auto parsed = parse_range(text);
               if (!parsed || parsed->last > highest) {
                   throw CLI::ValidationError(name, "expected N or N-M up to " +
                                                        std::to_string(highest) + ", got " + text);
               }
               range = *parsed;
           },
           what)
        ->type_name("N[-M]");
}

template <std::size_t Size>
void add_text(CLI::App& app, const char* name, proto::FixedText<Size>& to, const char* what) {
    app.add_option_function<std::string>(
        name,
        [&to, name](const std::string& text) {
            if (text.size() > Size) {
                throw CLI::ValidationError(name, "at most " + std::to_string(Size) + " characters");
            }
            to = {};
            std::ranges::copy(text, to.characters.begin());
            to.length = static_cast<std::uint8_t>(text.size());
        },
        what);
}

// The same option again adds another one.
void add_macs(CLI::App& app, const char* name, std::vector<proto::MacAddress>& to,
              const char* what) {
    app.add_option_function<std::vector<std::string>>(
           name,
           [&to, name](const std::vector<std::string>& texts) {
               for (const std::string& text : texts) {
                   const auto mac = proto::parse_mac(text);
                   if (!mac) {
                       throw CLI::ValidationError(name, "not a MAC address: " + text);
                   }
                   to.push_back(*mac);
               }
           },
           what)
        ->expected(1)
        ->type_name("MAC")
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void add_luns(CLI::App& app, Options& options) {
    const char* group = "LUNs";
    auto* luns = app.add_option_group(group);
    add_range(*luns, "--shelf", options.shelves, 65534, "Shelves (default 1)");
    add_range(*luns, "--slots,--slot", options.slots, 254, "Slots of each shelf (default 0)");
    luns->add_option("--luns", options.luns_count,
                     "So many LUNs, 255 a shelf, from the first of --shelf on");
    luns->add_option("--size,--ram", options.size_bytes,
                     "Bytes of each LUN: 64M, 1T (default 1G; of a file: its own)")
        ->transform(CLI::AsSizeValue(false));
    luns->add_option("--file", options.file,
                     "Disk of the first LUN, made with --size when it is not there");
    auto& identify = options.lun.identify;
    luns->add_option("--logical-sector", identify.logical_sector_bytes, "512 or 4096")
        ->check(CLI::IsMember({512, 4096}));
    luns->add_option("--serial", options.serial,
                     "Serial number; with several LUNs the address is added");
    add_text(*luns, "--model", identify.model, "Model text");
    luns->add_flag("--trim", identify.trim, "Offer DATA SET MANAGEMENT / TRIM");
    luns->add_flag("--flush-ext,!--no-flush-ext", identify.flush_cache_ext,
                   "Offer FLUSH CACHE EXT (default) or only FLUSH CACHE");
    luns->add_option("--config-string", options.lun.config_string, "At start");
    add_macs(*luns, "--mask", options.lun.mask_list, "In the MAC mask list at start");
    add_macs(*luns, "--reserve-for", options.lun.reserved_for, "Reserved for it at start");
    luns->add_option("--buffer-count", options.lun.buffer_count,
                     "Commands a LUN holds (default 16); with --delay more are dropped")
        ->check(CLI::Range(1, 65535));
    luns->add_option("--sectors-per-frame", options.lun.sectors_per_frame,
                     "Of 512 bytes, advertised and enforced (default: from the MTU)")
        ->check(CLI::Range(0, 255));
}

void add_faults(CLI::App& app, Options& options) {
    auto* group = app.add_option_group("Faults");
    Faults& faults = options.faults;
    group->add_option("--delay", faults.delay_us, "Microseconds a command is held");
    group->add_option("--loss", faults.loss_percent, "Percent of frames lost, each direction")
        ->check(CLI::Range(0.0, 100.0));
    group->add_option("--duplicate", faults.duplicate_percent, "Percent of frames doubled")
        ->check(CLI::Range(0.0, 100.0));
    group
        ->add_option("--reorder", faults.reorder_percent,
                     "Percent of frames held back by --reorder-delay")
        ->check(CLI::Range(0.0, 100.0));
    group->add_option("--reorder-delay", faults.reorder_delay_us, "Microseconds (default 300)");
    group->add_option("--payload-limit", faults.payload_limit_bytes,
                      "Frames over this MTU vanish, both directions");
    group->add_option("--seed", faults.seed, "Of the faults (default 1)");
    group->add_option("--hold-memory", options.hold_bytes, "For held frames (default 256M)")
        ->transform(CLI::AsSizeValue(false));
}

// --smart and what is wrong with it.
void add_smart(CLI::App& app, LunConfig& lun) {
    auto* group = app.add_option_group("SMART");
    const auto add = [&](const char* name, const char* what, auto&& change) {
        group->add_flag_callback(
            name,
            [&lun, change] {
                if (!lun.smart) {
                    lun.smart = SmartDisk::sample();
                    lun.identify.smart_supported = true;
                    lun.identify.smart_enabled = true;
                }
                change(*lun.smart);
            },
            what);
    };
    add("--smart", "Has SMART: attributes, self-tests, a log of them", [](SmartDisk&) {});
    add("--smart-disabled", "... switched off",
        [&lun](SmartDisk&) { lun.identify.smart_enabled = false; });
    add("--smart-failing", "... and says that it is failing",
        [](SmartDisk& disk) { disk.is_failing = true; });
    add("--smart-test-fails", "... and its self-tests find a bad sector",
        [](SmartDisk& disk) { disk.self_test_fails = true; });
    add("--smart-no-tests", "... and has no self-tests",
        [](SmartDisk& disk) { disk.data.can_self_test = false; });
    add("--smart-zeroes", "... and RETURN STATUS leaves no status",
        [](SmartDisk& disk) { disk.zeroes_status = true; });
    add("--smart-wrong-checksums", "... of its blocks",
        [](SmartDisk& disk) { disk.wrong_checksums = true; });
    add("--smart-short-blocks", "... that lack their end",
        [](SmartDisk& disk) { disk.short_blocks = true; });
}

void add_quirks(CLI::App& app, Quirks& quirks) {
    auto* group = app.add_option_group("Quirks");
    group->add_flag("--read-only", quirks.read_only, "Writes abort; IDENTIFY gives no hint");
    group->add_flag("--mute-identify", quirks.mute_identify, "Never answers IDENTIFY");
    group->add_flag("--reserved", quirks.reserved, "AoE error 6 on ATA but IDENTIFY");
    group->add_flag("--reserved-identify", quirks.reserved_identify, "... and on IDENTIFY");
    group->add_flag("--unavailable", quirks.unavailable, "AoE error 3 on ATA");
    group->add_flag("--flush-aborts", quirks.flush_aborts, "Flush commands abort");
    group->add_flag("--flush-echoes", quirks.flush_echoes_command,
                    "A flush reply's status is the command (ggaoed)");
    group->add_flag("--short-errors", quirks.short_errors, "Error replies are 24 bytes (ggaoed)");
    group->add_flag("--pads-replies", quirks.pads_replies,
                    "To 60 bytes, with leftovers of the request");
    group->add_flag("--version-zero", quirks.version_zero, "Version nibble 0 in replies");
    group->add_flag("--broadcast-address", quirks.broadcast_address,
                    "Query Config replies carry 65535.255");
    group->add_flag("--wrong-command", quirks.wrong_command, "Replies carry command 1");
    group->add_flag("--short-read-data", quirks.short_read_data,
                    "Read replies lack their last 512 bytes");
    group->add_flag("--lists-silent", quirks.lists_silent,
                    "MAC Mask List and Reserve/Release unanswered (kvblade)");
    group->add_flag("--lists-unknown", quirks.lists_unknown, "... answered with AoE error 1");
    group->add_flag("--lists-ignored", quirks.lists_ignored,
                    "Changes of them are confirmed and not made");
    group->add_option("--mask-list-max", quirks.mask_list_max,
                      "Entries of the MAC mask list (default 255)");
    group->add_option("--advertise-buffers", quirks.advertised_buffer_count,
                      "Buffer count to advertise instead of the true one");
}

std::string check(Options& options) {
    auto& identify = options.lun.identify;
    if (options.size_bytes == 0 && options.file.empty()) {
        options.size_bytes = size_bytes_default;
    }
    if (options.size_bytes % identify.logical_sector_bytes != 0) {
        return "--size is not a number of whole sectors";
    }
    if (options.lun.config_string.size() > proto::config_string_bytes_max) {
        return "--config-string is longer than 1024 bytes";
    }
    if (options.serial.size() > 20) {
        return "--serial is longer than 20 characters";
    }
    if (options.mac && options.interfaces.size() > 1) {
        return "--mac goes with one interface only";
    }
    const std::uint64_t room = std::uint64_t{65535 - options.shelves.first} * 255;
    if (options.luns_count > room) {
        return "--luns does not fit behind the first shelf";
    }
    identify.physical_sector_bytes = identify.logical_sector_bytes;
    identify.trim_blocks_max = identify.trim ? 1 : 0;
    identify.trim_reads_zeroes = identify.trim;
    return {};
}

} // namespace

std::optional<int> parse_options(int argc, char** argv, Options& options) {
    CLI::App app{description, "aoe_model_target"};
    app.footer(examples);
    auto& identify = options.lun.identify;
    identify.lba48 = true;
    identify.flush_cache = true;
    identify.flush_cache_ext = true;
    app.add_option("-i,--interface", options.interfaces, "Interface; may be given several times")
        ->required()
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    app.add_option_function<std::string>(
        "--mac",
        [&options](const std::string& text) {
            options.mac = proto::parse_mac(text);
            if (!options.mac || options.mac->is_multicast()) {
                throw CLI::ValidationError("--mac", "not a unicast MAC address: " + text);
            }
        },
        "Answer under this MAC instead of the interface's");
    add_luns(app, options);
    add_faults(app, options);
    add_quirks(app, options.lun.quirks);
    add_smart(app, options.lun);
    app.add_option("--cpu", options.processor, "Run on this processor only");
    app.add_option("--spin", options.spin_us, "Microseconds to look before sleeping (default 0)");
    app.add_option("--ring", options.ring_bytes, "Receive ring of each interface (default 4M)")
        ->transform(CLI::AsSizeValue(false));
    app.add_option("--stats", options.statistics_file, "Statistics go here, a line each");
    add_text(app, "--firmware", identify.firmware, "Firmware text");
    try {
        app.parse(argc, argv);
        if (const std::string problem = check(options); !problem.empty()) {
            throw CLI::ValidationError(problem);
        }
    } catch (const CLI::ParseError& error) {
        const int code = app.exit(error);
        return code == 0 ? 0 : 2;
    }
    return std::nullopt;
}

std::vector<proto::Address> addresses_of(const Options& options) {
    std::vector<proto::Address> addresses;
    const auto add = [&](std::uint32_t shelf, std::uint32_t slot) {
        addresses.push_back({static_cast<std::uint16_t>(shelf), static_cast<std::uint8_t>(slot)});
    };
    if (options.luns_count > 0) {
        for (std::uint32_t i = 0; i < options.luns_count; ++i) {
            add(options.shelves.first + i / 255, i % 255);
        }
        return addresses;
    }
    for (std::uint32_t shelf = options.shelves.first; shelf <= options.shelves.last; ++shelf) {
        for (std::uint32_t slot = options.slots.first; slot <= options.slots.last; ++slot) {
            add(shelf, slot);
        }
    }
    return addresses;
}

} // namespace uaoe::target
