// What uaoed is asked on its control socket, and for metrics.
#include "tools/daemon/daemon_state.hpp"

#include "tools/daemon/chosen_interfaces.hpp"
#include "tools/daemon/service_notice.hpp"
#include "tools/metrics_text.hpp"

#include <boost/asio/post.hpp>
#include <variant>

namespace uaoe::tools {

void Daemon::State::collect_metrics(std::function<void(std::string)> done) {
    table_.gather([this, done = std::move(done)](const DaemonStatus& status) {
        done(metrics_text(status, process_status(started_at_)));
    });
}

void Daemon::State::handle(const ControlRequest& request, ControlServer::Reply reply,
                           ControlServer::IsGone is_gone) {
    if (ending_) {
        reply(std::unexpected(Error{.what = "uaoed is ending",
                                    .why = {},
                                    .what_to_do = "try again when it runs",
                                    .exit_code = ExitCode::daemon_unreachable}));
    } else if (const auto* const attach = std::get_if<AttachRequest>(&request)) {
        handle_attach(*attach, reply, std::move(is_gone));
    } else if (const auto* const detach = std::get_if<DetachRequest>(&request)) {
        table_.detach(*detach, std::move(reply));
    } else if (const auto* const show = std::get_if<ShowRequest>(&request)) {
        table_.show(show->target, reply);
    } else if (std::holds_alternative<AttachAllRequest>(request)) {
        handle_attach_all(reply);
    } else if (const auto* const revalidate = std::get_if<RevalidateRequest>(&request)) {
        table_.revalidate(revalidate->target, reply);
    } else if (const auto* const interfaces = std::get_if<InterfacesRequest>(&request)) {
        handle_interfaces(*interfaces, reply);
    } else if (std::holds_alternative<MetricsRequest>(request)) {
        collect_metrics([reply](const std::string& text) { reply(json_string(text)); });
    } else if (std::holds_alternative<StatusRequest>(request)) {
        table_.gather([this, reply](DaemonStatus status) {
            status.uptime = std::chrono::steady_clock::now() - up_since_;
            reply(status_json(status));
        });
    } else {
        table_.list(std::move(reply));
    }
}

void Daemon::State::handle_attach(const AttachRequest& request, const ControlServer::Reply& reply,
                                  ControlServer::IsGone is_gone) {
    const auto configured = config_.luns.find(request.address);
    LunOptions options = configured != config_.luns.end() ? configured->second : config_.defaults;
    if (request.front_end != FrontEndKind::automatic) {
        options.front_end = request.front_end;
    }
    options.fail_after = request.fail_after.value_or(options.fail_after);
    options.read_only = request.read_only.value_or(options.read_only);
    options.in_order = request.in_order.value_or(options.in_order);
    const proto::Address address = request.address;
    const bool persist = request.persist;
    table_.attach(
        {.address = address,
         .options = options,
         .nbd_index = request.nbd_index,
         .socket_path = {},
         .persistent = persist || configured != config_.luns.end()},
        request.wait,
        [this, address, options, persist, reply](const ControlReply& attached) {
            if (!attached || !persist) {
                reply(attached);
                return;
            }
            auto written = write_drop_in(options_.config_path, address, options);
            if (written) {
                reply(attached);
            } else {
                written.error().what =
                    proto::to_string(address) +
                    " is attached, but not for the next start: " + written.error().what;
                reply(std::unexpected(written.error()));
            }
        },
        std::move(is_gone));
}

void Daemon::State::handle_attach_all(const ControlServer::Reply& reply) {
    table_.sight_targets([this, reply](const std::vector<initiator::TargetStatus>& targets) {
        struct Gathering {
            AttachedAll answer;
            std::size_t awaited_count = 1; // this function
        };
        const auto gathering = std::make_shared<Gathering>();
        const auto finish = [gathering, reply] {
            if (--gathering->awaited_count == 0) {
                reply(attached_all_json(gathering->answer));
            }
        };
        for (const initiator::TargetStatus& target : targets) {
            if (ending_ || table_.has(target.address)) {
                continue; // one that waits gets its target by itself
            }
            if (!is_usable(target)) {
                const Error why =
                    absent_error(target.address, names_of(hosts_.front()->interfaces()),
                                 {.target = target}, AttachRequest{}.wait);
                gathering->answer.failures.push_back(why.line());
                continue;
            }
            ++gathering->awaited_count;
            handle_attach({.address = target.address},
                          [gathering, finish](const ControlReply& attached) {
                              if (attached) {
                                  ++gathering->answer.attached_count;
                              } else {
                                  gathering->answer.failures.push_back(attached.error().line());
                              }
                              finish();
                          },
                          {});
        }
        finish();
    });
}

// Interfaces cannot be changed under a running shard. A restart keeps devices running, and I/O
// waits for a moment.
void Daemon::State::handle_interfaces(const InterfacesRequest& request,
                                      const ControlServer::Reply& reply) {
    InterfacesAnswer answer{.interfaces = interfaces_wanted()};
    if (!request.wanted) {
        reply(interfaces_json(answer));
        return;
    }
    answer.interfaces = *request.wanted;
    if (auto chosen = choose_interfaces(control_folder(), *request.wanted); !chosen) {
        reply(std::unexpected(chosen.error()));
        return;
    }
    answer.restarts = is_managed_service();
    reply(interfaces_json(answer));
    if (answer.restarts) {
        say(LogLevel::notice,
            "other interfaces have been asked for; restarts, devices wait for it");
        boost::asio::post(context_, [this] { end(); });
    }
}

std::expected<void, Error> Daemon::State::handle_detached(proto::Address address,
                                                          bool persistent) const {
    return persistent ? remove_drop_in(options_.config_path, address)
                      : std::expected<void, Error>{};
}

} // namespace uaoe::tools
