// Administrative questions in the engine: which paths carry one, and that it disturbs nothing.
#include "engine_bench.hpp"

using namespace uaoe;
using namespace uaoe::initiator;
using namespace uaoe::initiator::test;

namespace {

AdminQuestion read_masks_question(std::size_t argument_bytes = 4) {
    return {.address = lun,
            .command = proto::Command::mac_mask_list,
            .argument = std::vector<std::byte>(argument_bytes)};
}

// A target with a path on each of two ports, both identified.
std::unique_ptr<Bench> make_bench() {
    auto bench = std::make_unique<Bench>(EngineConfig{}, 1500, 2);
    bench->config_answer(target_mac_a);
    bench->config_answer(target_mac_b, 16, {1});
    for (const SentFrame& sent : bench->take_sent()) {
        bench->answer_identify(sent, small_disk());
    }
    return bench;
}

void answer(Bench& bench, const SentFrame& sent) {
    std::array<std::byte, 64> bytes;
    const std::size_t used =
        proto::write_mac_mask(bytes,
                              bench.header(sent.frame.destination, proto::Command::mac_mask_list,
                                           sent.frame.tag, sent.port),
                              proto::MaskCommand::read, proto::MaskError::none, {});
    bench.engine.handle_frame(bench.now, sent.port, std::span(bytes).first(used));
}

} // namespace

TEST_CASE("the engine asks a target that it knows, and nobody else") {
    const auto bench = make_bench();
    CHECK(bench->engine.ask(bench->now, {.address = {9, 9}}).error() == AskError::no_such_target);
    REQUIRE(bench->engine.ask(bench->now, read_masks_question()).has_value());
    const auto sent = bench->take_sent();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].frame.command == proto::Command::mac_mask_list);
    CHECK_FALSE(sent[0].frame.destination.is_multicast());
    CHECK(bench->engine.poll_timeout().has_value());
    answer(*bench, sent[0]);
    const auto answered = bench->engine.poll_answer();
    REQUIRE(answered.has_value());
    CHECK(proto::parse_mac_mask(answered->argument).has_value());
    CHECK_FALSE(bench->engine.poll_answer().has_value());
}

TEST_CASE("the engine's timer sends the question again, and gives it up") {
    const auto bench = make_bench();
    REQUIRE(bench->engine.ask(bench->now, read_masks_question()).has_value());
    REQUIRE(bench->take_sent().size() == 1);
    bench->advance(250ms);
    CHECK(bench->take_sent().size() == 1);
    for (int i = 0; i < 12; ++i) {
        bench->advance(250ms);
        bench->take_sent();
    }
    const auto silence = bench->engine.poll_answer();
    REQUIRE(silence.has_value());
    CHECK(silence->is_silent);
}

TEST_CASE("paths that are down are not asked, and a disk that is another one never is") {
    Bench bench({}, 1500, 2);
    bench.config_answer(target_mac_a);
    bench.answer_identify(bench.take_sent().at(0), small_disk());
    bench.config_answer(target_mac_b, 16, {1});
    bench.answer_identify(bench.take_sent().at(0), small_disk(8192));
    REQUIRE(bench.engine.target(lun)->paths.at(1).state == PathState::conflict);
    REQUIRE(bench.engine.ask(bench.now, read_masks_question()).has_value());
    std::vector<SentFrame> copies;
    for (int i = 0; i < 16; ++i) {
        for (SentFrame& sent : bench.take_sent()) {
            if (sent.frame.command == proto::Command::mac_mask_list) {
                copies.push_back(std::move(sent));
            }
        }
        bench.advance(200ms);
    }
    CHECK(copies.size() >= 3);
    for (const SentFrame& sent : copies) {
        CHECK(sent.frame.destination == target_mac_a);
    }
    REQUIRE(bench.engine.poll_answer()->is_silent);
    bench.set_port(0, false);
    CHECK(bench.engine.ask(bench.now, read_masks_question()).error() == AskError::no_path);
}

TEST_CASE("a target that answers no IDENTIFY can be asked all the same") {
    Bench bench;
    bench.config_answer(target_mac_a);
    bench.answer_error(bench.take_sent().at(0), proto::AoeError::target_is_reserved);
    REQUIRE(bench.engine.target(lun)->state == TargetState::reserved);
    REQUIRE(bench.engine.ask(bench.now, read_masks_question()).has_value());
    CHECK(bench.take_sent().at(0).frame.command == proto::Command::mac_mask_list);
}

TEST_CASE("a question that no path's MTU carries is refused, and takes the path whose MTU does") {
    const auto bench = make_bench();
    CHECK(bench->engine.ask(bench->now, read_masks_question(1491)).error() == AskError::too_large);
    REQUIRE(bench->engine.ask(bench->now, read_masks_question(1490)).has_value());
    CHECK(bench->take_sent().at(0).bytes.size() == 1514);
    const auto other = make_bench();
    other->set_port(1, true, 9000);
    REQUIRE(other->engine.ask(other->now, read_masks_question(1491)).has_value());
    CHECK(other->take_sent().at(0).port.value == 1);
}

TEST_CASE("a question goes out beside requests, and its answer ends none of them") {
    const auto bench = make_bench();
    const auto device = bench->engine.attach(bench->now, lun, {}).value();
    std::array<std::byte, 1024> buffer{};
    Request request;
    request.lba = {0};
    request.sectors = {2};
    request.buffer = buffer;
    bench->engine.submit(bench->now, device, request);
    REQUIRE(bench->engine.ask(bench->now, read_masks_question()).has_value());
    const auto sent = bench->take_sent();
    REQUIRE(sent.size() == 2);
    const auto& question = sent[0].frame.command == proto::Command::ata ? sent[1] : sent[0];
    const auto& read = sent[0].frame.command == proto::Command::ata ? sent[0] : sent[1];
    answer(*bench, question);
    CHECK(bench->engine.poll_answer().has_value());
    CHECK(bench->engine.poll_completion() == nullptr);
    bench->serve(read);
    CHECK(bench->engine.poll_completion() == &request);
}
