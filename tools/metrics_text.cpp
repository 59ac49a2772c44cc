// Families one after the other, each with all of its samples, as the format wants it.
#include "tools/metrics_text.hpp"

#include "tools/text.hpp"

#include <array>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string_view>
#include <sys/resource.h>
#include <unistd.h>

namespace uaoe::tools {

namespace {

constexpr std::array<const char*, 5> operation_names{"read", "write", "flush", "discard",
                                                     "write_zeroes"};
constexpr std::array<const char*, 7> lun_states{"up",        "silent",    "down", "waiting",
                                                "attaching", "detaching", "stuck"};
constexpr std::array<initiator::PathState, 5> path_states{
    initiator::PathState::unverified, initiator::PathState::up, initiator::PathState::suspect,
    initiator::PathState::conflict, initiator::PathState::down};

// 16 us to 67 s: what a round trip and a patient request can take.
constexpr std::uint64_t first_bound_us = 1U << 4U;
constexpr std::uint64_t last_bound_us = 1U << 26U;

// What a name brings from the network is made visible first, so that it is UTF-8.
std::string escaped(std::string_view bytes) {
    std::string text;
    for (const char character : visible_text(bytes)) {
        if (character == '\\' || character == '"') {
            text += '\\';
        }
        text += character;
    }
    return text;
}

class Labels {
  public:
    Labels() = default;
    Labels(std::initializer_list<std::pair<std::string_view, std::string_view>> labels) {
        for (const auto& [name, value] : labels) {
            add(name, value);
        }
    }
    [[nodiscard]] Labels with(std::string_view name, std::string_view value) const {
        Labels more = *this;
        more.add(name, value);
        return more;
    }
    [[nodiscard]] std::string text() const { return text_.empty() ? "" : "{" + text_ + "}"; }

  private:
    void add(std::string_view name, std::string_view value) {
        text_ += fmt::format("{}{}=\"{}\"", text_.empty() ? "" : ",", name, escaped(value));
    }
    std::string text_;
};

class Writer {
  public:
    void family(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        fmt::format_to(std::back_inserter(text_), "# HELP {0} {1}\n# TYPE {0} {2}\n", name, help,
                       type);
    }
    template <class Value>
    void sample(const Labels& labels, Value value, std::string_view suffix = {}) {
        fmt::format_to(std::back_inserter(text_), "{}{}{} {}\n", name_, suffix, labels.text(),
                       value);
    }
    void histogram(const Labels& labels, const initiator::LatencyHistogram& histogram);
    [[nodiscard]] std::string take() { return std::move(text_); }

  private:
    std::string name_;
    std::string text_;
};

std::string seconds_of_ns(std::uint64_t ns) {
    constexpr std::uint64_t ns_per_s = 1'000'000'000;
    return fmt::format("{}.{:09}", ns / ns_per_s, ns % ns_per_s);
}

double seconds_of(std::chrono::nanoseconds duration) {
    return std::chrono::duration<double>(duration).count();
}

// Of the engine's buckets every fourth ends at a power of two. Most samples are of these, so their
// labels are put together once.
void Writer::histogram(const Labels& labels, const initiator::LatencyHistogram& histogram) {
    const std::string before = labels.with("le", "").text(); // {...,le=""}
    const std::string_view begin = std::string_view(before).substr(0, before.size() - 2);
    const auto bucket = [&](std::string_view bound, std::uint64_t count) {
        fmt::format_to(std::back_inserter(text_), "{}_bucket{}{}\"}} {}\n", name_, begin, bound,
                       count);
    };
    std::uint64_t count = 0;
    std::uint64_t next_us = first_bound_us;
    for (std::size_t i = 0; i < histogram.counts().size(); ++i) {
        count += histogram.counts()[i];
        if (next_us <= last_bound_us && initiator::LatencyHistogram::upper_bound_us(i) == next_us) {
            constexpr double us_per_s = 1e6;
            bucket(fmt::format("{}", static_cast<double>(next_us) / us_per_s), count);
            next_us *= 2;
        }
    }
    bucket("+Inf", count);
    sample(labels, seconds_of_ns(histogram.sum_ns()), "_sum");
    sample(labels, count, "_count");
}

Labels labels_of(const LunStatus& lun) {
    return {{"lun", proto::to_string(lun.entry.address)}};
}

template <class Visit>
void for_each_shown(const DaemonStatus& status, Visit visit) {
    for (const LunStatus& lun : status.luns) {
        if (lun.show) {
            visit(labels_of(lun), *lun.show);
        }
    }
}

template <class Visit>
void for_each_operation(const DaemonStatus& status, Visit visit) {
    for_each_shown(status, [&](const Labels& labels, const ShowStatus& show) {
        for (std::size_t i = 0; i < operation_names.size(); ++i) {
            visit(labels.with("operation", operation_names[i]), i, show.device.operations[i]);
        }
    });
}

template <class Visit>
void for_each_path(const DaemonStatus& status, Visit visit) {
    for_each_shown(status, [&](const Labels& labels, const ShowStatus& show) {
        for (const auto& path : show.target.paths) {
            const std::string interface = path.port.value < status.interfaces.size()
                                              ? status.interfaces[path.port.value].name
                                              : std::string();
            visit(labels.with("interface", interface)
                      .with("target_mac", proto::to_string(path.target_mac)),
                  path, show);
        }
    });
}

template <class Visit>
void for_each_port(const DaemonStatus& status, Visit visit) {
    for (std::size_t i = 0; i < status.shards.size(); ++i) {
        for (const auto& port : status.shards[i].ports) {
            visit(Labels{{"interface", port.interface}, {"shard", std::to_string(i)}}, port);
        }
    }
}

void write_luns(Writer& out, const DaemonStatus& status) {
    out.family("uaoe_lun_info", "gauge", "What a LUN is; always 1.");
    for (const LunStatus& lun : status.luns) {
        out.sample(labels_of(lun)
                       .with("device", lun.entry.device)
                       .with("frontend", lun.entry.front_end)
                       .with("model", lun.entry.info.identify.model.view())
                       .with("serial", lun.entry.info.identify.serial.view()),
                   1);
    }
    out.family("uaoe_lun_state", "gauge", "1 for the state that a LUN is in, 0 for the others.");
    for (const LunStatus& lun : status.luns) {
        for (const char* const state : lun_states) {
            out.sample(labels_of(lun).with("state", state), lun.entry.state == state ? 1 : 0);
        }
    }
    out.family("uaoe_lun_size_bytes", "gauge", "Size of a LUN; 0 while it is not known.");
    for (const LunStatus& lun : status.luns) {
        out.sample(labels_of(lun), lun.entry.info.sectors.value * lun.entry.info.sector_bytes);
    }
    out.family("uaoe_lun_fail_after_seconds", "gauge",
               "Silence after which requests fail; 0: never.");
    for (const LunStatus& lun : status.luns) {
        out.sample(labels_of(lun), lun.entry.options.fail_after.count());
    }
    out.family("uaoe_lun_requests_pending", "gauge", "Requests of a LUN under way.");
    for_each_shown(status, [&](const Labels& labels, const ShowStatus& show) {
        out.sample(labels, show.device.requests_pending);
    });
    out.family("uaoe_lun_fenced_writes_total", "counter",
               "Writes that had to wait for an earlier one to the same place.");
    for_each_shown(status, [&](const Labels& labels, const ShowStatus& show) {
        out.sample(labels, show.device.fenced_writes);
    });
}

void write_requests(Writer& out, const DaemonStatus& status) {
    out.family("uaoe_lun_requests_total", "counter", "Requests that ended, failed ones too.");
    for_each_operation(status, [&](const Labels& labels, std::size_t, const auto& counters) {
        out.sample(labels, counters.requests);
    });
    out.family("uaoe_lun_request_errors_total", "counter", "Requests that failed.");
    for_each_operation(status, [&](const Labels& labels, std::size_t, const auto& counters) {
        out.sample(labels, counters.errors);
    });
    out.family("uaoe_lun_bytes_total", "counter", "Bytes of requests that did not fail.");
    for_each_operation(status, [&](const Labels& labels, std::size_t, const auto& counters) {
        out.sample(labels, counters.bytes);
    });
    out.family("uaoe_lun_request_duration_seconds", "histogram",
               "From a request to its end, retransmissions and all.");
    constexpr std::size_t always_count = 2; // read and write
    for_each_operation(status, [&](const Labels& labels, std::size_t i, const auto& counters) {
        if (i < always_count || counters.requests > 0) {
            out.histogram(labels, counters.latency);
        }
    });
}

void write_paths(Writer& out, const DaemonStatus& status) {
    const auto each = [&](std::string_view name, std::string_view type, std::string_view help,
                          auto value_of) {
        out.family(name, type, help);
        for_each_path(status, [&](const Labels& labels, const auto& path, const ShowStatus& show) {
            out.sample(labels, value_of(path, show));
        });
    };
    using Path = const initiator::PathStatus&;
    using Show = const ShowStatus&;
    out.family("uaoe_path_state", "gauge", "1 for the state that a path is in, 0 for the others.");
    for_each_path(status, [&](const Labels& labels, Path path, Show) {
        for (const auto state : path_states) {
            out.sample(labels.with("state", path_state_text(state)), path.state == state ? 1 : 0);
        }
    });
    each("uaoe_path_frames_sent_total", "counter", "Frames sent, retransmissions too.",
         [](Path path, Show) { return path.sent; });
    each("uaoe_path_frames_received_total", "counter", "Valid answers.",
         [](Path path, Show) { return path.received; });
    each("uaoe_path_retransmissions_total", "counter", "Frames that were sent again.",
         [](Path path, Show) { return path.retransmitted; });
    each("uaoe_path_spurious_retransmissions_total", "counter",
         "Retransmissions whose earlier copy was answered after all.",
         [](Path path, Show) { return path.spurious; });
    each("uaoe_path_in_flight_frames", "gauge", "Frames that wait for an answer.",
         [](Path path, Show) { return path.in_flight; });
    each("uaoe_path_window_frames", "gauge", "Frames that may wait for an answer at a time.",
         [](Path path, Show) { return path.cwnd; });
    each("uaoe_path_buffers_frames", "gauge", "Frames that the target has room for, as it says.",
         [](Path path, Show) { return path.buffer_count; });
    each("uaoe_path_payload_bytes", "gauge", "Payload that a frame carries.",
         [](Path path, Show show) {
             return std::uint64_t{path.sectors_per_frame} * show.device.info.sector_bytes;
         });
    each("uaoe_path_smoothed_round_trip_seconds", "gauge", "Smoothed round trip, RFC 6298.",
         [](Path path, Show) { return seconds_of(path.srtt); });
    each("uaoe_path_retransmission_timeout_seconds", "gauge",
         "Time without an answer after which a frame is sent again, RFC 6298.",
         [](Path path, Show) { return seconds_of(path.rto); });
    out.family("uaoe_path_round_trip_seconds", "histogram",
               "From a frame with data to its own answer.");
    for_each_path(status, [&](const Labels& labels, Path path, Show) {
        out.histogram(labels, path.round_trips);
    });
}

void write_interfaces(Writer& out, const DaemonStatus& status) {
    const auto each = [&](std::string_view name, std::string_view type, std::string_view help,
                          auto value_of) {
        out.family(name, type, help);
        for_each_port(status, [&](const Labels& labels, const initiator::PortStatus& port) {
            out.sample(labels, value_of(port));
        });
    };
    using Port = const initiator::PortStatus&;
    each("uaoe_interface_up", "gauge", "1 when the interface is up and has a carrier.",
         [](Port port) { return port.up ? 1 : 0; });
    each("uaoe_interface_mtu_bytes", "gauge", "MTU; 0 when there is no such interface.",
         [](Port port) { return port.mtu_bytes; });
    each("uaoe_interface_frames_received_total", "counter", "Frames received.",
         [](Port port) { return port.frames.frames_received; });
    each("uaoe_interface_frames_sent_total", "counter", "Frames sent.",
         [](Port port) { return port.frames.frames_sent; });
    each("uaoe_interface_frames_dropped_total", "counter",
         "Received frames that the kernel dropped because the receive ring was full.",
         [](Port port) { return port.frames.frames_dropped; });
    each("uaoe_interface_frames_too_long_total", "counter",
         "Received frames that were longer than a slot of the receive ring.",
         [](Port port) { return port.frames.frames_cut; });
    each("uaoe_interface_frames_foreign_total", "counter",
         "Received frames of an interface on top of this one, which were ignored.",
         [](Port port) { return port.frames.frames_foreign; });
    each("uaoe_interface_frames_unsendable_total", "counter",
         "Frames that the kernel refused to send.",
         [](Port port) { return port.frames.frames_unsendable; });
}

void write_shards(Writer& out, const DaemonStatus& status) {
    const auto each = [&](std::string_view name, std::string_view type, std::string_view help,
                          auto value_of) {
        out.family(name, type, help);
        for (std::size_t i = 0; i < status.shards.size(); ++i) {
            out.sample({{"shard", std::to_string(i)}}, value_of(status.shards[i]));
        }
    };
    using Shard = const ShardStatus&;
    each("uaoe_shard_targets", "gauge", "Targets that were discovered.",
         [](Shard shard) { return shard.targets_count; });
    each("uaoe_shard_targets_dropped_total", "counter", "Targets that there was no room for.",
         [](Shard shard) { return shard.counters.targets_dropped; });
    each("uaoe_shard_events_dropped_total", "counter", "News that nobody took in time.",
         [](Shard shard) { return shard.counters.events_dropped; });
    each("uaoe_shard_frames_received_total", "counter", "Frames that were looked at.",
         [](Shard shard) { return shard.counters.received; });
    out.family("uaoe_shard_frames_ignored_total", "counter",
               "Frames that were looked at and not used.");
    for (std::size_t i = 0; i < status.shards.size(); ++i) {
        const initiator::EngineCounters& counters = status.shards[i].counters;
        const Labels labels{{"shard", std::to_string(i)}};
        out.sample(labels.with("reason", "malformed"), counters.malformed);
        out.sample(labels.with("reason", "not_for_us"), counters.not_for_us);
        out.sample(labels.with("reason", "unknown_tag"), counters.unknown_tag);
        out.sample(labels.with("reason", "mismatched"), counters.mismatched);
        out.sample(labels.with("reason", "late"), counters.late);
    }
}

// Not the names that Prometheus's libraries give these: with a text file they would be taken for
// those of node_exporter itself.
void write_daemon(Writer& out, const ProcessStatus& process) {
    out.family("uaoe_build_info", "gauge", "The version of uaoed; always 1.");
    out.sample({{"version", UAOE_VERSION}}, 1);
    out.family("uaoe_process_start_time_seconds", "gauge",
               "When uaoed started, of the Unix epoch.");
    out.sample(
        {},
        fmt::format("{:.3f}",
                    std::chrono::duration<double>(process.started_at.time_since_epoch()).count()));
    out.family("uaoe_process_cpu_seconds_total", "counter", "Processor time of uaoed.");
    out.sample({}, seconds_of(process.cpu_time));
    out.family("uaoe_process_resident_memory_bytes", "gauge", "Memory of uaoed.");
    out.sample({}, process.resident_bytes);
    out.family("uaoe_process_open_fds", "gauge", "Descriptors that uaoed has open.");
    out.sample({}, process.descriptors_count);
}

} // namespace

ProcessStatus process_status(std::chrono::system_clock::time_point started_at) {
    ProcessStatus status{.started_at = started_at};
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    for (const timeval& time : {usage.ru_utime, usage.ru_stime}) {
        status.cpu_time +=
            std::chrono::seconds{time.tv_sec} + std::chrono::microseconds{time.tv_usec};
    }
    std::uint64_t pages_count = 0;
    std::ifstream("/proc/self/statm") >> pages_count >>
        pages_count; // the second is what is resident
    status.resident_bytes = pages_count * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    std::error_code failed;
    for (std::filesystem::directory_iterator entry("/proc/self/fd", failed), end;
         !failed && entry != end; entry.increment(failed)) {
        ++status.descriptors_count;
    }
    return status;
}

std::string metrics_text(const DaemonStatus& status, const ProcessStatus& process) {
    Writer out;
    write_daemon(out, process);
    write_shards(out, status);
    write_interfaces(out, status);
    write_luns(out, status);
    write_requests(out, status);
    write_paths(out, status);
    return out.take();
}

} // namespace uaoe::tools
