// The MAC mask list, step by step, against a model target.
#include "asked_target.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace uaoe;
using namespace uaoe::tools;

namespace {

target::LunConfig with_masks(MacList macs) {
    target::LunConfig config;
    config.mask_list = std::move(macs);
    return config;
}

MaskEdit adding(MacList macs) {
    return {.add = std::move(macs), .own_macs = {this_host}};
}

MaskEdit removing(MacList macs) {
    return {.remove = std::move(macs), .own_macs = {this_host}};
}

bool contains(const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
}

MacList numbered(std::size_t count) {
    MacList macs;
    for (std::size_t i = 0; i < count; ++i) {
        macs.push_back(
            {{2, 0, 0, 1, static_cast<std::uint8_t>(i >> 8U), static_cast<std::uint8_t>(i)}});
    }
    return macs;
}

std::string refused(AskedTarget& target, const MaskEdit& edit) {
    const auto before = read_masks(target.administered());
    const auto changes_before = target.changes_count;
    const auto edited = edit_masks(target.administered(), edit);
    REQUIRE_FALSE(edited.has_value());
    CHECK(edited.error().exit_code == ExitCode::failed);
    CHECK(target.changes_count == changes_before); // nothing was even asked
    CHECK(read_masks(target.administered()).value() == before.value());
    return edited.error().line();
}

} // namespace

TEST_CASE("the list is read, added to, removed from and cleared") {
    AskedTarget target;
    const Administered one = target.administered();
    CHECK(read_masks(one)->empty());
    CHECK(edit_masks(one, adding({this_host, other_host})) == MacList{this_host, other_host});
    CHECK(edit_masks(one, adding({other_host})) == MacList{this_host, other_host});
    CHECK(edit_masks(one, adding({third_host}))->size() == 3);
    CHECK(edit_masks(one, removing({other_host, {{2, 9, 9, 9, 9, 9}}})) ==
          MacList{this_host, third_host});
    CHECK(edit_masks(one, {.clear = true, .own_macs = {this_host}})->empty());
}

TEST_CASE("lost answers change nothing about it") {
    AskedTarget target;
    target.loses_first_answers = true;
    CHECK(edit_masks(target.administered(), adding({this_host, other_host}))->size() == 2);
    CHECK(edit_masks(target.administered(), removing({other_host})) == MacList{this_host});
}

TEST_CASE("this host is not locked out unless that is wanted") {
    AskedTarget target;
    const std::string line = refused(target, adding({other_host}));
    CHECK(contains(line, "would not hear this host any more"));
    CHECK(contains(line, "02:00:00:00:00:01"));
    CHECK(contains(line, "--force"));
    CHECK(edit_masks(target.administered(), adding({this_host, other_host})).has_value());
    CHECK(contains(refused(target, removing({this_host})), "would not hear"));
    // The last entry may go: an empty list lets everybody in.
    CHECK(edit_masks(target.administered(), removing({this_host, other_host}))->empty());
    MaskEdit forced = adding({other_host});
    forced.lock_out = true;
    CHECK(edit_masks(target.administered(), forced) == MacList{other_host});
    CHECK(read_masks(target.administered()).error().exit_code == ExitCode::no_such_target);
}

TEST_CASE("this host goes into a list first and out of it last") {
    AskedTarget target;
    target.mtu_bytes = 14 + 3 * 8; // three directives a frame
    const MacList macs = {other_host, third_host, this_host};
    CHECK(edit_masks(target.administered(), adding(macs)) ==
          MacList{this_host, other_host, third_host});
    CHECK(target.changes_count == 1);
    CHECK(contains(refused(target, adding({{{2, 0, 0, 0, 0, 4}}})), "a frame of this MTU holds 3"));
}

TEST_CASE("a long list takes several frames") {
    AskedTarget target;
    target.mtu_bytes = 9000;
    MacList macs = numbered(254);
    macs.push_back(this_host);
    CHECK(edit_masks(target.administered(), adding(macs))->size() == 255);
    CHECK(contains(refused(target, adding({other_host})), "the list holds 255"));
    // 185 entries fit into 1500 octets, so clearing what a wider path set takes two frames there.
    target.mtu_bytes = 9000;
    CHECK(edit_masks(target.administered(), {.clear = true, .own_macs = {this_host}})->empty());
    target.mtu_bytes = 1500;
    CHECK(contains(refused(target, adding(macs)), "a frame of this MTU holds 185"));
    MacList fits = numbered(184);
    fits.push_back(this_host);
    CHECK(edit_masks(target.administered(), adding(fits))->size() == 185);
    target.changes_count = 0;
    MaskEdit swap{.add = numbered(0), .remove = fits, .own_macs = {this_host}};
    swap.add = {other_host};
    swap.lock_out = true;
    CHECK(edit_masks(target.administered(), swap) == MacList{other_host});
    CHECK(target.changes_count == 2); // 186 directives
}

TEST_CASE("the directive that a target stops at is named") {
    auto config = with_masks({this_host});
    config.quirks.mask_list_max = 2;
    AskedTarget target(config);
    const auto full =
        edit_masks(target.administered(), adding({other_host, third_host, {{2, 0, 0, 0, 0, 4}}}));
    REQUIRE_FALSE(full.has_value());
    CHECK(full.error().line() ==
          "cannot change the MAC mask list of 1.0: the target's list is full at number 2 of 3, "
          "02:00:00:00:00:03; the one before it is done; `uaoe mask list 1.0` shows what is there");
    CHECK(read_masks(target.administered()) == MacList{this_host, other_host});
}

TEST_CASE("what a target confirms and does not do is not reported as done") {
    target::LunConfig config;
    config.quirks.lists_ignored = true;
    AskedTarget target(config);
    const auto edited = edit_masks(target.administered(), adding({this_host}));
    REQUIRE_FALSE(edited.has_value());
    CHECK(contains(edited.error().line(), "its list is another one now"));
}

TEST_CASE("targets without lists are told apart from those that are gone") {
    target::LunConfig config;
    config.quirks.lists_silent = true;
    AskedTarget silent(config);
    const auto unanswered = read_masks(silent.administered());
    CHECK(unanswered.error().exit_code == ExitCode::failed);
    CHECK(contains(unanswered.error().line(), "answers Query Config, and not this"));
    config.quirks = {};
    config.quirks.lists_unknown = true;
    AskedTarget unknown(config);
    CHECK(contains(read_masks(unknown.administered()).error().line(), "does not know the command"));
    AskedTarget masked(with_masks({other_host}));
    CHECK(read_masks(masked.administered()).error().exit_code == ExitCode::no_such_target);
}

TEST_CASE("answers that contradict themselves are no lists") {
    AskedTarget target;
    Administered one = target.administered();
    for (const std::vector<unsigned>& bytes :
         {std::vector<unsigned>{0, 0}, {0, 0, 0, 1}, {0, 0, 0, 2, 0, 0, 2, 0, 0, 0, 0, 1}}) {
        one.ask = [&](const initiator::AdminQuestion&) {
            initiator::AdminAnswer answer{.mtu_bytes = 1500};
            for (const unsigned byte : bytes) {
                answer.argument.push_back(static_cast<std::byte>(byte));
            }
            return answer;
        };
        CHECK(contains(read_masks(one).error().line(), "contradicts itself"));
    }
}

TEST_CASE("what crashes vblade or damages its list is not asked of it") {
    proto::Identify identify;
    const auto named = [&](std::string_view model, std::string_view firmware) {
        identify = {};
        std::ranges::copy(model, identify.model.characters.begin());
        identify.model.length = static_cast<std::uint8_t>(model.size());
        std::ranges::copy(firmware, identify.firmware.characters.begin());
        identify.firmware.length = static_cast<std::uint8_t>(firmware.size());
        return damages_mask_lists(identify);
    };
    CHECK(named("Coraid EtherDrive vblade", "V25"));
    CHECK(named("Coraid EtherDrive vblade", "V9"));
    CHECK_FALSE(named("Coraid EtherDrive vblade", "V26"));
    CHECK_FALSE(named("Coraid EtherDrive vblade", "25"));
    CHECK_FALSE(named("Coraid SRX", "V25"));

    AskedTarget target(with_masks({this_host}));
    Administered one = target.administered();
    one.damages_mask_lists = true;
    CHECK(edit_masks(one, adding({other_host}))->size() == 2);
    CHECK(contains(edit_masks(one, adding({third_host})).error().line(), "more than 2 addresses"));
    CHECK(contains(edit_masks(one, removing({other_host})).error().line(), "crashes"));
    CHECK(contains(edit_masks(one, {.clear = true, .own_macs = {this_host}}).error().line(),
                   "crashes"));
    CHECK(edit_masks(one, adding({other_host}))->size() == 2); // nothing to do
    CHECK(target.changes_count == 1);
}
