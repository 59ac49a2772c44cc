// Nothing allocates on the data path: every operator new of this program is counted.
#include "engine_bench.hpp"

#include <cstdlib>
#include <new>

using namespace uaoe;
using namespace uaoe::initiator;
using namespace uaoe::initiator::test;

namespace {

std::size_t allocations_count = 0;

void* counted(std::size_t bytes) {
    ++allocations_count;
    if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) {
        return memory;
    }
    throw std::bad_alloc();
}

} // namespace

void* operator new(std::size_t bytes) {
    return counted(bytes);
}
void* operator new[](std::size_t bytes) {
    return counted(bytes);
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete[](void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
    std::free(memory);
}

namespace {

// One round on the data path with buffers of its own: submits, sends, loses every `lose_every`th
// frame, answers, times out, completes, until all is done.
void run_round(Bench& bench, DeviceIndex device, std::span<Io*> ios, unsigned lose_every) {
    static std::array<std::byte, 2048> answer_bytes;
    for (Io* io : ios) {
        bench.engine.submit(bench.now, device, io->request);
    }
    std::size_t done = 0;
    unsigned frames = 0;
    while (done < ios.size()) {
        Transmit transmit;
        while (bench.engine.poll_transmit(bench.now, transmit)) {
            ++frames;
            if (lose_every > 0 && frames % lose_every == 0) {
                continue;
            }
            const auto sent = proto::parse_frame(
                std::span<const std::byte>(transmit.header).first(transmit.header_bytes));
            if (sent->command == proto::Command::query_config) {
                const std::size_t used = proto::write_query_config(
                    answer_bytes,
                    Bench::header(sent->destination, proto::Command::query_config, sent->tag),
                    {.buffer_count = 16, .sectors_per_frame = 2, .string = {}});
                bench.engine.handle_frame(bench.now, transmit.port,
                                          std::span(answer_bytes).first(used));
                continue;
            }
            const auto ata = proto::parse_ata(sent->argument);
            const bool is_read = ata->command_status ==
                                 static_cast<std::uint8_t>(proto::AtaCommand::read_sectors_ext);
            const std::span<const std::byte> data =
                std::span(bench.disk)
                    .first(is_read ? ata->sector_count * std::size_t{512} : std::size_t{0});
            const std::size_t used = proto::write_ata(
                answer_bytes, Bench::header(sent->destination, proto::Command::ata, sent->tag),
                {.command_status = 0x40, .data = data});
            bench.engine.handle_frame(bench.now, transmit.port,
                                      std::span(answer_bytes).first(used));
        }
        while (bench.engine.poll_completion() != nullptr) {
            ++done;
        }
        bench.now += 1ms;
        if (bench.engine.poll_timeout() && *bench.engine.poll_timeout() <= bench.now) {
            bench.engine.handle_timeout(bench.now);
        }
    }
}

} // namespace

TEST_CASE("reads, writes, flushes, discards, losses and fences allocate nothing") {
    Bench bench;
    const DeviceIndex device = bench.attach();
    Io write(bench, Operation::write, 0, 64);
    Io overlapping(bench, Operation::write, 32, 64);
    Io read(bench, Operation::read, 0, 128);
    Io zeroes(bench, Operation::write_zeroes, 200, 100);
    Io discard(bench, Operation::discard, 400, 100);
    Io flush(bench, Operation::flush, 0, 0);
    write.request.fua = true;
    std::array<Io*, 6> ios{&write, &overlapping, &read, &zeroes, &discard, &flush};
    run_round(bench, device, ios, 0);
    const std::size_t before = allocations_count;
    for (int i = 0; i < 20; ++i) {
        run_round(bench, device, ios, 0);
        run_round(bench, device, ios, 7);
    }
    CHECK(allocations_count == before);
    CHECK(bench.engine.device_status(device).fenced_writes > 0);
    CHECK(bench.engine.target(lun)->paths[0].retransmitted > 0);
    delete new int; // the counter counts
    CHECK(allocations_count > before);
}
