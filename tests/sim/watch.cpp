// Books on commands, kept from frames.
#include "tests/sim/watch.hpp"

#include "initiator/command.hpp"
#include "initiator/request_state.hpp"
#include "tests/sim/oracle.hpp"

#include <algorithm>

namespace uaoe::sim {

using initiator::Operation;
using initiator::Request;
using initiator::split_tag;

namespace {

std::string seconds(Duration duration) {
    return std::to_string(std::chrono::duration<double>(duration).count()) + " s";
}

bool is_data_or_flush(Asks asks) {
    return asks != Asks::identify && asks != Asks::other;
}

bool is_transfer(Asks asks) {
    return asks == Asks::read || asks == Asks::write;
}

bool serves(const Question& question, const Request& request) {
    if (question.asks == Asks::flush) {
        return request.operation == Operation::flush || request.fua;
    }
    const Operation operation = request.operation;
    const bool fits = question.asks == Asks::read ? operation == Operation::read
                      : question.asks == Asks::write
                          ? operation == Operation::write || operation == Operation::write_zeroes
                      : question.asks == Asks::discard ? operation == Operation::discard
                                                       : false;
    return fits &&
           initiator::overlaps({question.lba}, {question.sectors}, request.lba, request.sectors);
}

} // namespace

Question question_of(const proto::Frame& request) {
    const auto ata = proto::parse_ata(request.argument);
    if (request.command != proto::Command::ata || !ata) {
        return {};
    }
    constexpr std::uint64_t lba28_mask = 0x0fff'ffff;
    using enum proto::AtaCommand;
    switch (static_cast<proto::AtaCommand>(ata->command_status)) {
    case read_sectors:
        return {Asks::read, ata->lba.value & lba28_mask, ata->sector_count};
    case read_sectors_ext:
        return {Asks::read, ata->lba.value, ata->sector_count};
    case write_sectors:
        return {Asks::write, ata->lba.value & lba28_mask, ata->sector_count};
    case write_sectors_ext:
        return {Asks::write, ata->lba.value, ata->sector_count};
    case data_set_management: {
        // The first range is enough to tell one discard from another.
        std::uint64_t entry = 0;
        for (std::size_t i = 0; i < 8; ++i) {
            entry |= std::to_integer<std::uint64_t>(ata->data[i]) << (8 * i);
        }
        return {Asks::discard, entry & 0xffff'ffff'ffffULL,
                static_cast<std::uint32_t>(entry >> 48U)};
    }
    case flush_cache:
    case flush_cache_ext:
        return {Asks::flush, 0, 0};
    case identify_device:
        return {Asks::identify, 0, 0};
    default:
        return {};
    }
}

void Watch::handle_sent(Time now, const proto::Frame& request) {
    const Question question = question_of(request);
    if (question.asks == Asks::other) {
        // One that has no path is asked for by broadcasts.
        if (request.destination.is_multicast() && !request.address.is_broadcast()) {
            luns_[request.address].was_asked = true;
        }
        return;
    }
    WatchedLun& lun = luns_[request.address];
    lun.was_asked = true;
    const std::size_t slot = split_tag(request.tag).slot;
    commands_.resize(std::max(commands_.size(), slot + 1));
    WatchedCommand& command = commands_[slot];
    const bool is_again =
        !command.copies.empty() && !command.is_answered && command.address == request.address &&
        command.question.asks == question.asks && command.question.lba == question.lba;
    std::uint64_t end = command.question.lba + command.question.sectors;
    if (!is_again) {
        // Its slot is used again before the request has ended that it was given up for.
        if (!command.copies.empty() && !command.is_answered) {
            handle_failing(command);
            luns_[command.address].unanswered.push_back(command);
            luns_[command.address].unanswered.back().answered_at = now;
        }
        command = {};
        command.address = request.address;
        command.first_sent_at = now;
        end = 0;
        const auto tail = lun.tails.find({question.asks, question.lba});
        if (tail != lun.tails.end()) {
            command.first_sent_at = tail->second.first_sent_at;
            end = tail->second.end;
            lun.tails.erase(tail);
        }
    }
    if (question.lba + question.sectors < end) {
        lun.tails[{question.asks, question.lba + question.sectors}] = {
            .first_sent_at = command.first_sent_at, .end = end};
    }
    if (command.is_given_up || command.may_be_done) {
        command.begun_anew_at = now;
        command.is_given_up = false;
        command.may_be_done = false;
    }
    command.question = question;
    command.is_probe = question.asks == Asks::read && question.lba == 0;
    command.copies.push_back({.tag = request.tag.value,
                              .sent_at = now,
                              .order = ++order_last_,
                              .port_mac = request.source,
                              .target_mac = request.destination});
}

bool WatchedCommand::is_of_before(std::uint32_t tag) const {
    const auto copy = std::ranges::find(copies, tag, &WatchedCopy::tag);
    return begun_anew_at && copy->sent_at < *begun_anew_at;
}

// The command that has a copy with this tag.
WatchedCommand* Watch::find(std::uint32_t tag) {
    const std::size_t slot = split_tag({tag}).slot;
    if (slot >= commands_.size()) {
        return nullptr;
    }
    const auto& copies = commands_[slot].copies;
    return std::ranges::find(copies, tag, &WatchedCopy::tag) != copies.end() ? &commands_[slot]
                                                                             : nullptr;
}

// False: that copy is answered or forgotten already. The first answer to a copy overtakes what was
// sent before it on its path, whichever copy of its command it is (initiator/loss_detector.hpp). Of
// a read that is done the engine knows no copy any more, and of others the newest.
bool Watch::handle_copy_answered(WatchedCommand& command, std::uint32_t tag) {
    const Asks asks = command.question.asks;
    const auto copy = std::ranges::find(command.copies, tag, &WatchedCopy::tag);
    constexpr auto known_max = static_cast<std::ptrdiff_t>(initiator::Command::transmissions_max);
    if (command.copies.end() - copy > known_max) {
        return true;
    }
    if (copy->is_answered) {
        return false;
    }
    copy->is_answered = true;
    if (is_transfer(asks) && !(command.is_answered && asks == Asks::read)) {
        std::uint64_t& newest =
            answered_up_to_[{{command.address, copy->target_mac}, copy->port_mac}];
        newest = std::max(newest, copy->order);
    }
    return true;
}

// The command may have failed, and its request with it.
void Watch::handle_failing(const WatchedCommand& command) {
    const Time begun_at = command.begun_anew_at.value_or(command.first_sent_at);
    for (WatchedRequest& pending : luns_[command.address].pending) {
        if (begun_at >= pending.submitted_at && serves(command.question, *pending.request)) {
            pending.may_have_failed = true;
        }
    }
}

// It is not sent again when it is lost, but given up.
bool Watch::is_out_of_time(Time now, const WatchedCommand& command) const {
    const Duration fail_after = luns_.at(command.address).fail_after;
    return fail_after > Duration::zero() && now - command.first_sent_at >= fail_after;
}

// The engine may not wait any more for an answer to the copy with that tag.
bool Watch::may_be_given_up(Time now, const WatchedCommand& command, std::uint32_t tag) const {
    // A probe ends with the trust in its path.
    if (command.is_probe || command.is_given_up || command.is_of_before(tag) ||
        is_out_of_time(now, command)) {
        return true;
    }
    const auto may_have_failed = [&](const WatchedRequest& pending) {
        return pending.may_have_failed ||
               std::ranges::any_of(commands_, [&](const WatchedCommand& other) {
                   return other.is_of(command.address) && !other.is_answered &&
                          is_out_of_time(now, other) && serves(other.question, *pending.request);
               });
    };
    return std::ranges::any_of(luns_.at(command.address).pending, [&](const auto& pending) {
        return serves(command.question, *pending.request) && may_have_failed(pending);
    });
}

void Watch::handle_answer(Time now, initiator::PortIndex port, const proto::Frame& answer,
                          bool is_right_disk) {
    if (answer.command != proto::Command::ata) {
        return;
    }
    const auto ata = proto::parse_ata(answer.argument);
    const bool is_failure =
        answer.is_error || !ata || (ata->command_status & proto::ata_status_error) != 0;
    const bool is_good = !is_failure && is_right_disk;
    WatchedCommand* const found = find(answer.tag.value);
    if (is_good || (found != nullptr && found->question.asks != Asks::identify)) {
        luns_[answer.address].heard_at = now;
    }
    if (found == nullptr) {
        return;
    }
    WatchedCommand& command = *found;
    WatchedLun& lun = luns_[command.address];
    if (!handle_copy_answered(command, answer.tag.value) || command.is_answered) {
        return;
    }
    // Of a command that the engine may have given up no answer is surely heard.
    const bool is_waited_for = !may_be_given_up(now, command, answer.tag.value);
    if (is_waited_for) {
        heard_[{port, {answer.address, answer.source}}] = now;
    }
    if (is_failure || is_out_of_time(now, command)) {
        handle_failing(command);
    }
    if (is_data_or_flush(command.question.asks) &&
        untrusted_.contains({port, {answer.address, answer.source}})) {
        // A sign of life, and no more.
        if (is_waited_for) {
            lun.silent_since = lun.pending.empty() ? std::nullopt : std::optional(now);
        }
        return;
    }
    if (command.is_of_before(answer.tag.value)) {
        command.may_be_done = true;
        return;
    }
    command.is_answered = true;
    command.answered_at = now;
    if (!is_data_or_flush(command.question.asks) || command.is_given_up || command.is_probe) {
        return;
    }
    lun.progress_at = now;
    if (!is_waited_for) {
        return;
    }
    lun.silent_since = lun.pending.empty() ? std::nullopt : std::optional(now);
    lun.was_asked =
        lun.fail_after > Duration::zero() && std::ranges::any_of(commands_, [&](const auto& other) {
            return other.is_of(command.address) && !other.is_answered;
        });
}

void Watch::handle_short(std::uint32_t tag) {
    if (WatchedCommand* const command = find(tag)) {
        handle_copy_answered(*command, tag);
        handle_failing(*command);
        command->may_be_done = true;
    }
}

void Watch::forget_commands(proto::Address address) {
    for (WatchedCommand& command : commands_) {
        if (command.is_of(address)) {
            command = {};
        }
    }
    luns_[address].tails.clear();
    luns_[address].unanswered.clear();
}

void Watch::handle_event(Time now, const initiator::Event& event) {
    if (event.kind == initiator::EventKind::path_changed) {
        if (event.path_state != initiator::PathState::up) {
            taken_out_[{event.address, event.target_mac}] = now;
        }
        const std::pair path{event.port, PathKey{event.address, event.target_mac}};
        if (event.path_state == initiator::PathState::conflict ||
            event.path_state == initiator::PathState::unverified) {
            untrusted_.insert(path);
        } else {
            untrusted_.erase(path);
        }
        auto& conflicts = luns_[event.address].conflicts;
        if (event.path_state == initiator::PathState::conflict) {
            conflicts.insert({event.port, event.target_mac});
        } else {
            conflicts.erase({event.port, event.target_mac});
        }
        return;
    }
    if (event.kind != initiator::EventKind::device_changed) {
        return;
    }
    WatchedLun& lun = luns_[event.address];
    const bool is_down = event.device_state == initiator::DeviceState::down;
    if (is_down) {
        forget_commands(event.address); // all of them have failed
    } else if (lun.is_down && event.device_state == initiator::DeviceState::up) {
        lun.silent_since = lun.pending.empty() ? std::nullopt : std::optional(now);
        lun.was_asked = false;
        lun.heard_at = now;
    }
    if (event.device_state == initiator::DeviceState::up) {
        lun.no_path_since.reset();
    } else if (!lun.no_path_since) {
        lun.no_path_since = now;
    }
    lun.is_down = is_down || (lun.is_down && event.device_state != initiator::DeviceState::up);
}

void Watch::handle_submit(Time now, proto::Address address, const Request& request) {
    WatchedLun& lun = luns_[address];
    lun.pending.push_back({.request = &request, .submitted_at = now});
    if (!lun.silent_since) {
        lun.silent_since = now;
        lun.was_asked = false;
    }
    if (lun.pending.size() == 1) {
        lun.unanswered.clear();
        lun.heard_at = std::max(lun.heard_at, now);
        lun.progress_at = std::max(lun.progress_at, now);
    }
}

void Watch::handle_complete(proto::Address address, const Request& request) {
    WatchedLun& lun = luns_[address];
    std::erase_if(lun.pending, [&](const auto& pending) { return pending.request == &request; });
    if (request.status == initiator::Status::ok) {
        return;
    }
    // Commands that were given up with it: an answer that still comes is no sign of life.
    for (WatchedCommand& command : commands_) {
        if (command.is_of(address) && !command.is_answered && serves(command.question, request)) {
            command.is_given_up = true;
        }
    }
}

const WatchedCommand* Watch::find_newest(std::uint32_t tag) const {
    const std::size_t slot = split_tag({tag}).slot;
    return slot < commands_.size() && !commands_[slot].copies.empty() &&
                   commands_[slot].copies.back().tag == tag
               ? &commands_[slot]
               : nullptr;
}

bool Watch::is_overtaken(const WatchedCommand& command) const {
    const WatchedCopy& newest = command.copies.back();
    const auto found =
        answered_up_to_.find({{command.address, newest.target_mac}, newest.port_mac});
    return found != answered_up_to_.end() && newest.order < found->second;
}

void Watch::handle_port(Time now, bool went_down) {
    ports_down_count_ += went_down ? 1U : 0U;
    ports_down_count_ -= went_down ? 0U : 1U;
    port_up_at_ = now;
}

void Watch::handle_restart() {
    commands_.clear();
    taken_out_.clear();
    untrusted_.clear();
    heard_.clear();
    for (auto& [address, lun] : luns_) {
        lun.pending.clear();
        lun.silent_since.reset();
        lun.was_asked = false;
        lun.is_down = false;
        lun.no_path_since.reset();
        lun.conflicts.clear();
        lun.tails.clear();
        lun.unanswered.clear();
    }
}

// Nothing can be asked over a port that is down, or of a path where another disk answers.
bool Watch::had_no_path(const WatchedLun& lun) const {
    return ports_down_count_ > 0 || port_up_at_ >= lun.silent_since || !lun.conflicts.empty();
}

std::string Watch::judge_timeout(Time now, proto::Address address, const Request& request,
                                 Time submitted_at) const {
    const WatchedLun& lun = luns_.at(address);
    if (lun.fail_after == Duration::zero()) {
        return "it timed out although it was to wait for ever";
    }
    std::optional<Time> begin; // of the silence that excuses it
    const auto excuse = [&](const WatchedCommand& command, Time until) {
        if (!command.is_of(address) || !serves(command.question, request)) {
            return;
        }
        for (const Time begun_at :
             {command.first_sent_at, command.begun_anew_at.value_or(command.first_sent_at)}) {
            if (begun_at >= submitted_at && until - begun_at >= lun.fail_after) {
                begin = std::min(begin.value_or(now), begun_at);
            }
        }
    };
    for (const WatchedCommand& command : commands_) {
        // It may have been answered after all, while others of the request were waited for.
        excuse(command, command.is_answered ? command.answered_at : now);
    }
    for (const WatchedCommand& command : lun.unanswered) {
        excuse(command, command.answered_at);
    }
    if (!begin) {
        const Duration silence = lun.silent_since ? now - *lun.silent_since : Duration::zero();
        if (silence < lun.fail_after) {
            return "it timed out after a silence of " + seconds(silence) + " where " +
                   seconds(lun.fail_after) + " are granted";
        }
        if (!lun.was_asked && !had_no_path(lun)) {
            return "it timed out although nothing was asked for " + seconds(silence);
        }
        begin = lun.silent_since;
    }
    if (settled_at_ && *begin > *settled_at_ && !lun.is_slow) {
        return "it timed out although nothing was wrong for " + seconds(now - *settled_at_);
    }
    return {};
}

void Watch::check_fail_after(Time now, Duration slack) const {
    for (const auto& [address, lun] : luns_) {
        const Duration silence_max = lun.fail_after + slack;
        if (lun.fail_after == Duration::zero() || lun.pending.empty() ||
            now - lun.heard_at <= silence_max) {
            continue; // the rest takes its time
        }
        // Writes that wait for a fence ask for nothing: while a path is up, nothing is owed to
        // them.
        std::optional<Time> owed_since = lun.no_path_since;
        for (const WatchedCommand& command : commands_) {
            if (command.is_of(address) && !command.is_answered && !command.is_given_up &&
                !command.may_be_done && !command.is_probe &&
                is_data_or_flush(command.question.asks)) {
                owed_since =
                    std::min(owed_since.value_or(command.first_sent_at), command.first_sent_at);
            }
        }
        if (owed_since && now - std::max(lun.heard_at, *owed_since) > silence_max) {
            throw Violation("requests wait and nothing was heard of " + proto::to_string(address) +
                            " for " + seconds(now - lun.heard_at) + ", fail-after is " +
                            seconds(lun.fail_after));
        }
    }
}

void Watch::check_progress(Time now, proto::Address address, Time calm_since,
                           Duration limit) const {
    const WatchedLun& lun = luns_.at(address);
    const Duration gap = now - std::max(lun.progress_at, calm_since);
    if (!lun.pending.empty() && gap > limit) {
        throw Violation("nothing of " + proto::to_string(address) + " was answered for " +
                        seconds(gap) + " although nothing is wrong with it; " +
                        std::to_string(lun.pending.size()) + " requests wait");
    }
}

Time Watch::heard_at(proto::Address address, initiator::PortIndex port,
                     const proto::MacAddress& mac) const {
    const auto found = heard_.find({port, {address, mac}});
    return found == heard_.end() ? Time{} : found->second;
}

Time Watch::taken_out_at(proto::Address address, const proto::MacAddress& mac) const {
    const auto found = taken_out_.find({address, mac});
    return found == taken_out_.end() ? Time{} : found->second;
}

} // namespace uaoe::sim
