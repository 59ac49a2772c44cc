// A load on a SAN of known limits, and what comes of it.
#include "tests/sim/goodput.hpp"

#include "proto/frame.hpp"

#include <algorithm>

namespace uaoe::sim {

using initiator::Request;

namespace {

constexpr proto::Address address{1, 0};
constexpr std::uint64_t sector_bytes = 512;
constexpr std::uint64_t disk_sectors = 1ULL << 31U; // never written twice in one run

target::LunConfig make_lun(const GoodputOptions& options) {
    target::LunConfig lun;
    lun.address = address;
    lun.identify.serial = {{'S'}, 1};
    lun.identify.sectors = {disk_sectors};
    lun.identify.lba48 = true;
    lun.buffer_count = options.buffer_count;
    return lun;
}

double seconds(Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

} // namespace

GoodputScene::GoodputScene(const GoodputOptions& options)
    : world(1, options.config), options_(options), model_(make_lun(options), storage_),
      buffer_(options.request_bytes) {
    world.keeps_books = false;
    for (std::uint32_t i = 0; i < options.paths_count; ++i) {
        const bool is_last = i + 1 == options.paths_count;
        const Wire wire{.bits_per_second =
                            options.bits_per_second / (is_last ? options.last_slower_by : 1),
                        .queue_bytes_max = options.queue_bytes_max};
        Segment segment;
        segment.latency = options.round_trip / 2;
        segment.jitter = options.jitter;
        segment.to_targets = segment.to_ports = wire;
        world.add_port(mtu_bytes, segment);
        world.add_host({.segment = {i},
                        .mac = {{2, 0, 0, 1, 0, static_cast<std::uint8_t>(i)}},
                        .mtu_bytes = mtu_bytes,
                        .lun = &model_,
                        .buffer_count = options.buffer_count,
                        .service_min = service,
                        .service_max = service});
    }
    attach();
    for (Segment& segment : world.segments) {
        segment.faults.loss = options.loss;
    }
    const std::uint32_t depth =
        options.depth > 0 ? options.depth : options.paths_count * options.buffer_count;
    for (std::uint32_t i = 0; i < depth; ++i) {
        submit(requests_.emplace_back());
    }
    ended_at_ = world.events.now();
    world.pump();
}

GoodputScene::~GoodputScene() {
    world.kill_engine(); // it must not keep requests
}

void GoodputScene::attach() {
    world.handle_completion = [this](Request& request) { handle_completion(request); };
    world.engine->discover(world.events.now());
    world.pump();
    const auto are_all_up = [&] {
        const auto target = world.engine->target(address);
        return target && target->paths.size() == options_.paths_count &&
               std::ranges::all_of(target->paths, [](const auto& path) {
                   return path.state == initiator::PathState::up;
               });
    };
    if (!world.run_while_not(are_all_up, 1s)) {
        throw Violation("the target was not found on all paths");
    }
    const auto device = world.engine->attach(world.events.now(), address, {});
    if (!device) {
        throw Violation("attach failed");
    }
    device_ = *device;
}

void GoodputScene::submit(TimedRequest& request) {
    const std::uint64_t sectors = options_.request_bytes / sector_bytes;
    if (options_.is_random) {
        lba_next_ = world.random.between(0, disk_sectors / sectors - 1) * sectors;
    }
    request.operation = options_.operation;
    request.lba = {lba_next_};
    request.sectors = {sectors};
    request.buffer = buffer_;
    request.submitted_at = world.events.now();
    lba_next_ = (lba_next_ + sectors) % disk_sectors;
    world.engine->submit(world.events.now(), device_, request);
}

void GoodputScene::handle_completion(Request& completed) {
    auto& request = static_cast<TimedRequest&>(completed);
    const Time now = world.events.now();
    const bool is_good = request.status == initiator::Status::ok;
    done_.gap_max = std::max(done_.gap_max, now - ended_at_);
    done_.latency_max = std::max(done_.latency_max, now - request.submitted_at);
    done_.bytes += is_good ? request.buffer.size() : 0;
    done_.failed += is_good ? 0 : 1;
    ++done_.requests;
    ended_at_ = now;
    submit(request);
}

Goodput GoodputScene::total() const {
    Goodput total = done_;
    for (std::uint32_t port = 0; port < options_.paths_count; ++port) {
        const initiator::PathStatus status = path(port);
        total.sent += status.sent;
        total.retransmitted += status.retransmitted;
        total.spurious += status.spurious;
    }
    return total;
}

Goodput GoodputScene::measure(const Span& span) {
    const Goodput before = total();
    const Time begin = world.events.now();
    done_.gap_max = done_.latency_max = {};
    ended_at_ = begin;
    const std::uint64_t bytes_wanted = before.bytes + span.commands_count * payload_bytes;
    const auto is_done = [&] {
        const Duration passed = world.events.now() - begin;
        return passed >= span.min && done_.bytes >= bytes_wanted;
    };
    if (span.commands_count == 0) {
        world.run_until(begin + span.max);
    } else {
        world.run_while_not(is_done, span.max);
    }
    const Time end = world.events.now();
    Goodput result = total();
    result.bytes -= before.bytes;
    result.requests -= before.requests;
    result.failed -= before.failed;
    result.sent -= before.sent;
    result.retransmitted -= before.retransmitted;
    result.spurious -= before.spurious;
    result.duration = end - begin;
    result.gap_max = std::max(result.gap_max, end - ended_at_);
    return result;
}

initiator::PathStatus GoodputScene::path(std::uint32_t port) const {
    const auto target = world.engine->target(address);
    return *std::ranges::find(target->paths, initiator::PortIndex{port},
                              &initiator::PathStatus::port);
}

void GoodputScene::kill_path(std::uint32_t port) {
    world.segments[port].faults.loss = 1;
}

double goodput_limit(const GoodputOptions& options) {
    const double payload = static_cast<double>(
        std::min(GoodputScene::payload_bytes, options.request_bytes)); // of a frame
    const double frame_bits =
        8 *
        (payload + static_cast<double>(proto::ata_frame_header_bytes + ethernet_overhead_bytes));
    const double frame_seconds = options.bits_per_second == 0
                                     ? 0
                                     : frame_bits / static_cast<double>(options.bits_per_second);
    const double target = payload / seconds(GoodputScene::service);
    const double window = options.buffer_count * payload /
                          (seconds(options.round_trip + GoodputScene::service) + frame_seconds);
    const double wire = frame_seconds == 0 ? target : payload / frame_seconds;
    return options.paths_count * std::min({target, window, wire});
}

} // namespace uaoe::sim
