// The steps of a LUN that block, each on a worker, and what follows from how they ended: opening,
// taking over, ending.
#include "tools/daemon/lun_table.hpp"

#include "tools/event_text.hpp"
#include "tools/leftovers.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <exception>
#include <fmt/format.h>
#include <type_traits>
#include <utility>

namespace uaoe::tools {

using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

// A configured LUN that could not be opened is tried again then.
constexpr std::chrono::seconds retry_time = 5s;

bool names_lun(const std::string& text, proto::Address address) {
    const std::string name = proto::to_string(address);
    const std::size_t at = text.find(name);
    return at != std::string::npos && (at == 0 || text[at - 1] == ' ') &&
           text.find_first_of("0123456789.", at + name.size()) != at + name.size();
}

// The system may have no thread and no memory for one LUN; the others go on.
template <class Task>
std::invoke_result_t<Task&> guarded(Task task) {
    try {
        return task();
    } catch (const std::exception& error) {
        return std::unexpected(Error{.what = "cannot go on with a LUN",
                                     .why = error.what(),
                                     .what_to_do = "check free memory and the limit on threads"});
    }
}

} // namespace

void LunTable::work(std::function<std::function<void()>()> task) {
    ++working_count_;
    asio::post(workers_, [this, task = std::move(task)] {
        asio::post(environment_.context, [this, finish = task()] {
            finish();
            --working_count_;
            if (leaving_) {
                continue_leaving();
            }
        });
    });
}

void LunTable::begin_to_open(proto::Address address, Entry& entry) {
    using Opened = std::expected<std::unique_ptr<Lun>, Error>;
    entry.phase = Phase::opening;
    work([this, address, host = entry.host, request = entry.request, wait = entry.wait]() mutable {
        request.wait = std::clamp<std::chrono::seconds>(wait, 2s, 30s);
        auto opened = std::make_shared<Opened>(guarded([&]() -> Opened {
            auto lock = LunLock::take(address);
            return lock ? Lun::open(environment_, *host, std::move(*lock), std::move(request))
                        : std::unexpected(std::move(lock.error()));
        }));
        return [this, address, opened] { handle_opened(address, std::move(*opened)); };
    });
}

void LunTable::begin_to_recover(Entry& entry) {
    using Recovered = std::expected<std::unique_ptr<Lun>, Error>;
    entry.phase = Phase::opening;
    work([this, state = *entry.left, host = entry.host] {
        auto recovered = std::make_shared<Recovered>(guarded([&]() -> Recovered {
            auto lock = LunLock::take(state.address);
            return lock ? Lun::recover(environment_, *host, std::move(*lock), state)
                        : std::unexpected(std::move(lock.error()));
        }));
        const bool gone = !*recovered && !device_is_left(environment_.ublk, state);
        if (gone) {
            forget_left(*environment_.store, state);
        }
        return [this, address = state.address, gone, recovered] {
            if (gone) {
                entries_.at(address).left.reset();
            }
            handle_opened(address, std::move(*recovered));
        };
    });
}

void LunTable::handle_opened(proto::Address address,
                             std::expected<std::unique_ptr<Lun>, Error> opened) {
    Entry& entry = entries_.at(address);
    if (!opened || *opened == nullptr) {
        fail_entry(address, entry,
                   opened ? Error{.what = "cannot attach " + proto::to_string(address),
                                  .why = "uaoed is ending",
                                  .what_to_do = "try again"}
                          : opened.error());
        return;
    }
    entry.lun = std::move(*opened);
    entry.phase = Phase::attached;
    entry.left.reset();
    entry.last_failure.clear();
    entry.asker_is_gone = {}; // it holds the asker's connection, and there are few of those
    environment_.report({.level = LogLevel::notice,
                         .kind = LogKind::attachment,
                         .text = "attached as " + entry.lun->name(),
                         .address = address,
                         .event = "attached",
                         .device = entry.lun->name()});
    on_event(address, [&] {
        return attached_json(std::chrono::system_clock::now(), address, entry.lun->name(),
                             front_end_text(entry.lun->state().options.front_end));
    });
    update_target(entry); // of ports that came up meanwhile
    if (const Reply reply = std::exchange(entry.reply, {})) {
        reply(json_string(entry.lun->name()));
    }
}

// Somebody who asked is told. What is configured or left is tried again, and why not is told once.
void LunTable::fail_entry(proto::Address address, Entry& entry, const Error& error) {
    const Reply reply = std::exchange(entry.reply, {});
    entry.asker_is_gone = {};
    if (!entry.configured && !entry.left) {
        if (!reply) {
            report_failure(address, error, "it is given up");
        }
        erase(address);
    } else {
        if (std::exchange(entry.last_failure, error.line()) != error.line() && !reply) {
            report_failure(address, error, "it is tried again");
        }
        wait_again(entry);
    }
    if (reply) {
        reply(std::unexpected(error));
    }
    look_for_waiting();
}

void LunTable::report_failure(proto::Address address, const Error& error,
                              std::string_view what_then) const {
    LogLine line = failure_line(error, LogKind::attachment, what_then);
    line.address = address;
    line.names_lun = names_lun(line.text, address);
    environment_.report(line);
}

void LunTable::wait_again(Entry& entry) {
    entry.phase = Phase::waiting;
    entry.deadline.reset();
    entry.usable_since.reset();
    entry.not_before = Clock::now() + retry_time;
    if (entry.configured) {
        entry.request = *entry.configured; // whoever asked meanwhile may have wanted it otherwise
    }
}

void LunTable::update_target(const Entry& entry) {
    work([lun = entry.lun]() -> std::function<void()> {
        lun->update_target();
        return [] {};
    });
}

void LunTable::detach(const DetachRequest& request, Reply reply) {
    const auto found = find(request.target);
    if (found == entries_.end()) {
        reply(std::unexpected(no_such_lun(request.target)));
        return;
    }
    const proto::Address address = found->first;
    Entry& entry = found->second;
    if (entry.phase == Phase::waiting) {
        detach_waiting(address, entry, request, reply);
        return;
    }
    if (entry.phase != Phase::attached) {
        reply(std::unexpected(Error{.what = "cannot detach " + proto::to_string(address),
                                    .why = entry.phase == Phase::opening
                                               ? "it is being attached at this moment"
                                               : "it is being detached already",
                                    .what_to_do = "try again in a moment"}));
        return;
    }
    entry.phase = Phase::closing;
    work([this, address, lun = entry.lun, request, reply = std::move(reply)] {
        auto closed = guarded([&] { return lun->close(request.force); });
        return [this, address, closed = std::move(closed), keep = request.keep, reply] {
            handle_closed(address, closed, keep, reply);
        };
    });
}

void LunTable::detach_waiting(proto::Address address, Entry& entry, const DetachRequest& request,
                              const Reply& reply) {
    const auto finish = [this, address, reply,
                         persistent = entry.request.persistent && !request.keep] {
        if (const Reply waiting = std::exchange(entries_.at(address).reply, {})) {
            waiting(std::unexpected(Error{.what = "cannot attach " + proto::to_string(address),
                                          .why = "somebody detached it meanwhile",
                                          .what_to_do = {}}));
        }
        erase(address);
        answer_detached(address, proto::to_string(address), persistent, reply);
    };
    if (!entry.left) {
        finish();
        return;
    }
    if (!request.force && !kernel_name(*entry.left).empty()) {
        reply(std::unexpected(
            Error{.what = "cannot detach " + proto::to_string(address),
                  .why = "its device is left from an earlier uaoed and could not be taken over: " +
                         entry.last_failure,
                  .what_to_do = "mend that; or --force, and I/O that waits on it fails"}));
        return;
    }
    entry.phase = Phase::closing;
    work([this, address, state = *entry.left, reply, finish] {
        auto gone = guarded([&] { return discard_device(environment_.ublk, state); });
        if (gone) {
            forget_left(*environment_.store, state);
        }
        return [this, address, gone = std::move(gone), reply, finish] {
            if (gone) {
                finish();
            } else {
                wait_again(entries_.at(address));
                reply(std::unexpected(gone.error()));
                look_for_waiting();
            }
        };
    });
}

void LunTable::handle_closed(proto::Address address, const std::expected<void, Error>& closed,
                             bool keep, const Reply& reply) {
    Entry& entry = entries_.at(address);
    if (!closed) {
        entry.phase = Phase::attached;
        reply(std::unexpected(closed.error()));
        return;
    }
    const std::string name = entry.lun->name();
    const bool persistent = !keep && (entry.request.persistent || entry.lun->state().persistent);
    erase(address);
    environment_.report({.level = LogLevel::notice,
                         .kind = LogKind::attachment,
                         .text = "detached from " + name,
                         .address = address,
                         .event = "detached",
                         .device = name});
    on_event(address,
             [&] { return detached_json(std::chrono::system_clock::now(), address, name); });
    answer_detached(address, name, persistent, reply);
}

void LunTable::answer_detached(proto::Address address, const std::string& name, bool persistent,
                               const Reply& reply) {
    if (auto forgotten = on_detached(address, persistent); !forgotten) {
        forgotten.error().what =
            proto::to_string(address) +
            " is detached, but comes back at the next start: " + forgotten.error().what;
        reply(std::unexpected(std::move(forgotten.error())));
    } else {
        reply(json_string(name));
    }
}

} // namespace uaoe::tools
