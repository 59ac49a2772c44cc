// The life of one administrative question.
#include "initiator/administration.hpp"

#include "initiator/tag.hpp"

#include <algorithm>
#include <utility>

namespace uaoe::initiator {

namespace {

// A busy target, or a disk that has to spin up, is asked again less and less often.
constexpr Duration timeout_max = 2s;

} // namespace

void Administration::ask(Time now, AdminQuestion question, std::vector<Destination> destinations,
                         Duration timeout) {
    UAOE_ASSERT(is_idle() && !destinations.empty() && timeout > Duration::zero());
    UAOE_ASSERT(!question.address.is_broadcast());
    question_ = std::move(question);
    destinations_ = std::move(destinations);
    timeout_ = timeout;
    give_up_at_ = now + question_.patience;
    resend_at_ = give_up_at_; // until the first copy has left
    copies_count_ = 0;
    answer_ = {};
    phase_ = Phase::asking;
    wants_transmit_ = true;
}

void Administration::transmit(Time now, Transmit& transmit) {
    UAOE_ASSERT(phase_ == Phase::asking && wants_transmit_ && copies_count_ < copies_max);
    wants_transmit_ = false;
    Copy& copy = copies_[copies_count_];
    copy = {.destination_index =
                (std::max<std::size_t>(copies_count_, 1) - 1) % destinations_.size(),
            .generation = generation_next_++ & tag_generation_mask,
            .sent_at = now};
    ++copies_count_;
    const Destination& destination = destinations_[copy.destination_index];
    std::size_t used = proto::write_frame_header(
        transmit.header, {.destination = destination.target_mac,
                          .source = destination.local_mac,
                          .address = question_.address,
                          .command = question_.command,
                          .tag = make_tag({.shard = shard_index_,
                                           .slot = tag_slot_administration,
                                           .generation = copy.generation})});
    const proto::ConstBytes argument = question_.argument;
    // What is shorter than the shortest frame is padded behind the argument; the rest needs none.
    if (used + argument.size() <= proto::ethernet_frame_bytes_min) {
        std::ranges::copy(argument, transmit.header.begin() + static_cast<std::ptrdiff_t>(used));
        used = proto::pad_frame(transmit.header, used + argument.size());
        transmit.payload = {};
    } else {
        transmit.payload = argument;
    }
    transmit.header_bytes = static_cast<std::uint32_t>(used);
    transmit.port = destination.port;

    // The last copy gets its time to be answered in, too, and one that changes something also has
    // landed when the question is given up.
    const Duration last_time = question_.is_change ? linger_ : timeout_;
    resend_at_ = copies_count_ < copies_max && now + timeout_ + last_time <= give_up_at_
                     ? now + timeout_
                     : give_up_at_;
    timeout_ = std::min(timeout_ * 2, timeout_max);
}

Administration::Use Administration::handle_frame(Time now, PortIndex port,
                                                 const proto::Frame& frame) {
    const auto sent = std::span(copies_).first(copies_count_);
    const auto copy = std::ranges::find(sent, split_tag(frame.tag).generation, &Copy::generation);
    if (phase_ == Phase::idle || copy == sent.end()) {
        return Use::unknown_tag;
    }
    const Destination& destination = destinations_[copy->destination_index];
    if (frame.command != question_.command || frame.address != question_.address ||
        frame.source != destination.target_mac || port != destination.port) {
        return Use::mismatched;
    }
    if (copy->is_answered || phase_ == Phase::done) {
        return Use::late;
    }
    copy->is_answered = true;
    if (phase_ == Phase::asking) {
        wants_transmit_ = false;
        phase_ = Phase::lingering;
        answer_ = {.is_silent = false,
                   .copies_count = static_cast<std::uint32_t>(copies_count_),
                   .port = port,
                   .target_mac = frame.source,
                   .mtu_bytes = destination.mtu_bytes,
                   .is_error = frame.is_error,
                   .error = frame.error,
                   .argument = {frame.argument.begin(), frame.argument.end()}};
    }
    const auto until = copies_land_until();
    if (!question_.is_change || !until || *until <= now) {
        finish();
    }
    return Use::taken;
}

void Administration::handle_timeout(Time now) {
    if (phase_ == Phase::lingering) {
        const auto until = copies_land_until();
        if (!until || *until <= now) {
            finish();
        }
        return;
    }
    if (phase_ != Phase::asking) {
        return;
    }
    if (now >= give_up_at_) {
        answer_ = {.is_silent = true, .copies_count = static_cast<std::uint32_t>(copies_count_)};
        finish();
    } else if (now >= resend_at_) {
        wants_transmit_ = true;
        resend_at_ = give_up_at_; // until the copy has left
    }
}

std::optional<Time> Administration::copies_land_until() const {
    std::optional<Time> until;
    for (const Copy& copy : std::span(copies_).first(copies_count_)) {
        if (!copy.is_answered) {
            until = std::max(until.value_or(copy.sent_at + linger_), copy.sent_at + linger_);
        }
    }
    return until;
}

void Administration::finish() {
    phase_ = Phase::done;
    wants_transmit_ = false;
}

std::optional<Time> Administration::deadline() const {
    if (phase_ == Phase::asking) {
        return std::min(resend_at_, give_up_at_);
    }
    return phase_ == Phase::lingering ? copies_land_until() : std::nullopt;
}

std::optional<AdminAnswer> Administration::poll_answer() {
    if (phase_ != Phase::done) {
        return std::nullopt;
    }
    phase_ = Phase::idle;
    return std::exchange(answer_, {});
}

} // namespace uaoe::initiator
