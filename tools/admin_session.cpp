// A session for administrative questions.
#include "tools/admin_session.hpp"

#include "initiator/linux/clock.hpp"
#include "tools/target_wait.hpp"

#include <algorithm>

namespace uaoe::tools {

using namespace std::chrono_literals;

namespace {

Error ask_error(initiator::AskError error, proto::Address address) {
    const std::string name = proto::to_string(address);
    switch (error) {
    case initiator::AskError::no_such_target:
        break;
    case initiator::AskError::no_path:
        return {.what = "cannot ask " + name,
                .why = "no path to it is up",
                .what_to_do = "check the interfaces and the network"};
    case initiator::AskError::too_large:
        return {.what = "cannot ask " + name,
                .why = "the question does not fit into a frame of the interface's MTU",
                .what_to_do = "raise the MTU (`ip link set IF mtu 1500`), or say less at once"};
    }
    return {.what = "cannot ask " + name,
            .why = "it is not there any more",
            .what_to_do = "check the target",
            .exit_code = ExitCode::no_such_target};
}

} // namespace

std::expected<AdminSession, Error> AdminSession::open(const AdminOptions& options,
                                                      bool needs_disk) {
    initiator::EngineConfig config;
    config.discover_interval = initiator::Duration::zero();
    // A target that never answers IDENTIFY can be administered all the same.
    config.identify_timeout =
        std::clamp<initiator::Duration>(options.wait * 6 / 10, 300ms, config.identify_timeout);
    auto session = open_session(options.interfaces, config);
    if (!session) {
        return std::unexpected(session.error());
    }
    const auto found =
        wait_for_target(*session, options.address, needs_disk ? WaitGoal::ready : WaitGoal::judged,
                        options.wait, wait_patience, {});
    if (!found) {
        return std::unexpected(found.error());
    }
    if (const auto conflict = conflict_error(**found, session->interfaces)) {
        return std::unexpected(*conflict);
    }
    return AdminSession(std::move(*session), **found, options.wait);
}

std::expected<initiator::AdminAnswer, Error> AdminSession::ask(initiator::AdminQuestion question) {
    initiator::Shard& shard = *session_.shard;
    const auto asked = shard.engine().ask(initiator::clock_now(), std::move(question));
    if (!asked) {
        return std::unexpected(ask_error(asked.error(), status_.address));
    }
    std::optional<initiator::AdminAnswer> answer; // silence is one: it comes in any case
    while (!answer) {
        shard.run_until(
            [&] {
                answer = answer ? std::move(answer) : shard.engine().poll_answer();
                return answer.has_value();
            },
            1s);
    }
    return std::move(*answer);
}

Administered AdminSession::target() {
    return {.address = status_.address,
            .patience = patience_,
            .damages_mask_lists = damages_mask_lists(status_.identify),
            .has_smart_off = status_.identify.smart_supported && !status_.identify.smart_enabled,
            .ask = [this](initiator::AdminQuestion question) { return ask(std::move(question)); }};
}

MacList AdminSession::own_macs() const {
    MacList macs;
    for (const initiator::PathStatus& path : status_.paths) {
        if (path.port.value < session_.interfaces.size() &&
            path.state != initiator::PathState::down) {
            const proto::MacAddress& mac = session_.interfaces[path.port.value].mac;
            if (std::ranges::find(macs, mac) == macs.end()) {
                macs.push_back(mac);
            }
        }
    }
    return macs;
}

} // namespace uaoe::tools
