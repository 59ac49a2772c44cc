// `uaoe attach`, `detach`, `list`, `show`, `events` and `metrics`: ask the daemon, print what it
// says.
#include "tools/aoetools_text.hpp"
#include "tools/commands.hpp"
#include "tools/control_client.hpp"
#include "tools/daemon_text.hpp"
#include "tools/event_text.hpp"
#include "tools/interrupt.hpp"
#include "tools/output.hpp"
#include "tools/progress.hpp"
#include "tools/text.hpp"

#include <algorithm>
#include <optional>
#include <string>

namespace uaoe::tools {

using namespace std::chrono_literals;

namespace {

// Over what the daemon itself may take: opening and ending a device is bounded by a minute.
constexpr std::chrono::seconds answer_time_max = 120s;

CommandResult print(std::string_view text) {
    if (auto written = write_output(text); !written) {
        return std::unexpected(std::move(written.error()));
    }
    return ExitCode::done;
}

// `text`: what was made of an answer of the daemon's; none, or nothing: it was no answer.
CommandResult print_answer(const std::optional<std::string>& text) {
    if (!text || text->empty()) {
        return std::unexpected(not_understood());
    }
    return print(*text);
}

} // namespace

CommandResult run_attach(const AttachOptions& options) {
    const proto::Address address = options.request.address;
    Progress progress("attaching " + proto::to_string(address), options.request.wait);
    // Over a connection of its own.
    const auto state = [&] {
        const auto list = ask_daemon(options.control_path, ListRequest{}, 2s);
        return list ? waiting_text(*list, address) : std::string();
    };
    const auto reply = ask_daemon(options.control_path, options.request,
                                  answer_time_max + options.request.wait, [&] {
                                      progress.update(state);
                                      return false;
                                  });
    progress.clear();
    if (!reply) {
        return std::unexpected(reply.error());
    }
    const auto device = string_of_json(*reply);
    return print_answer(device && !device->empty() ? std::optional(*device + "\n") : std::nullopt);
}

CommandResult run_detach(const DetachOptions& options) {
    Progress progress("detaching " + visible_text(options.request.target), std::nullopt);
    const auto reply = ask_daemon(options.control_path, options.request, answer_time_max, [&] {
        progress.update([] { return "requests under way get their time to end"; });
        return false;
    });
    progress.clear();
    if (!reply) {
        return std::unexpected(reply.error());
    }
    return ExitCode::done;
}

CommandResult run_list(const ListOptions& options) {
    const auto reply = ask_daemon(options.control_path, ListRequest{}, answer_time_max);
    if (!reply) {
        return std::unexpected(reply.error());
    }
    if (options.aoe_stat) {
        const auto lines = aoe_stat_text(*reply);
        return lines ? print(*lines) : std::unexpected(not_understood());
    }
    return print_answer(options.json ? list_lines(*reply) : list_table(*reply, output_columns()));
}

CommandResult run_show(const ShowOptions& options) {
    const auto reply =
        ask_daemon(options.control_path, ShowRequest{.target = options.target}, answer_time_max);
    if (!reply) {
        return std::unexpected(reply.error());
    }
    const std::string text = show_text(*reply, output_columns());
    return print_answer(options.json && !text.empty() ? *reply + "\n" : text);
}

// A line leaves at once; one that cannot be written ends it.
CommandResult run_events(const EventsOptions& options) {
    const InterruptGuard guard;
    std::expected<void, Error> written;
    const auto followed = follow_daemon(
        options.control_path, EventsRequest{.address = options.address}, answer_time_max,
        [&](std::string_view line) {
            written = write_output((options.json ? std::string(line) : event_text(line)) + "\n");
            return written.has_value();
        },
        InterruptGuard::interrupted);
    if (InterruptGuard::interrupted()) {
        return ExitCode::done;
    }
    if (!written || !followed) {
        return std::unexpected(written ? followed.error() : written.error());
    }
    return ExitCode::done;
}

CommandResult run_metrics(const MetricsOptions& options) {
    const auto reply = ask_daemon(options.control_path, MetricsRequest{}, answer_time_max);
    if (!reply) {
        return std::unexpected(reply.error());
    }
    return print_answer(string_of_json(*reply));
}

} // namespace uaoe::tools
