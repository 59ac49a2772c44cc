// Which LUN is in which phase, and what comes next.
#include "tools/daemon/lun_table.hpp"

#include "tools/event_text.hpp"
#include "tools/text.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace uaoe::tools {

using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

constexpr std::size_t workers_count = 16;
// How soon it is looked whether a target has come: every look costs its shard something.
constexpr std::chrono::milliseconds look_interval_first = 100ms;
constexpr std::chrono::milliseconds look_interval_max = 1s;
// After the target is ready, for further paths to be heard of.
constexpr std::chrono::milliseconds settle_time = 150ms;
// Broadcasts while somebody waits: soon at first, because any frame may be lost.
constexpr std::chrono::milliseconds discover_interval_first = 200ms;
constexpr std::chrono::milliseconds discover_interval_max = 10s;

// "/dev/etherd/e1.0", "/dev/ublkb0", "ublkb0", "e1.0", "1.0" -> the last part
std::string last_part(const std::string& target) {
    return target.substr(target.find_last_of('/') + 1);
}

} // namespace

Error LunTable::no_such_lun(const std::string& target) {
    return {.what = visible_text(target) + " is not attached",
            .why = "this uaoed has no such LUN and no such device",
            .what_to_do = "`uaoe list` shows what it has",
            .exit_code = ExitCode::no_such_target};
}

LunTable::LunTable(const LunEnvironment& environment, Hosts& hosts, std::string socket_folder)
    : environment_(environment), hosts_(hosts), socket_folder_(std::move(socket_folder)),
      look_timer_(environment.context), workers_(workers_count) {}

LunTable::~LunTable() {
    workers_.join();
}

ShardHost& LunTable::choose_host() {
    return **std::ranges::min_element(hosts_, {},
                                      [](const auto& host) { return host->luns_count; });
}

std::size_t LunTable::attached_count() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        entries_, [](const auto& entry) { return entry.second.lun != nullptr; }));
}

void LunTable::attach(LunRequest request, std::optional<std::chrono::seconds> wait, Reply reply,
                      std::function<bool()> is_gone) {
    const proto::Address address = request.address;
    const auto found = entries_.find(address);
    // Whoever asks for a configured LUN that has not come yet waits for it with us.
    if (found != entries_.end() &&
        (found->second.phase != Phase::waiting || found->second.reply || found->second.left)) {
        reply(std::unexpected(Error{.what = "cannot attach " + proto::to_string(address),
                                    .why = found->second.lun ? "it is attached already, as " +
                                                                   found->second.lun->name()
                                                             : "it is being attached already",
                                    .what_to_do = "use that, or `uaoe detach` it first"}));
        return;
    }
    Entry& entry = entries_[address];
    if (entry.host == nullptr) {
        entry.host = &choose_host();
        ++entry.host->luns_count;
    }
    if (request.options.front_end == FrontEndKind::socket) {
        request.socket_path = socket_folder_ + "/" + proto::to_string(address) + ".nbd";
    }
    if (!wait) {
        entry.configured = request;
    }
    entry.request = std::move(request);
    entry.reply = std::move(reply);
    entry.asker_is_gone = std::move(is_gone);
    entry.wait = wait.value_or(10s);
    entry.not_before = {};
    if (wait) {
        entry.deadline = Clock::now() + *wait;
    }
    discover_interval_ = discover_interval_first;
    look_interval_ = look_interval_first;
    discover_now();
    look_for_waiting();
}

void LunTable::set_configured(const std::map<proto::Address, LunOptions>& luns) {
    for (auto next = entries_.begin(); next != entries_.end();) {
        const auto& [address, entry] = *next++;
        if (entry.configured && entry.phase == Phase::waiting && !entry.left && !entry.reply) {
            erase(address);
        }
    }
    for (const auto& [address, options] : luns) {
        LunRequest request{.address = address,
                           .options = options,
                           .nbd_index = std::nullopt,
                           .socket_path = {},
                           .persistent = true};
        if (const auto found = entries_.find(address); found != entries_.end()) {
            found->second.configured = std::move(request); // attached, or left, or on its way
        } else {
            attach(std::move(request), std::nullopt, {});
        }
    }
}

void LunTable::recover(const LunState& state) {
    Entry& entry = entries_[state.address];
    entry.host = &choose_host();
    ++entry.host->luns_count;
    entry.wait = 10s;
    entry.request = {.address = state.address,
                     .options = state.options,
                     .nbd_index = std::nullopt,
                     .socket_path = state.socket_path,
                     .persistent = state.persistent};
    entry.left = state;
    begin_to_recover(entry);
}

void LunTable::discover_now() {
    discover_next_ = Clock::now() + discover_interval_;
    discover_interval_ = std::min<Clock::duration>(discover_interval_ * 2, discover_interval_max);
    for (const auto& host : hosts_) {
        host->shard().post([host = host.get()] { host->shard().discover(); });
    }
}

// As long as somebody waits.
void LunTable::look_for_waiting() {
    if (looking_ || leaving_) {
        return;
    }
    std::map<ShardHost*, std::vector<proto::Address>> wanted;
    for (auto& [address, entry] : entries_) {
        if (entry.phase != Phase::waiting || entry.not_before > Clock::now()) {
            continue;
        }
        if (entry.left) {
            begin_to_recover(entry);
        } else {
            wanted[entry.host].push_back(address);
        }
    }
    for (auto& [host, addresses] : wanted) {
        look_on(*host, std::move(addresses));
    }
    const bool any_waits = std::ranges::any_of(
        entries_, [](const auto& entry) { return entry.second.phase == Phase::waiting; });
    if (!any_waits) {
        return;
    }
    if (Clock::now() >= discover_next_) {
        discover_now();
    }
    looking_ = true;
    look_timer_.expires_after(look_interval_);
    look_interval_ =
        std::min<Clock::duration>(look_interval_ + look_interval_first / 10, look_interval_max);
    look_timer_.async_wait([this](const boost::system::error_code& cancelled) {
        looking_ = false;
        if (!cancelled) {
            look_for_waiting();
        }
    });
}

void LunTable::look_on(ShardHost& host, std::vector<proto::Address> addresses) {
    host.shard().post([this, &host, addresses = std::move(addresses)] {
        initiator::Engine& engine = host.shard().engine();
        std::vector<Sighting> sightings;
        for (const proto::Address address : addresses) {
            Sighting sighting{.target = engine.target(address)};
            if (!sighting.target) {
                sighting.others_count = engine.targets_count();
            }
            sightings.push_back(std::move(sighting));
        }
        asio::post(environment_.context, [this, addresses, sightings = std::move(sightings)] {
            for (std::size_t i = 0; i < addresses.size(); ++i) {
                handle_sighting(addresses[i], sightings[i]);
            }
        });
    });
}

void LunTable::handle_sighting(proto::Address address, const Sighting& sighting) {
    const auto found = entries_.find(address);
    if (found == entries_.end() || found->second.phase != Phase::waiting || leaving_) {
        return;
    }
    Entry& entry = found->second;
    const auto now = Clock::now();
    entry.missing = missing_text(sighting);
    if (entry.reply && entry.asker_is_gone && entry.asker_is_gone()) {
        fail_entry(address, entry,
                   Error{.what = "nobody waits for it", .why = {}, .what_to_do = {}});
        return;
    }
    if (is_usable(sighting.target)) {
        entry.usable_since = entry.usable_since.value_or(now);
        if (now - *entry.usable_since >= settle_time && !is_being_checked(*sighting.target)) {
            begin_to_open(address, entry);
            return;
        }
    } else {
        entry.usable_since.reset();
    }
    if (entry.deadline && now >= *entry.deadline && !entry.usable_since) {
        fail_entry(address, entry,
                   absent_error(address, names_of(entry.host->interfaces()), sighting, entry.wait));
    }
}

void LunTable::erase(proto::Address address) {
    const auto found = entries_.find(address);
    --found->second.host->luns_count;
    entries_.erase(found);
}

std::map<proto::Address, LunTable::Entry>::iterator LunTable::find(const std::string& target) {
    const std::string name = last_part(target);
    if (const auto address = proto::parse_address(name)) {
        return entries_.find(*address);
    }
    return std::ranges::find_if(entries_, [&](const auto& entry) {
        return entry.second.lun && last_part(entry.second.lun->name()) == name;
    });
}

void LunTable::handle_event(const initiator::Event& event) {
    const auto found = entries_.find(event.address);
    if (found == entries_.end()) {
        return;
    }
    Entry& entry = found->second;
    if (entry.phase != Phase::waiting) {
        on_event(event.address, [&] {
            return event_json(std::chrono::system_clock::now(), event, entry.host->interfaces());
        });
    }
    // A successor has to know what it is by then, or it takes the disk for another.
    const bool is_news = event.kind == initiator::EventKind::capacity_changed ||
                         (event.kind == initiator::EventKind::path_changed &&
                          event.path_state == initiator::PathState::up);
    if (is_news && entry.phase == Phase::attached && !leaving_) {
        update_target(entry);
    }
}

void LunTable::leave_all(std::function<void()> done) {
    leaving_ = std::move(done);
    look_timer_.cancel();
    for (auto& [address, entry] : entries_) {
        if (const Reply reply =
                entry.phase == Phase::waiting ? std::exchange(entry.reply, {}) : Reply()) {
            reply(std::unexpected(Error{.what = "cannot attach " + proto::to_string(address),
                                        .why = "uaoed is ending",
                                        .what_to_do = "try again when it runs"}));
        }
    }
    continue_leaving();
}

void LunTable::continue_leaving() {
    if (working_count_ > 0) {
        return; // opening or ending something
    }
    if (std::exchange(left_, true)) {
        leaving_();
        return;
    }
    for (auto& [address, entry] : entries_) {
        if (entry.lun && entry.lun->is_usable()) {
            work([lun = entry.lun]() -> std::function<void()> {
                lun->leave();
                return [] {};
            });
        }
    }
    if (working_count_ == 0) {
        leaving_();
    }
}

} // namespace uaoe::tools
