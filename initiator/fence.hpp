// A finished write of which a copy may still reach the disk; the rules are in fences.cpp.
#pragma once

#include "initiator/request.hpp"
#include "initiator/time.hpp"

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace uaoe::initiator {

struct Command;
struct Path;
struct Target;

struct Fence {
    boost::intrusive::list_member_hook<>
        time_hook; // the one list it is in: lingering, held, or spare
    boost::intrusive::set_member_hook<> lba_hook; // its target's fences

    Target* target = nullptr;
    Lba lba;
    std::uint32_t sectors_max = 0; // of the longest copy
    Time fence_until;              // when no copy can be in the fabric any more
    Time hold_until;               // when no copy is feared in a target either
    bool is_held = false;          // past fence_until

    // The command whose slot still tells an answer to one of its copies. Where slots are short it
    // is given back, and what is left is when the newest copy without an answer was sent on each
    // path.
    struct Copy {
        Path* path = nullptr;
        Time sent_at;
        std::uint64_t order = 0; // of sending on that path
    };
    static constexpr std::size_t copies_max = 6;
    Command* command = nullptr;
    std::array<Copy, copies_max> copies;
    std::uint8_t copies_count = 0;
    bool has_other_copies = false; // on more paths, or on some that are not known any more

    void add_copy(const Copy& copy);
    [[nodiscard]] bool is_up() const { return lba_hook.is_linked(); }
};

using FenceQueue = boost::intrusive::list<
    Fence,
    boost::intrusive::member_hook<Fence, boost::intrusive::list_member_hook<>, &Fence::time_hook>>;

struct FenceByLba {
    using type = std::uint64_t;
    type operator()(const Fence& fence) const { return fence.lba.value; }
};
using Fences = boost::intrusive::multiset<
    Fence,
    boost::intrusive::member_hook<Fence, boost::intrusive::set_member_hook<>, &Fence::lba_hook>,
    boost::intrusive::key_of_value<FenceByLba>>;

} // namespace uaoe::initiator
