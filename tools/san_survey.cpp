// Asking, waiting, probing.
#include "tools/san_survey.hpp"

#include "tools/frame_exchange.hpp"
#include "tools/output.hpp"
#include "tools/progress.hpp"
#include "tools/session.hpp"
#include "tools/target_wait.hpp"
#include "tools/text.hpp"

#include "initiator/linux/clock.hpp"
#include "initiator/linux/port_monitor.hpp"
#include "proto/ata.hpp"
#include "proto/identify.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <optional>
#include <span>

namespace uaoe::tools {

using namespace std::chrono_literals;

namespace {

// Targets whose paths are proved at the same time: more would be a burst that nobody holds.
constexpr std::size_t batch_count = 64;
// A search for the largest frame that passes takes up to a dozen timeouts.
constexpr initiator::Duration proof_time_max = 20s;
constexpr initiator::Duration step = 50ms;

class Survey {
  public:
    Survey(Session& session, const CheckOptions& options) : session_(session), options_(options) {
        if (!options.is_quiet) {
            progress_.emplace("checking on " + list_text(session.interface_names()), std::nullopt);
        }
    }

    std::expected<SanReport, Error> run();

  private:
    void find_interfaces_state();
    void await_identification();
    void prove(std::span<const initiator::TargetStatus> targets);
    void prove_batch(std::span<const proto::Address> addresses, const std::string& state);
    [[nodiscard]] bool is_proven(proto::Address address) const;
    void add(const initiator::TargetStatus& target);
    void ask_conflicting(proto::Address address, CheckedPath& path);
    void say(const std::function<std::string()>& state) {
        if (progress_) {
            progress_->update(state);
        }
    }
    // Runs until `done`, which is looked at now and then, or for `time_max`, and says `state`.
    void run_until(const std::function<bool()>& done, initiator::Duration time_max,
                   const std::function<std::string()>& state);

    Session& session_;
    const CheckOptions& options_;
    SanReport report_;
    std::map<proto::Address, initiator::TargetStatus> proven_; // as they were then
    std::optional<Progress> progress_;
};

void Survey::find_interfaces_state() {
    const auto names = session_.interface_names();
    const auto monitor = initiator::PortMonitor::open(names);
    for (std::size_t i = 0; i < names.size(); ++i) {
        CheckedInterface interface{.name = names[i], .is_named = !options_.interfaces.empty()};
        if (monitor && (*monitor)->state(i)) {
            interface.is_up = (*monitor)->state(i)->port.up;
            interface.mtu_bytes = (*monitor)->state(i)->port.mtu_bytes;
        }
        report_.interfaces.push_back(std::move(interface));
    }
}

void Survey::run_until(const std::function<bool()>& done, initiator::Duration time_max,
                       const std::function<std::string()>& state) {
    const initiator::Time end = initiator::clock_now() + time_max;
    while (!done()) {
        const initiator::Time now = initiator::clock_now();
        if (now >= end) {
            return;
        }
        say(state);
        session_.shard->run_until([] { return false; }, std::min(step, end - now));
    }
}

void Survey::await_identification() {
    constexpr initiator::Duration time_max = 15s;
    const auto count_asked = [this] {
        const auto targets = session_.shard->engine().targets();
        return std::ranges::count_if(targets, [](const auto& target) {
            return target.state == initiator::TargetState::identifying ||
                   std::ranges::any_of(target.paths, &initiator::PathStatus::is_identifying);
        });
    };
    run_until([&] { return count_asked() == 0; }, time_max,
              [&] {
                  return fmt::format("{}, {} asked for their disks", targets_text(session_),
                                     count_asked());
              });
}

bool Survey::is_proven(proto::Address address) const {
    const auto target = session_.shard->engine().target(address);
    return !target || std::ranges::all_of(target->paths, [](const initiator::PathStatus& path) {
        return path.state != initiator::PathState::up || path.is_payload_proven;
    });
}

// To the engine, a LUN that is attached; it probes the paths of those by itself, with Query Config
// and READ.
void Survey::prove_batch(std::span<const proto::Address> addresses, const std::string& state) {
    std::vector<initiator::Device*> devices;
    for (const proto::Address address : addresses) {
        if (const auto device = session_.shard->attach(address, {.read_only = true})) {
            devices.push_back(*device);
        }
    }
    run_until(
        [&] {
            return std::ranges::all_of(addresses, [&](auto address) { return is_proven(address); });
        },
        proof_time_max, [&] { return state; });
    for (const proto::Address address : addresses) {
        if (auto target = session_.shard->engine().target(address)) {
            proven_.insert_or_assign(address, std::move(*target));
        }
    }
    for (initiator::Device* const device : devices) {
        session_.shard->detach(*device);
    }
}

void Survey::prove(std::span<const initiator::TargetStatus> targets) {
    std::vector<proto::Address> addresses;
    for (const initiator::TargetStatus& target : targets) {
        if (is_usable(target)) {
            addresses.push_back(target.address);
        }
    }
    for (std::size_t at = 0; at < addresses.size(); at += batch_count) {
        prove_batch(std::span(addresses).subspan(at, std::min(batch_count, addresses.size() - at)),
                    fmt::format("proving what the paths carry: {} of {} targets done", at,
                                addresses.size()));
    }
}

// The engine keeps what the disk that it knows said; the other one is asked here.
void Survey::ask_conflicting(proto::Address address, CheckedPath& path) {
    auto exchange = FrameExchange::open(report_.interfaces[path.interface_index].name);
    if (!exchange) {
        return;
    }
    constexpr int tries_max = 3;
    for (int i = 0; i < tries_max && path.other_serial.empty(); ++i) {
        const proto::FrameHeader header{.destination = path.target_mac,
                                        .source = exchange->mac(),
                                        .address = address,
                                        .tag = exchange->tag_of(static_cast<std::uint32_t>(i))};
        exchange->send([&](proto::Bytes out) {
            return proto::write_ata(
                out, header,
                {.sector_count = 1,
                 .command_status = static_cast<std::uint8_t>(proto::AtaCommand::identify_device)});
        });
        exchange->receive(header.tag, initiator::clock_now() + 300ms,
                          [&](const proto::Frame& frame, auto) {
                              const auto ata = proto::parse_ata(frame.argument);
                              if (frame.source != path.target_mac || frame.is_error || !ata) {
                                  return false;
                              }
                              if (const auto identify = proto::parse_identify(ata->data)) {
                                  path.other_serial = identify->serial.view();
                              }
                              return true;
                          });
    }
}

void Survey::add(const initiator::TargetStatus& target) {
    const bool is_ready = target.state == initiator::TargetState::ready;
    const std::uint32_t sector_bytes = is_ready ? target.identify.logical_sector_bytes : 512;
    CheckedTarget checked{.address = target.address,
                          .state = target.state,
                          .model = std::string(target.identify.model.view()),
                          .serial = std::string(target.identify.serial.view()),
                          .paths = {}};
    for (const initiator::PathStatus& path : target.paths) {
        const CheckedInterface& interface = report_.interfaces.at(path.port.value);
        CheckedPath one{
            .interface_index = path.port.value,
            .target_mac = path.target_mac,
            .state = path.state,
            .payload_bytes = path.sectors_per_frame * sector_bytes,
            .mtu_payload_bytes =
                proto::sectors_per_frame_of_mtu(interface.mtu_bytes, sector_bytes) * sector_bytes,
            .advertised_bytes = path.sectors_advertised * 512 / sector_bytes * sector_bytes,
            .is_proven = path.is_payload_proven,
            .buffer_count = path.buffer_count};
        if (path.state == initiator::PathState::conflict) {
            ask_conflicting(target.address, one);
        }
        checked.paths.push_back(std::move(one));
    }
    report_.targets.push_back(std::move(checked));
}

std::expected<SanReport, Error> Survey::run() {
    find_interfaces_state();
    search(session_, options_.wait, [this] {
        say([this] { return "looking for targets: " + targets_text(session_); });
        return false;
    });
    await_identification();
    std::vector<initiator::TargetStatus> targets;
    if (options_.address) {
        report_.is_whole = false;
        const auto target = session_.shard->engine().target(*options_.address);
        if (!target) {
            return std::unexpected(absent_error(
                *options_.address, session_.interface_names(),
                {.target = std::nullopt, .others_count = session_.shard->engine().targets_count()},
                options_.wait));
        }
        targets.push_back(*target);
    } else {
        targets = session_.shard->engine().targets();
    }
    prove(targets);
    for (const initiator::TargetStatus& target : targets) {
        const auto proven = proven_.find(target.address);
        add(proven == proven_.end() ? target : proven->second);
    }
    if (progress_) {
        progress_->clear();
    }
    return std::move(report_);
}

} // namespace

std::expected<SanReport, Error> survey_san(const CheckOptions& options) {
    initiator::EngineConfig config;
    config.discover_interval = initiator::Duration::zero();
    config.identify_timeout =
        std::clamp<initiator::Duration>(options.wait * 6 / 10, 300ms, config.identify_timeout);
    auto session = open_session(
        options.interfaces, config,
        {.ring_slots_count = serve_slots_count, .interfaces_up = initiator::InterfacesUp::none});
    if (!session) {
        return std::unexpected(session.error());
    }
    if (options.interfaces.empty() && !options.is_quiet) {
        report("looking on " + list_text(session->interface_names()));
    }
    return Survey(*session, options).run();
}

} // namespace uaoe::tools
