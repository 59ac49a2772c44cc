// How uaoed starts: its configuration, its sockets, its shards.
#include "tools/daemon/daemon_state.hpp"

#include "tools/daemon/chosen_interfaces.hpp"
#include "tools/process_setup.hpp"
#include "tools/whole_file.hpp"

#include <grp.h>

namespace uaoe::tools {

std::expected<void, Error> Daemon::State::open_shards() {
    const std::vector<Interface> interfaces = find_interfaces(interfaces_wanted());
    if (interfaces.empty()) {
        say(LogLevel::warning, "no Ethernet interface is up; each is used once it is");
    }
    for (std::uint32_t i = 0; i < config_.shards_count; ++i) {
        auto session = open_session(interfaces, {},
                                    {.ring_slots_count = serve_slots_count,
                                     .interfaces_up = initiator::InterfacesUp::later,
                                     .link = config_.link,
                                     .busy_poll = config_.busy_poll});
        if (!session) {
            return std::unexpected(std::move(session.error()));
        }
        if (i == 0) {
            for (const Error& down : session->shard->interfaces_down()) {
                write_log(failure_line(down, LogKind::process, "it is used once it is up"));
            }
        }
        for (const Error& replaced : session->shard->links_replaced()) {
            write_log(failure_line(replaced, LogKind::process, {}));
        }
        auto host =
            ShardHost::make(context_, std::move(*session), config_.buffer_mib << 20U,
                            {.report = write_log, .event = [this](const initiator::Event& event) {
                                 table_.handle_event(event);
                             }});
        if (!host) {
            return std::unexpected(std::move(host.error()));
        }
        hosts_.push_back(std::move(*host));
    }
    return {};
}

void Daemon::State::listen(blockdev::UnixListener listener, const ControlServer::Access& access) {
    server_.emplace(context_, std::move(listener), access,
                    [this](const ControlRequest& request, ControlServer::Reply reply,
                           ControlServer::IsGone is_gone) {
                        handle(request, std::move(reply), std::move(is_gone));
                    });
}

void Daemon::State::serve_metrics(MetricsListener listener) {
    metrics_server_.emplace(context_, std::move(listener),
                            [this](MetricsServer::Done done) { collect_metrics(std::move(done)); });
}

namespace {

constexpr const char* control_group_default = "uaoe";

// The name is in the configuration, or is one that packages make and other installations need not.
// Without the group that is named uaoed starts all the same: devices may wait for it.
ControlServer::Access control_access(const DaemonConfig& config) {
    ControlServer::Access access{.group = std::nullopt,
                                 .group_may_change = config.control_group_changes};
    const std::string name = config.control_group.value_or(control_group_default);
    if (const group* const found = name.empty() ? nullptr : getgrnam(name.c_str())) {
        access.group = found->gr_gid;
    } else if (config.control_group && !name.empty()) {
        write_log(failure_line({.what = "cannot open the control socket to group " + name,
                                .why = "there is no such group",
                                .what_to_do = "`groupadd --system " + name +
                                              "` makes it; mend control_group otherwise"},
                               LogKind::process, "it is root's alone until the next start"));
    }
    return access;
}

// Nothing when it is not configured, or cannot be had: devices matter more, and are served all the
// same.
std::optional<MetricsListener> open_metrics(const DaemonConfig& config,
                                            std::optional<gid_t> group) {
    if (!config.metrics_listen) {
        return std::nullopt;
    }
    auto listener = MetricsListener::open(*config.metrics_listen, group);
    if (!listener) {
        write_log(failure_line(listener.error(), LogKind::process,
                               "they are served nowhere until a reload finds that mended"));
        return std::nullopt;
    }
    return std::optional<MetricsListener>(std::move(*listener));
}

std::string remembered_path(const std::string& folder) {
    return folder + "/config-in-use.toml";
}

// A configuration that is broken may not keep devices waiting that a predecessor left. Nothing when
// there are none, or nothing to take them over with.
std::optional<DaemonConfig> read_remembered(const StateStore& store, const std::string& folder) {
    std::vector<Error> ignored;
    if (store.read_all(ignored).empty()) {
        return std::nullopt;
    }
    auto config = read_config(remembered_path(folder), true);
    return config ? std::optional(std::move(*config)) : std::nullopt;
}

} // namespace

void Daemon::State::remember(const DaemonConfig& config, const std::string& folder) {
    static_cast<void>(
        write_whole_file(remembered_path(folder), config_text(config), FileSync::none));
}

std::expected<std::unique_ptr<Daemon>, Error> Daemon::make(DaemonOptions options) {
    const std::filesystem::path folder = std::filesystem::path(options.control_path).parent_path();
    auto store = StateStore::open((folder / "luns").string());
    if (!store) {
        return std::unexpected(std::move(store.error()));
    }
    auto config = read_config(options.config_path, options.config_required);
    if (!config) {
        auto before = read_remembered(*store, folder.string());
        if (!before) {
            return std::unexpected(std::move(config.error()));
        }
        write_log(failure_line(config.error(), LogKind::process,
                               "what is attached is taken over with the interfaces of before"));
        config = std::move(*before);
    } else {
        if (const auto chosen = chosen_interfaces(folder.string())) {
            config->interfaces = *chosen;
            options.interfaces.clear();
        }
        State::remember(*config, folder.string());
    }
    // First, because it is what tells two daemons apart.
    const ControlServer::Access access = control_access(*config);
    auto listener = ControlServer::bind(options.control_path, access);
    if (!listener) {
        return std::unexpected(std::move(listener.error()));
    }
    auto metrics = open_metrics(*config, access.group);
    give_up_privileges();
    auto state = std::make_unique<State>(std::move(options), std::move(*config), std::move(*store));
    state->set_metrics_group(access.group);
    if (metrics) {
        state->serve_metrics(std::move(*metrics));
    }
    state->listen(std::move(*listener), access);
    if (auto opened = state->open_shards(); !opened) {
        return std::unexpected(std::move(opened.error()));
    }
    return std::unique_ptr<Daemon>(new Daemon(std::move(state)));
}

} // namespace uaoe::tools
