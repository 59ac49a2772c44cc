// The engine's view of a Request: the fields that front ends do not see, and the containers
// requests are kept in.
#pragma once

#include "initiator/request.hpp"

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>

namespace uaoe::initiator {

class RequestState {
  public:
    // FIFO of requests that wait for the same thing. A request is in at most one.
    using Queue = boost::intrusive::list<
        Request, boost::intrusive::member_hook<Request, boost::intrusive::list_member_hook<>,
                                               &Request::queue_hook_>>;
    // Unfinished writes of a device, oldest first.
    using Writes = boost::intrusive::list<
        Request, boost::intrusive::member_hook<Request, boost::intrusive::list_member_hook<>,
                                               &Request::writes_hook_>>;
    struct ByLba {
        using type = std::uint64_t;
        type operator()(const Request& request) const { return request.lba.value; }
    };
    // Admitted writes of a device. Their ranges do not overlap: that is what admission means.
    using Ranges = boost::intrusive::set<
        Request,
        boost::intrusive::member_hook<Request, boost::intrusive::set_member_hook<>,
                                      &Request::range_hook_>,
        boost::intrusive::key_of_value<ByLba>>;

    static std::uint64_t& sequence(Request& request) { return request.sequence_; }
    static SectorCount& unsent(Request& request) { return request.unsent_; }
    static std::uint32_t& commands_count(Request& request) { return request.commands_count_; }
    static Time& submitted_at(Request& request) { return request.submitted_at_; }
    static bool is_queued(const Request& request) { return request.queue_hook_.is_linked(); }
    static bool is_unfinished_write(const Request& request) {
        return request.writes_hook_.is_linked();
    }
    static bool is_admitted(const Request& request) { return request.range_hook_.is_linked(); }
};

[[nodiscard]] constexpr bool changes_data(Operation operation) {
    return operation == Operation::write || operation == Operation::discard ||
           operation == Operation::write_zeroes;
}

[[nodiscard]] inline bool overlaps(Lba a, SectorCount a_sectors, Lba b, SectorCount b_sectors) {
    return a.value < b.value + b_sectors.value && b.value < a.value + a_sectors.value;
}

} // namespace uaoe::initiator
