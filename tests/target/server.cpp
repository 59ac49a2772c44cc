// Dispatch, faults and sleep of the model target's program.
#include "tests/target/server.hpp"

#include "proto/assert.hpp"

#include <fmt/format.h>

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <utility>

namespace uaoe::target {

namespace {

constexpr std::size_t requests_per_turn_max = 256; // then signals and due frames get their turn
constexpr unsigned turns_between_signals = 64;
constexpr std::size_t held_frame_bytes_max = 65536;
constexpr std::size_t held_frame_slack_bytes = 64;

std::uint64_t clock_ns() {
    return static_cast<std::uint64_t>(
        std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

std::uint32_t key_of(proto::Address address) {
    return (std::uint32_t{address.shelf} << 8U) | address.slot;
}

bool is_query_config(proto::ConstBytes frame) {
    proto::AoeHeader aoe;
    return proto::load_into(aoe, frame, sizeof(proto::EthernetHeader)) &&
           aoe.command == static_cast<std::uint8_t>(proto::Command::query_config);
}

} // namespace

Server::Server(const Faults& faults, std::size_t hold_bytes, std::uint32_t spin_us)
    : faults_(faults), has_faults_(faults.any()), dice_(faults.seed), hold_bytes_(hold_bytes),
      spin_us_(spin_us) {}

bool Server::add_lun(LunConfig config, Storage& storage) {
    const auto index = static_cast<std::uint32_t>(luns_.size());
    if (!lun_index_.emplace(key_of(config.address), index).second) {
        return false;
    }
    luns_.push_back({.target = ModelTarget(std::move(config), storage)});
    return true;
}

void Server::add_port(PortOptions options) {
    ports_.push_back(std::make_unique<PacketPort>(std::move(options)));
    again_.emplace_back();
}

void Server::advertise() {
    for (const auto& port : ports_) {
        for (Lun& lun : luns_) {
            port->queue({.frame_bytes = lun.target.make_boot_advertisement(
                             port->mac(), port->mtu_bytes(), port->room())});
        }
        port->send();
    }
}

Server::Lun* Server::find_lun(proto::ConstBytes frame, std::uint32_t& index, bool& is_broadcast) {
    proto::AoeHeader aoe;
    if (!proto::load_into(aoe, frame, sizeof(proto::EthernetHeader))) {
        return nullptr;
    }
    const proto::Address address{aoe.shelf.value(), aoe.slot};
    is_broadcast = address.is_broadcast();
    const auto found = lun_index_.find(key_of(address));
    if (is_broadcast || found == lun_index_.end()) {
        return nullptr;
    }
    index = found->second;
    return &luns_[index];
}

// What the wire and the queue do to a request before the target sees it.
void Server::handle_request(std::size_t port_index, proto::ConstBytes frame) {
    ++counters_.requests;
    if (!has_faults_) {
        execute(port_index, frame, 1);
        return;
    }
    if (faults_.payload_limit_bytes > 0 &&
        frame.size() > faults_.payload_limit_bytes + sizeof(proto::EthernetHeader)) {
        ++counters_.too_large;
        return;
    }
    if (dice_.falls(faults_.loss_percent)) {
        ++counters_.lost_requests;
        return;
    }
    HeldFrames::Entry entry{.port_index = static_cast<std::uint16_t>(port_index),
                            .is_request = true};
    // A switch that duplicates a frame delivers both copies at once. A copy that came much later
    // would be a write that no initiator could tell from a new one.
    if (dice_.falls(faults_.duplicate_percent)) {
        ++counters_.duplicated;
        entry.copies_count = 2;
    }
    std::uint64_t wait_us = faults_.delay_us;
    if (dice_.falls(faults_.reorder_percent)) {
        ++counters_.reordered;
        wait_us += faults_.reorder_delay_us;
    }
    if (wait_us == 0) {
        execute(port_index, frame, entry.copies_count);
    } else {
        hold_request(entry, frame, wait_us);
    }
}

// A target with all its buffers in use drops what comes, silently (AoEr11 3.2).
void Server::hold_request(HeldFrames::Entry entry, proto::ConstBytes frame, std::uint64_t wait_us) {
    bool is_broadcast = false;
    Lun* lun = find_lun(frame, entry.lun_index, is_broadcast);
    if (lun == nullptr && !is_broadcast) {
        ++counters_.unknown_lun;
        return;
    }
    if (lun != nullptr && lun->held_count >= lun->target.config().buffer_count) {
        ++counters_.buffer_full;
        return;
    }
    if (!held_) {
        std::size_t mtu_max = 0;
        for (const auto& port : ports_) {
            mtu_max = std::max<std::size_t>(mtu_max, port->mtu_bytes());
        }
        held_ = std::make_unique<HeldFrames>(
            hold_bytes_, std::min(mtu_max + held_frame_slack_bytes, held_frame_bytes_max));
    }
    entry.due_ns = now_ns_ + wait_us * 1000;
    if (!held_->hold(entry, frame)) {
        ++counters_.hold_full;
        return;
    }
    if (lun != nullptr) {
        ++lun->held_count;
    }
}

void Server::execute(std::size_t port_index, proto::ConstBytes frame, std::uint8_t copies_count) {
    PacketPort& port = *ports_[port_index];
    std::uint32_t index = HeldFrames::no_lun;
    bool is_broadcast = false;
    Lun* lun = find_lun(frame, index, is_broadcast);
    if (lun == nullptr && !is_broadcast) {
        ++counters_.unknown_lun;
        return;
    }
    if (is_query_config(frame) && port.has_other_mtu()) {
        again_[port_index].assign(frame.begin(), frame.end());
        return;
    }
    for (unsigned copy = 0; copy < copies_count; ++copy) {
        if (lun != nullptr) {
            execute_for(*lun, port, port_index, frame);
            continue;
        }
        for (Lun& each : luns_) {
            execute_for(each, port, port_index, frame);
        }
    }
}

void Server::execute_for(Lun& lun, PacketPort& port, std::size_t port_index,
                         proto::ConstBytes frame) {
    const Reply reply =
        lun.target.handle_frame_in_place(frame, port.mac(), port.mtu_bytes(), port.room());
    if (reply.frame_bytes == 0) {
        ++counters_.silent;
        return;
    }
    ++counters_.replies;
    if (has_faults_) {
        transmit(port, port_index, reply);
    } else {
        port.queue(reply);
    }
}

// What the wire does to a reply. Copies of replies may come late: they change no disk.
void Server::transmit(PacketPort& port, std::size_t port_index, const Reply& reply) {
    const std::size_t bytes = reply.frame_bytes + reply.payload.size();
    if (faults_.payload_limit_bytes > 0 &&
        bytes > faults_.payload_limit_bytes + sizeof(proto::EthernetHeader)) {
        ++counters_.too_large;
        return;
    }
    if (dice_.falls(faults_.loss_percent)) {
        ++counters_.lost_replies;
        return;
    }
    if (dice_.falls(faults_.duplicate_percent) && hold_reply(port, port_index, reply)) {
        ++counters_.duplicated;
    }
    if (dice_.falls(faults_.reorder_percent)) {
        ++counters_.reordered;
        hold_reply(port, port_index, reply);
        return;
    }
    port.queue(reply);
}

bool Server::hold_reply(PacketPort& port, std::size_t port_index, const Reply& reply) {
    if (!held_) {
        held_ =
            std::make_unique<HeldFrames>(hold_bytes_, port.mtu_bytes() + held_frame_slack_bytes);
    }
    const bool is_held =
        held_->hold({.due_ns = now_ns_ + std::uint64_t{faults_.reorder_delay_us} * 1000,
                     .port_index = static_cast<std::uint16_t>(port_index)},
                    port.room().first(reply.frame_bytes), reply.payload);
    counters_.hold_full += is_held ? 0 : 1;
    return is_held;
}

bool Server::serve_held() {
    bool has_worked = false;
    while (held_ && held_->next_due_ns().value_or(~std::uint64_t{0}) <= now_ns_) {
        has_worked = true;
        const HeldFrames::Entry entry = held_->take();
        const proto::ConstBytes frame = held_->bytes(entry);
        if (entry.is_request) {
            if (entry.lun_index != HeldFrames::no_lun) {
                --luns_[entry.lun_index].held_count;
            }
            execute(entry.port_index, frame, entry.copies_count);
        } else {
            ports_[entry.port_index]->queue_copy(frame);
        }
        held_->done(entry);
    }
    return has_worked;
}

bool Server::serve_port(std::size_t port_index) {
    PacketPort& port = *ports_[port_index];
    std::size_t count = 0;
    while (count < requests_per_turn_max) {
        const auto frame = port.receive();
        if (!frame) {
            break;
        }
        ++count;
        handle_request(port_index, *frame);
        port.release();
    }
    return count > 0;
}

Server::Wake Server::serve_until_signal(int signals) {
    unsigned turns = 0;
    std::uint64_t idle_since_ns = 0;
    while (true) {
        if (has_faults_) {
            now_ns_ = clock_ns();
        }
        bool has_worked = serve_held();
        for (std::size_t i = 0; i < ports_.size(); ++i) {
            has_worked = serve_port(i) || has_worked;
        }
        for (std::size_t i = 0; i < ports_.size(); ++i) {
            ports_[i]->send();
            if (!again_[i].empty()) {
                const std::vector<std::byte> frame = std::exchange(again_[i], {});
                ports_[i]->refresh();
                execute(i, frame, 1);
                ports_[i]->send();
            }
        }
        if (has_worked) {
            idle_since_ns = 0;
            if (++turns % turns_between_signals != 0) {
                continue;
            }
        } else if (spin_us_ > 0) {
            const std::uint64_t now_ns = clock_ns();
            idle_since_ns = idle_since_ns == 0 ? now_ns : idle_since_ns;
            if (now_ns - idle_since_ns < std::uint64_t{spin_us_} * 1000) {
                continue;
            }
        }
        if (!has_worked) {
            wait(signals);
        }
        signalfd_siginfo signal{};
        while (::read(signals, &signal, sizeof(signal)) == sizeof(signal)) {
            return signal.ssi_signo == SIGUSR1 ? Wake::report : Wake::end;
        }
    }
}

// Sleeps until a frame arrives, a held one is due or a signal comes.
void Server::wait(int signals) {
    std::vector<pollfd> waiting(ports_.size() + 1);
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        waiting[i] = {.fd = ports_[i]->descriptor(), .events = POLLIN, .revents = 0};
    }
    waiting.back() = {.fd = signals, .events = POLLIN, .revents = 0};
    timespec timeout{};
    const auto due_ns = held_ ? held_->next_due_ns() : std::nullopt;
    if (due_ns) {
        const std::uint64_t now_ns = clock_ns();
        const std::uint64_t left_ns = *due_ns > now_ns ? *due_ns - now_ns : 0;
        timeout = {.tv_sec = static_cast<time_t>(left_ns / 1'000'000'000),
                   .tv_nsec = static_cast<long>(left_ns % 1'000'000'000)};
    }
    if (::ppoll(waiting.data(), waiting.size(), due_ns ? &timeout : nullptr, nullptr) <= 0) {
        return;
    }
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        if ((waiting[i].revents & POLLERR) != 0) {
            // "Network is down" is not an end: a cable that is pulled comes back. An interface that
            // is gone is: refresh() throws.
            int error = 0;
            socklen_t size = sizeof(error);
            ::getsockopt(ports_[i]->descriptor(), SOL_SOCKET, SO_ERROR, &error, &size);
            ports_[i]->refresh();
        }
    }
}

std::string Server::statistics_json() {
    std::string text = fmt::format(
        R"({{"luns":{},"requests":{},"replies":{},"silent":{},"unknown_lun":{},)"
        R"("lost_requests":{},"lost_replies":{},"too_large":{},"buffer_full":{},"hold_full":{},)"
        R"("duplicated":{},"reordered":{},"ports":[)",
        luns_.size(), counters_.requests, counters_.replies, counters_.silent,
        counters_.unknown_lun, counters_.lost_requests, counters_.lost_replies, counters_.too_large,
        counters_.buffer_full, counters_.hold_full, counters_.duplicated, counters_.reordered);
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        const PortCounters& port = ports_[i]->counters();
        text += fmt::format(
            R"({}{{"interface":"{}","mtu_bytes":{},"received_frames":{},"received_bytes":{},)"
            R"("sent_frames":{},"sent_bytes":{},"send_calls":{},"send_failed":{},"ring_full":{},)"
            R"("not_ours":{}}})",
            i == 0 ? "" : ",", ports_[i]->interface(), ports_[i]->mtu_bytes(), port.received_frames,
            port.received_bytes, port.sent_frames, port.sent_bytes, port.send_calls,
            port.send_failed, port.ring_full, port.not_ours);
    }
    return text + "]}";
}

} // namespace uaoe::target
