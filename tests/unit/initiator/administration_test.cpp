// One administrative question: copies, which of them is answered, patience, and what a late copy
// may still do.
#include "initiator/administration.hpp"

#include "engine_bench.hpp"

using namespace uaoe;
using namespace uaoe::initiator;
using namespace uaoe::initiator::test;

namespace {

using Use = Administration::Use;

constexpr proto::MacAddress our_mac_a{{2, 0, 0, 0, 1, 0x0a}};
constexpr proto::MacAddress our_mac_b{{2, 0, 0, 0, 1, 0x0b}};

class Talk {
  public:
    void ask(bool is_change, Duration patience = 3s, std::size_t argument_bytes = 8) {
        administration.ask(
            now,
            {.address = lun,
             .command = proto::Command::reserve_release,
             .argument = std::vector<std::byte>(argument_bytes, std::byte{0x5a}),
             .is_change = is_change,
             .patience = patience},
            {{{0}, target_mac_a, our_mac_a, 1500}, {{1}, target_mac_b, our_mac_b, 9000}}, 200ms);
    }

    // The copies that leave until `until`.
    std::vector<SentFrame> run(Duration until) {
        std::vector<SentFrame> sent;
        const Time end = now + until;
        while (true) {
            if (administration.wants_transmit()) {
                Transmit transmit;
                administration.transmit(now, transmit);
                SentFrame& frame = sent.emplace_back();
                frame.port = transmit.port;
                frame.bytes.assign(transmit.header.begin(),
                                   transmit.header.begin() + transmit.header_bytes);
                frame.bytes.insert(frame.bytes.end(), transmit.payload.begin(),
                                   transmit.payload.end());
                frame.parse();
                sent_at.push_back(now);
            }
            const auto deadline = administration.deadline();
            if (!deadline || *deadline > end) {
                now = end;
                return sent;
            }
            REQUIRE(*deadline >= now);
            now = std::max(now, *deadline);
            administration.handle_timeout(now);
        }
    }

    Use answer(const SentFrame& sent, proto::AoeError error = proto::AoeError::none,
               std::byte first = std::byte{7}) {
        const std::array<std::byte, 4> argument{first};
        return administration.handle_frame(now, sent.port,
                                           {.destination = sent.frame.source,
                                            .source = sent.frame.destination,
                                            .version = 1,
                                            .is_response = true,
                                            .is_error = error != proto::AoeError::none,
                                            .error = error,
                                            .address = sent.frame.address,
                                            .command = sent.frame.command,
                                            .tag = sent.frame.tag,
                                            .argument = argument});
    }

    Administration administration{3, 16383, 1s}; // its second generation wraps around
    Time now{1000s};
    std::vector<Time> sent_at;
};

} // namespace

TEST_CASE("a question is one frame to one path, padded, with a tag of its own slot") {
    Talk talk;
    talk.ask(false);
    const auto sent = talk.run(0s);
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].bytes.size() == 60);
    CHECK(sent[0].frame.destination == target_mac_a);
    CHECK(sent[0].frame.source == our_mac_a);
    CHECK(sent[0].frame.address == lun);
    CHECK(sent[0].frame.command == proto::Command::reserve_release);
    CHECK_FALSE(sent[0].frame.is_response);
    CHECK(sent[0].frame.argument[7] == std::byte{0x5a});
    CHECK(sent[0].frame.argument[8] == std::byte{0});
    const TagFields tag = split_tag(sent[0].frame.tag);
    CHECK((sent[0].frame.tag.value & tag_userspace_bit) != 0);
    CHECK(tag.shard == 3);
    CHECK(tag.slot == tag_slot_administration);

    CHECK_FALSE(talk.administration.poll_answer().has_value());
    CHECK(talk.answer(sent[0]) == Use::taken);
    const auto answer = talk.administration.poll_answer();
    REQUIRE(answer.has_value());
    CHECK_FALSE(answer->is_silent);
    CHECK_FALSE(answer->is_error);
    CHECK(answer->copies_count == 1);
    CHECK(answer->target_mac == target_mac_a);
    CHECK(answer->mtu_bytes == 1500);
    CHECK(answer->argument.size() == 4);
    CHECK(talk.administration.is_idle());
    CHECK_FALSE(talk.administration.deadline().has_value());
}

TEST_CASE("a long argument follows the header as payload, and is not padded") {
    for (const std::size_t bytes : {36UZ, 37UZ, 1032UZ, 1440UZ}) {
        Talk talk;
        talk.ask(false, 3s, bytes);
        const auto sent = talk.run(0s);
        REQUIRE(sent.size() == 1);
        CHECK(sent[0].bytes.size() == 24 + bytes);
        CHECK(sent[0].bytes.back() == std::byte{0x5a});
    }
}

TEST_CASE("a lost request is sent again, later and later, over the paths in turns, each copy with "
          "its own tag") {
    Talk talk;
    talk.ask(false, 5s);
    const auto sent = talk.run(4s);
    REQUIRE(sent.size() >= 4);
    const auto after = [&](std::size_t i) { return talk.sent_at[i] - talk.sent_at[0]; };
    CHECK(after(1) == 200ms);
    CHECK(after(2) == 600ms);
    CHECK(after(3) == 1400ms);
    CHECK(sent[0].port.value == 0);
    CHECK(sent[1].port.value == 0);
    CHECK(sent[2].port.value == 1);
    CHECK(sent[2].frame.destination == target_mac_b);
    CHECK(sent[2].frame.source == our_mac_b);
    CHECK(sent[3].port.value == 0);
    for (std::size_t i = 1; i < sent.size(); ++i) {
        CHECK(sent[i].frame.tag != sent[i - 1].frame.tag);
        CHECK(std::ranges::equal(sent[i].frame.argument, sent[0].frame.argument));
    }
    CHECK(talk.answer(sent[3]) == Use::taken);
    CHECK(talk.administration.poll_answer()->copies_count == sent.size());
}

TEST_CASE("silence is an answer, after the patience and not before") {
    Talk talk;
    talk.ask(true, 3s);
    talk.run(2999ms);
    CHECK_FALSE(talk.administration.poll_answer().has_value());
    talk.run(1ms);
    const auto answer = talk.administration.poll_answer();
    REQUIRE(answer.has_value());
    CHECK(answer->is_silent);
    CHECK(answer->copies_count == 4);
    // The last copy has landed by then.
    CHECK(talk.now - talk.sent_at.back() >= 1s);
}

TEST_CASE("a question that never left is given up, too") {
    Talk talk;
    talk.ask(false, 1s);
    CHECK(talk.administration.wants_transmit());
    CHECK(talk.administration.deadline() == talk.now + 1s);
    talk.now += 1s;
    talk.administration.handle_timeout(talk.now);
    CHECK(talk.administration.poll_answer()->is_silent);
    CHECK_FALSE(talk.administration.wants_transmit());
}

TEST_CASE("after a lost answer the late one to an earlier copy is as good") {
    Talk talk;
    talk.ask(false);
    const auto sent = talk.run(300ms);
    REQUIRE(sent.size() == 2);
    CHECK(talk.answer(sent[0]) == Use::taken);
    CHECK(talk.administration.poll_answer()->copies_count == 2);
    // The other copy's answer comes when nobody waits.
    CHECK(talk.answer(sent[1]) == Use::unknown_tag);
    talk.ask(false);
    CHECK(talk.answer(sent[1]) == Use::unknown_tag); // nor is it one to the next question
}

TEST_CASE("what changed something is answered when no copy of it can land any more") {
    Talk talk;
    talk.ask(true, 5s);
    auto sent = talk.run(300ms);
    REQUIRE(sent.size() == 2);
    CHECK(talk.answer(sent[1]) == Use::taken);
    CHECK_FALSE(talk.administration.poll_answer().has_value());
    SUBCASE("because each was answered") {
        CHECK(talk.answer(sent[0], proto::AoeError::config_string_present) == Use::taken);
        const auto answer = talk.administration.poll_answer();
        REQUIRE(answer.has_value());
        CHECK_FALSE(answer->is_error); // the first answer counts
    }
    SUBCASE("or because a frame does not live so long") {
        CHECK(talk.run(699ms).empty()); // and it is not sent again meanwhile
        CHECK_FALSE(talk.administration.poll_answer().has_value());
        talk.run(1ms);
        CHECK(talk.administration.poll_answer().has_value());
    }
}

TEST_CASE("duplicates, and answers that do not fit, are not taken") {
    Talk talk;
    talk.ask(true, 5s);
    const auto sent = talk.run(300ms);
    REQUIRE(sent.size() == 2);
    SentFrame wrong = sent[0];
    wrong.frame.address = {1, 1};
    CHECK(talk.answer(wrong) == Use::mismatched);
    wrong = sent[0];
    wrong.frame.command = proto::Command::ata;
    CHECK(talk.answer(wrong) == Use::mismatched);
    wrong = sent[0];
    wrong.frame.destination = target_mac_b;
    CHECK(talk.answer(wrong) == Use::mismatched);
    wrong = sent[0];
    wrong.port = {1};
    CHECK(talk.answer(wrong) == Use::mismatched);
    wrong = sent[0];
    wrong.frame.tag.value += 5;
    CHECK(talk.answer(wrong) == Use::unknown_tag);
    CHECK(talk.answer(sent[0], proto::AoeError::target_is_reserved) == Use::taken);
    CHECK(talk.answer(sent[0]) == Use::late);
    talk.run(2s);
    const auto answer = talk.administration.poll_answer();
    REQUIRE(answer.has_value());
    CHECK(answer->is_error);
    CHECK(answer->error == proto::AoeError::target_is_reserved);
}
