// Opening a shard for a command, and looking for targets with it.
#include "tools/session.hpp"

#include "initiator/linux/clock.hpp"
#include "initiator/tag.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace uaoe::tools {

using namespace std::chrono_literals;

std::expected<ShardNumber, Error> ShardNumber::claim() {
    const int claimed = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (claimed < 0) {
        return std::unexpected(Error{.what = "cannot make a socket",
                                     .why = std::strerror(errno),
                                     .what_to_do = "check the limit on open files (`ulimit -n`)"});
    }
    // Not the first one that is free: after a restart that would be the predecessor's, whose
    // answers may still be under way.
    const auto first =
        static_cast<std::uint64_t>(initiator::clock_now().time_since_epoch().count()) >> 10U;
    for (std::uint64_t i = 0; i < initiator::tag_shards_max; ++i) {
        const auto value = static_cast<std::uint8_t>((first + i) % initiator::tag_shards_max);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string name = "uaoe-shard-" + std::to_string(value);
        // An abstract name begins with a zero byte and ends where the length says.
        std::ranges::copy(name, address.sun_path + 1);
        const auto length =
            static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
        const void* untyped = &address;
        if (bind(claimed, static_cast<const sockaddr*>(untyped), length) == 0) {
            return ShardNumber(claimed, value);
        }
    }
    close(claimed);
    return std::unexpected(
        Error{.what = "cannot start",
              .why = std::to_string(initiator::tag_shards_max) +
                     " uaoe programs run in this network namespace already",
              .what_to_do = "end one of them (`ss -xa | grep uaoe-shard` shows them)"});
}

ShardNumber::ShardNumber(ShardNumber&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), value_(other.value_) {}

ShardNumber::~ShardNumber() {
    if (socket_ >= 0) {
        close(socket_);
    }
}

std::expected<Session, Error> open_session(const std::vector<std::string>& interface_names,
                                           initiator::EngineConfig engine,
                                           const SessionOptions& options) {
    std::vector<Interface> interfaces = find_interfaces(interface_names);
    if (interfaces.empty()) {
        return std::unexpected(Error{.what = "no interface to look on",
                                     .why = "no Ethernet interface is up",
                                     .what_to_do = "`ip link set IF up`, or name one with -i IF"});
    }
    SessionOptions of_these = options;
    if (interface_names.empty()) {
        of_these.interfaces_up = initiator::InterfacesUp::none;
    }
    return open_session(std::move(interfaces), engine, of_these);
}

std::expected<Session, Error> open_session(std::vector<Interface> interfaces,
                                           initiator::EngineConfig engine,
                                           const SessionOptions& options) {
    auto number = ShardNumber::claim();
    if (!number) {
        return std::unexpected(number.error());
    }
    engine.shard_index = number->value();
    engine.ports_count_max =
        std::max(engine.ports_count_max, static_cast<std::uint32_t>(interfaces.size()));
    auto shard = initiator::Shard::open({.engine = engine,
                                         .interfaces = names_of(interfaces),
                                         .interfaces_up = options.interfaces_up,
                                         .link = options.link,
                                         .ring_slots_count = options.ring_slots_count,
                                         .busy_poll = options.busy_poll});
    if (!shard) {
        return std::unexpected(shard.error());
    }
    return Session{.interfaces = std::move(interfaces),
                   .number = std::move(*number),
                   .shard = std::move(*shard)};
}

bool search(Session& session, initiator::Duration wait, const std::function<bool()>& finished) {
    constexpr initiator::Duration step = 50ms;
    constexpr initiator::Duration interval_first = 200ms;
    constexpr initiator::Duration interval_max = 1s;
    const initiator::Time end = initiator::clock_now() + wait;
    initiator::Time broadcast_next = initiator::clock_now();
    initiator::Duration interval = interval_first;
    bool changed = false;
    session.shard->set_event_handler([&](const initiator::Event&) { changed = true; });
    bool found = false;
    while (!(found = finished())) {
        const initiator::Time now = initiator::clock_now();
        if (now >= end) {
            break;
        }
        if (now >= broadcast_next) {
            session.shard->discover();
            broadcast_next = now + interval;
            interval = std::min(interval * 2, interval_max);
        }
        changed = false;
        session.shard->run_until([&] { return changed; }, std::min(step, end - now));
    }
    session.shard->set_event_handler({});
    return found;
}

std::string targets_text(const Session& session) {
    const std::size_t count = session.shard->engine().targets_count();
    return count == 1 ? "1 target" : std::to_string(count) + " targets";
}

} // namespace uaoe::tools
