// Frames that the engine must not take for an answer: forged ones, other initiators', the kernel's.
#include "tests/sim/world.hpp"

#include "initiator/tag.hpp"

#include <algorithm>

namespace uaoe::sim {

using namespace std::chrono_literals;

namespace {

constexpr proto::MacAddress other_initiator{{2, 0, 0, 0, 9, 9}};

// A good answer's header to `request`.
proto::FrameHeader answer_header(const proto::Frame& request) {
    return {.destination = request.source,
            .source = request.destination,
            .version_flags = (proto::aoe_version << 4U) | proto::flag_response,
            .address = request.address,
            .command = request.command,
            .tag = request.tag};
}

proto::AtaFields good_ata() {
    return {.flags = 0,
            .error_feature = 0,
            .sector_count = 0,
            .command_status = proto::ata_status_ready,
            .lba = {},
            .data = {}};
}

} // namespace

// Frames that look like an answer and are none: every one must be ignored.
void World::forge(std::uint32_t segment, Frame frame) {
    const auto found = std::ranges::find(ports_, segment, &Port::segment);
    const PortIndex index{static_cast<std::uint32_t>(found - ports_.begin())};
    // A wrong bit in source, address, command or tag. Not in the flags: without R it is a request,
    // with E an error that a target could have sent.
    constexpr std::size_t places[] = {6, 9, 11, 16, 17, 18, 20};
    const auto parsed = proto::parse_frame(frame);
    Frame forged = frame;
    const std::size_t place = places[random.between(0, std::size(places) - 1)];
    forged[place] ^= static_cast<std::byte>(1U << random.between(3, 6));
    const bool is_boot = frame.size() > 23 && frame[20] == std::byte{0};
    if (forged[19] == std::byte{0} && !is_boot) { // of Query Config it would be a new target
        events.after(1us, [this, index, forged] { arrive_at_engine(index, forged); });
    }
    Frame garbage(random.between(0, 100));
    for (std::byte& b : garbage) {
        b = static_cast<std::byte>(random.next());
    }
    events.after(2us, [this, index, garbage] { arrive_at_engine(index, garbage); });
    // Cut off before it is whole: then it would be the answer. An error is whole without arguments.
    const std::size_t whole_bytes =
        parsed->is_error ? proto::aoe_frame_header_bytes
        : parsed->command == proto::Command::ata
            ? proto::ata_frame_header_bytes
            : proto::aoe_frame_header_bytes + sizeof(proto::QueryConfigArgument);
    frame.resize(std::min<std::size_t>(random.between(0, 35), whole_bytes - 1));
    events.after(3us, [this, index, frame] { arrive_at_engine(index, frame); });
}

void World::inject(PortIndex index, const Frame& request) {
    const auto parsed = proto::parse_frame(request);
    if (parsed->command != proto::Command::ata) {
        return;
    }
    const std::uint32_t segment = ports_[index.value].segment;
    switch (random.between(0, segments[segment].faults.inject_short ? 3 : 2)) {
    case 0:
        inject_for_other_initiator(index, *parsed);
        break;
    case 1:
        inject_for_kernel(index, *parsed);
        break;
    case 2:
        inject_error(index, *parsed);
        break;
    default:
        inject_short(index, *parsed);
    }
}

// Another initiator on the segment, with the same shard, uses the same LUN; a switch that forgot
// its MAC floods the answers. Its tags are near ours, or the same.
void World::inject_for_other_initiator(PortIndex index, const proto::Frame& request) {
    proto::FrameHeader header = answer_header(request);
    header.destination = other_initiator;
    initiator::TagFields tag = initiator::split_tag(request.tag);
    const auto near = random.between(0, 3);
    tag.generation += near == 1 ? 1U : 0U;
    tag.slot += near == 2 ? 1U : 0U;
    header.tag = initiator::make_tag(tag);
    const Question question = question_of(request);
    Frame data(question.asks == Asks::read       ? question.sectors * Disk::sector_bytes
               : question.asks == Asks::identify ? proto::identify_bytes
                                                 : 0,
               std::byte{0x5a});
    Frame frame(64);
    frame.resize(proto::write_ata(frame, header, good_ata()));
    frame.insert(frame.end(), data.begin(), data.end());
    events.after(1us + random.up_to(200us),
                 [this, index, frame] { arrive_at_engine(index, frame); });
}

// The kernel's aoe driver on this host asks, too, with tags of its own; 0 is one of them. The
// answer goes to this port alone, so it is no boot advertisement.
void World::inject_for_kernel(PortIndex index, const proto::Frame& request) {
    const auto found = std::ranges::find_if(hosts, [&](const auto& host) {
        return host->mac == request.destination && host->up &&
               host->lun->config().address == request.address;
    });
    if (found == hosts.end()) {
        return;
    }
    TargetHost& host = **found;
    Frame frame(host.mtu_bytes + 14);
    frame.resize(host.lun->make_boot_advertisement(host.mac, host.mtu_bytes, frame));
    std::ranges::copy(std::as_bytes(std::span(request.source.octets)), frame.begin());
    events.after(1us + random.up_to(200us), [this, index, frame, address = request.address,
                                             mac = request.destination] {
        const auto is_up = [&] {
            const auto target = engine != nullptr ? engine->target(address) : std::nullopt;
            return target && std::ranges::any_of(target->paths, [&](const auto& path) {
                       return path.port == index && path.target_mac == mac &&
                              path.state == initiator::PathState::up;
                   });
        };
        const bool was_up = port(index).up && is_up();
        // One that was silent for longer may have been started anew, whoever it tells.
        const bool was_heard = events.now() - watch.heard_at(address, index, mac) < config.rto_max;
        arrive_at_engine(index, frame);
        if (was_up && was_heard && !is_up()) {
            throw Violation("an answer to the kernel's Query Config took a path out of use");
        }
    });
}

// An error from a MAC that was not asked.
void World::inject_error(PortIndex index, const proto::Frame& request) {
    proto::FrameHeader header = answer_header(request);
    header.source.octets[5] ^= 0x40;
    header.version_flags |= proto::flag_error;
    header.error =
        random.pick(proto::AoeError::device_unavailable, proto::AoeError::target_is_reserved);
    Frame frame(64);
    frame.resize(proto::write_frame_header(frame, header));
    events.after(1us + random.up_to(200us),
                 [this, index, frame] { arrive_at_engine(index, frame); });
}

// A true answer with less than what was asked for: the request fails, or the frame is ignored.
void World::inject_short(PortIndex index, const proto::Frame& request) {
    const Question question = question_of(request);
    Frame frame(64);
    frame.resize(proto::write_ata(frame, answer_header(request), good_ata()));
    if (question.asks == Asks::read) {
        const auto bytes = random.between(0, question.sectors * Disk::sector_bytes - 1);
        frame.insert(frame.end(), bytes, std::byte{0xa5});
    } else {
        frame.resize(frame.size() - random.between(1, sizeof(proto::AtaArgument)));
    }
    events.after(1us + random.up_to(200us),
                 [this, index, frame, question, tag = request.tag, address = request.address] {
                     if (question.asks == Asks::read && port(index).up) {
                         short_reads_.emplace(address, question);
                         watch.handle_short(tag.value);
                     }
                     arrive_at_engine(index, frame);
                 });
}

} // namespace uaoe::sim
