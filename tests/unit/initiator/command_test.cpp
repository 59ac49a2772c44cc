// Tags and the command pool.
#include "initiator/target.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace uaoe::initiator;

namespace {

Path& nowhere() {
    static Target target({1, 0});
    static Path path(target, PortIndex{0}, uaoe::proto::MacAddress{}, EngineConfig{}, 1);
    return path;
}

} // namespace

TEST_CASE("a tag carries shard, slot and generation, and always bit 31") {
    const auto tag = make_tag({.shard = 5, .slot = 4095, .generation = 16383});
    CHECK(tag.value == (0x80000000U | (5U << 27U) | (4095U << 14U) | 16383U));
    const TagFields fields = split_tag(tag);
    CHECK(fields.shard == 5);
    CHECK(fields.slot == 4095);
    CHECK(fields.generation == 16383);
    CHECK((tag.value & tag_shard_mask) == tag_shard_pattern(5));
}

TEST_CASE("slots come back in the order they were released, so a tag is used again late") {
    CommandPool pool(4, 0);
    Command* first = pool.allocate();
    REQUIRE(first != nullptr);
    pool.release(*first);
    std::set<std::uint32_t> slots;
    for (int i = 0; i < 3; ++i) {
        slots.insert(pool.allocate()->slot);
    }
    CHECK(slots.count(first->slot) == 0);
    CHECK(pool.free_count() == 1);
    CHECK(pool.allocate() == first);
    CHECK(pool.allocate() == nullptr);
}

TEST_CASE("every transmission has a generation of its own, also after the slot was used again") {
    CommandPool pool(1, tag_generation_mask);
    std::set<std::uint16_t> generations;
    for (int use = 0; use < 4; ++use) {
        Command& command = *pool.allocate();
        for (int i = 0; i < 5; ++i) {
            generations.insert(command.add_transmission(nowhere(), Time{}).generation);
        }
        pool.release(command);
    }
    CHECK(generations.size() == 20);
    CHECK(*generations.rbegin() <= tag_generation_mask);
}

TEST_CASE("an unanswered copy that is forgotten is remembered as a time") {
    using namespace std::chrono_literals;
    CommandPool pool(1, 0);
    Command& command = *pool.allocate();
    for (int i = 1; i <= 10; ++i) {
        Transmission& copy = command.add_transmission(nowhere(), Time{i * 1ms});
        copy.answered = i == 2;
    }
    CHECK(command.transmissions_count == Command::transmissions_max);
    REQUIRE(command.forgotten_sent_at.has_value());
    CHECK(*command.forgotten_sent_at == Time{1ms});
    CHECK(command.find(0) == nullptr);
    CHECK(command.find(9) == &command.latest());
}
