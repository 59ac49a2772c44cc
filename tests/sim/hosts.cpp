// Target hosts: their queues, the time they take, restarts and pauses.
#include "tests/sim/world.hpp"

#include <algorithm>

namespace uaoe::sim {

using namespace std::chrono_literals;

TargetHost& World::add_host(const TargetHost& host) {
    return *hosts.emplace_back(std::make_unique<TargetHost>(host));
}

void World::stop_host(TargetHost& host) {
    host.up = false;
    ++host.life;
    host.queue.clear();
    host.is_busy = false;
    host.is_paused = false;
}

void World::start_host(TargetHost& host) {
    if (host.power_back_at > events.now()) {
        events.at(host.power_back_at, [this, &host] {
            if (!host.up) {
                start_host(host);
            }
        });
        return;
    }
    host.up = true;
    Frame frame(host.mtu_bytes + 14);
    frame.resize(host.lun->make_boot_advertisement(host.mac, host.mtu_bytes, frame));
    answer(host, std::move(frame));
}

void World::pause_host(TargetHost& host) {
    if (host.up && !host.is_paused) {
        host.is_paused = true;
        host.paused_at = events.now();
    }
}

void World::resume_host(TargetHost& host) {
    if (!host.is_paused) {
        return;
    }
    host.is_paused = false;
    if (host.in_order) {
        start_next(host);
        return;
    }
    std::vector<TargetHost::Waiting> due;
    for (const auto& waiting : host.queue) {
        if (waiting.is_due) {
            due.push_back(waiting);
        }
    }
    std::erase_if(host.queue, [](const auto& waiting) { return waiting.is_due; });
    for (const auto& waiting : due) {
        execute(host, waiting);
    }
}

void World::compete(TargetHost& host, unsigned frames_count) {
    std::vector<std::byte> frame(60);
    proto::write_ata(frame,
                     {.destination = host.mac,
                      .source = {{2, 0, 0, 0, 9, 9}},
                      .address = host.lun->config().address,
                      .command = proto::Command::ata,
                      .tag = {0x7fff0000}},
                     {.sector_count = 1,
                      .command_status = static_cast<std::uint8_t>(proto::AtaCommand::read_sectors),
                      .data = {}});
    for (unsigned i = 0; host.up && i < frames_count; ++i) {
        serve(host, frame, 1);
    }
}

void World::arrive_at_hosts(std::uint32_t segment, const Frame& frame, unsigned copies) {
    const auto parsed = proto::parse_frame(frame);
    for (const auto& host : hosts) {
        const bool is_for_it =
            (parsed->destination == host->mac || parsed->destination == proto::broadcast_mac) &&
            (parsed->address == host->lun->config().address || parsed->address.is_broadcast());
        if (host->segment.value == segment && host->up && is_for_it &&
            frame.size() <= host->mtu_bytes + 14U) {
            serve(*host, frame, copies);
        }
    }
}

// What the engine has in flight to a target MAC never exceeds what that advertises. Here counted
// are commands that lie in the host's queue and that the engine cannot think lost yet: the newest
// copy, sent less than the shortest timeout ago, over a path that was not taken out of use since,
// and not overtaken there.
void World::check_host_window(const TargetHost& host, std::uint32_t tag) const {
    const auto& lun = host.lun->config();
    const std::uint32_t limit =
        std::max<std::uint32_t>(lun.quirks.advertised_buffer_count.value_or(lun.buffer_count), 1U);
    if (host.queue.size() < limit) {
        return;
    }
    const Time taken_out_at = watch.taken_out_at(lun.address, host.mac);
    const auto counts = [&](std::uint32_t waiting) {
        const WatchedCommand* command = watch.find_newest(waiting);
        return command != nullptr && command->question.asks != Asks::identify &&
               !command->is_probe && // one may be given up for another at any time
               !command->is_answered && !command->may_be_done &&
               events.now() - command->copies.back().sent_at < config.rto_min &&
               command->copies.back().sent_at > taken_out_at && !watch.is_overtaken(*command);
    };
    std::uint32_t count = counts(tag) ? 1U : 0U;
    for (const auto& waiting : host.queue) {
        count += counts(waiting.tag) ? 1U : 0U;
    }
    if (count > limit) {
        throw Violation(std::to_string(count) + " commands wait at a target that advertises " +
                        std::to_string(limit) + " buffers");
    }
}

Duration World::draw_service(const TargetHost& host, const Frame& frame) {
    if (host.flush_service > Duration::zero() && host.disk->is_dirty() &&
        question_of(*proto::parse_frame(frame)).asks == Asks::flush) {
        return host.flush_service;
    }
    return host.service_min + random.up_to(host.service_max - host.service_min);
}

void World::serve(TargetHost& host, const Frame& frame, unsigned copies) {
    const std::uint32_t tag = proto::parse_frame(frame)->tag.value;
    check_host_window(host, tag);
    const Asks asks = question_of(*proto::parse_frame(frame)).asks;
    if (host.is_mute && asks != Asks::identify && asks != Asks::other) {
        return;
    }
    if (host.queue.size() >= std::max(host.buffer_count, 1U)) {
        return;
    }
    host.queue.push_back({.frame = frame,
                          .copies = copies,
                          .tag = tag,
                          .sequence = arrivals_++,
                          .is_due = host.is_paused});
    if (host.in_order) {
        start_next(host);
    } else if (!host.is_paused) {
        events.after(draw_service(host, frame),
                     [this, &host, life = host.life, sequence = host.queue.back().sequence] {
                         if (life == host.life) {
                             handle_service_end(host, sequence);
                         }
                     });
    }
}

void World::start_next(TargetHost& host) {
    if (host.is_busy || host.is_paused || host.queue.empty()) {
        return;
    }
    host.is_busy = true;
    events.after(draw_service(host, host.queue.front().frame), [this, &host, life = host.life] {
        if (life != host.life) {
            return;
        }
        host.is_busy = false;
        if (!host.is_paused) {
            const TargetHost::Waiting waiting = std::move(host.queue.front());
            host.queue.pop_front();
            execute(host, waiting);
            start_next(host);
        }
    });
}

void World::handle_service_end(TargetHost& host, std::uint64_t sequence) {
    const auto found = std::ranges::find(host.queue, sequence, &TargetHost::Waiting::sequence);
    if (host.is_paused) {
        found->is_due = true;
        return;
    }
    const TargetHost::Waiting waiting = std::move(*found);
    host.queue.erase(found);
    execute(host, waiting);
}

void World::execute(TargetHost& host, const TargetHost::Waiting& waiting) {
    for (unsigned i = 0; i < waiting.copies; ++i) {
        Frame reply(host.mtu_bytes + 14);
        reply.resize(host.lun->handle_frame(waiting.frame, host.mac, host.mtu_bytes, reply));
        if (!reply.empty()) {
            answer(host, std::move(reply));
        }
    }
}

void World::answer(TargetHost& host, Frame frame) {
    const std::uint32_t segment = host.segment.value;
    if (random.chance(segments[segment].faults.forge)) {
        forge(segment, frame);
    }
    carry(segments[segment], std::move(frame), false,
          [this, segment, is_right_disk = !host.is_other_disk](const auto& copy, unsigned) {
              arrive_at_ports(segment, copy, is_right_disk);
          });
}

} // namespace uaoe::sim
