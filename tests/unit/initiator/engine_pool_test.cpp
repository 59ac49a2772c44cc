// Command slots: what one LUN, one path or one kind of command may take of them, so that all go on.
#include "engine_bench.hpp"

using namespace uaoe;
using namespace uaoe::initiator;
using namespace uaoe::initiator::test;

TEST_CASE("a small pool starves nobody for ever") {
    Bench bench({.commands_count_max = 8});
    const DeviceIndex device = bench.attach();
    std::vector<std::unique_ptr<Io>> ios;
    for (std::uint64_t i = 0; i < 64; ++i) {
        ios.push_back(std::make_unique<Io>(bench, Operation::write, i * 16, 16, 1));
        bench.engine.submit(bench.now, device, ios.back()->request);
    }
    bench.take_sent(); // all lost
    for (int i = 0; i < 200; ++i) {
        bench.advance(50ms);
        bench.serve_all();
    }
    for (const auto& io : ios) {
        CHECK(bench.completed_with(io->request, Status::ok));
    }
}

namespace {

// Another LUN of the same engine, which answers.
struct HealthyLun {
    static constexpr proto::Address address{1, 1};

    explicit HealthyLun(Bench& lun_bench) : bench(lun_bench) {
        answer(proto::Command::query_config, make_tag({.slot = tag_slot_query_config}),
               [](auto& bytes, const auto& head) {
                   return proto::write_query_config(
                       bytes, head, {.buffer_count = 16, .sectors_per_frame = 2, .string = {}});
               });
        const auto disk = proto::make_identify(small_disk());
        std::optional<proto::Tag> identify;
        for (int i = 0; i < 400 && !identify; ++i) { // it may have to wait for its turn
            for (const SentFrame& frame : bench.take_sent()) {
                if (frame.frame.address == address) {
                    identify = frame.frame.tag;
                }
            }
            bench.advance(identify ? 0ms : 50ms);
        }
        answer(proto::Command::ata, identify.value(), [&](auto& bytes, const auto& head) {
            return proto::write_ata(bytes, head, {.command_status = 0x40, .data = disk});
        });
        device = bench.engine.attach(bench.now, address, {.fail_after = 0s}).value();
    }
    ~HealthyLun() { bench.engine.detach(bench.now, device); }
    HealthyLun(const HealthyLun&) = delete;
    HealthyLun& operator=(const HealthyLun&) = delete;

    void answer(proto::Command command, proto::Tag tag, auto write) {
        std::array<std::byte, 600> bytes;
        auto head = Bench::header(target_mac_b, command, tag);
        head.address = address;
        const std::size_t used = write(bytes, head);
        bench.engine.handle_frame(bench.now, {0}, std::span(bytes).first(used));
    }

    // Whether a read that is asked for now goes out at once.
    bool sends_at_once() {
        Io io(bench, Operation::read, 0, 1);
        bench.engine.submit(bench.now, device, io.request);
        const auto sent = bench.take_sent();
        const auto found = std::ranges::find_if(
            sent, [&](const SentFrame& frame) { return frame.frame.address == address; });
        if (found == sent.end()) {
            bench.engine.detach(bench.now, device);
            device = bench.engine.attach(bench.now, address, {.fail_after = 0s}).value();
            return false;
        }
        answer(proto::Command::ata, found->frame.tag, [&](auto& bytes, const auto& head) {
            const std::array<std::byte, 512> data{};
            return proto::write_ata(bytes, head, {.command_status = 0x40, .data = data});
        });
        return bench.completed_with(io.request, Status::ok);
    }

    Bench& bench;
    DeviceIndex device{};
};

} // namespace

TEST_CASE("a dead LUN leaves command slots to a healthy one") {
    Bench bench({.commands_count_max = 64, .window_frames_initial = 1000});
    const DeviceIndex dead = bench.attach({.fail_after = 0s}, 1000);
    HealthyLun healthy(bench);
    std::vector<std::unique_ptr<Io>> ios;
    for (int i = 0; i < 100; ++i) {
        ios.push_back(std::make_unique<Io>(bench, Operation::read, 0, 2));
        bench.engine.submit(bench.now, dead, ios.back()->request);
    }
    for (int i = 0; i < 10; ++i) {
        bench.take_sent(); // no answer to any
        bench.advance(25ms);
    }
    CHECK(healthy.sends_at_once());
}

TEST_CASE("many silent paths of one LUN leave command slots to another") {
    Bench bench({.paths_per_target_max = 16, .commands_count_max = 16});
    bench.attach();
    for (std::uint8_t i = 1; i < 16; ++i) {
        bench.config_answer({{2, 0, 0, 0, 3, i}});
    }
    for (int i = 0; i < 10; ++i) {
        bench.take_sent();
        bench.advance(50ms);
    }
    HealthyLun healthy(bench);
    for (int i = 0; i < 100; ++i) {
        CHECK(healthy.sends_at_once());
        bench.take_sent();
        bench.advance(50ms);
    }
    // Each of the silent ones is asked in its turn: the last, too, is found when it answers.
    bool found = false;
    for (int i = 0; i < 400 && !found; ++i) {
        for (const SentFrame& frame : bench.take_sent()) {
            if (frame.frame.destination == proto::MacAddress{{2, 0, 0, 0, 3, 15}}) {
                bench.serve(frame);
                found = true;
            }
        }
        bench.advance(50ms);
    }
    CHECK(found);
}

TEST_CASE("when every slot is taken, lost commands still fit a path that carries less") {
    Bench bench({.commands_count_max = 16, .window_frames_initial = 1000}, 9000);
    const DeviceIndex device = bench.attach({.fail_after = 0s}, 1000, 17);
    std::vector<std::unique_ptr<Io>> ios;
    for (int i = 0; i < 32; ++i) {
        ios.push_back(std::make_unique<Io>(bench, Operation::read, 0, 17));
        bench.engine.submit(bench.now, device, ios.back()->request);
    }
    CHECK(bench.take_sent().size() > 4); // all lost
    bench.set_port(0, true, 1500);
    SUBCASE("") {}
    SUBCASE("although what they were split into is lost, too") {
        for (int i = 0; i < 40; ++i) {
            bench.advance(50ms);
            for (const SentFrame& frame : bench.take_sent()) {
                if (frame.is(proto::AtaCommand::identify_device)) {
                    bench.serve(frame);
                }
            }
        }
    }
    for (int i = 0; i < 200; ++i) {
        bench.advance(50ms);
        bench.serve_all();
    }
    for (const auto& io : ios) {
        CHECK(bench.completed_with(io->request, Status::ok));
    }
}

TEST_CASE("IDENTIFY goes on when lost commands hold every slot and many paths are asked") {
    Bench bench({.paths_per_target_max = 12, .commands_count_max = 8});
    const DeviceIndex device = bench.attach();
    for (std::uint8_t i = 1; i < 12; ++i) {
        bench.config_answer({{2, 0, 0, 0, 3, i}});
    }
    bench.serve_all();
    std::vector<std::unique_ptr<Io>> ios;
    for (int i = 0; i < 16; ++i) {
        ios.push_back(std::make_unique<Io>(bench, Operation::read, 0, 2));
        bench.engine.submit(bench.now, device, ios.back()->request);
    }
    for (int i = 0; i < 400; ++i) { // nobody answers
        bench.take_sent();
        bench.advance(25ms);
    }
    for (int i = 0; i < 400; ++i) { // all are back
        bench.advance(25ms);
        bench.serve_all();
    }
    for (const auto& io : ios) {
        CHECK(bench.completed_with(io->request, Status::ok));
    }
}
