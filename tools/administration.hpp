// Asking a target administrative questions, step by step. The steps know no network: they get a
// function that asks, so tests answer by hand. What they print is in admin_text.hpp.
#pragma once

#include "initiator/admin_question.hpp"
#include "initiator/linux/error.hpp"
#include "proto/frame.hpp"
#include "proto/identify.hpp"

#include <expected>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace uaoe::tools {

// An answer, which may be silence. An error: the question could not be asked at all.
using Ask =
    std::function<std::expected<initiator::AdminAnswer, Error>(initiator::AdminQuestion question)>;

// A target, and what is needed to speak of it.
struct Administered {
    proto::Address address;
    initiator::Duration patience = std::chrono::seconds{3}; // for each answer
    // vblade up to version 25: see mask_steps.cpp.
    bool damages_mask_lists = false;
    bool has_smart_off = false; // its disk can SMART, and it is switched off
    Ask ask;
};

// By what IDENTIFY says.
[[nodiscard]] bool damages_mask_lists(const proto::Identify& identify);

using MacList = std::vector<proto::MacAddress>;

// ---- administration.cpp: what all of them need ----

// The argument of a question, made by one of proto::write_*, which write a header before it.
[[nodiscard]] std::vector<std::byte>
argument_of(const std::function<std::size_t(proto::Bytes)>& write);

// An answer that is none of silence. Silence is told apart from a target that is gone by asking for
// its config string, which each target answers. `what`: "cannot read the MAC mask list of 1.0".
[[nodiscard]] std::expected<initiator::AdminAnswer, Error>
ask_firmly(const Administered& target, initiator::AdminQuestion question, std::string_view what);

// What an AoE error says, for `what` above.
[[nodiscard]] Error aoe_error(const Administered& target, proto::AoeError error,
                              std::string_view what);
[[nodiscard]] Error nonsense_error(std::string_view what); // an answer that contradicts itself

// ---- config_steps.cpp ----
[[nodiscard]] std::expected<std::string, Error> read_config_string(const Administered& target);
// Refuses when there is another one, and says which, unless `force`. An empty one needs `force`.
[[nodiscard]] std::expected<void, Error> set_config_string(const Administered& target,
                                                           const std::string& wanted, bool force);
struct ConfigTest {
    bool matches = false;
    std::string present;
};
[[nodiscard]] std::expected<ConfigTest, Error>
test_config_string(const Administered& target, const std::string& wanted, bool is_prefix);

// ---- mask_steps.cpp ----
[[nodiscard]] std::expected<MacList, Error> read_masks(const Administered& target);
struct MaskEdit {
    MacList add{};
    MacList remove{};
    bool clear = false;    // removes all that is there; then add and remove are empty
    MacList own_macs{};    // of this host; see `lock_out`
    bool lock_out = false; // although the target would not hear this host any more
};
// The list as it is then.
[[nodiscard]] std::expected<MacList, Error> edit_masks(const Administered& target,
                                                       const MaskEdit& edit);

// ---- reserve_steps.cpp ----
[[nodiscard]] std::expected<MacList, Error> read_reservation(const Administered& target);
// An empty list releases. Refuses when others have it reserved, and says who, unless `force`.
[[nodiscard]] std::expected<void, Error> set_reservation(const Administered& target,
                                                         const MacList& wanted, bool force);

} // namespace uaoe::tools
