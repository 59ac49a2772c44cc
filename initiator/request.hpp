// What a front end asks of a device: one request of the block layer.
#pragma once

#include "initiator/time.hpp"
#include "proto/units.hpp"

#include <boost/intrusive/list_hook.hpp>
#include <boost/intrusive/set_hook.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace uaoe::initiator {

using proto::Lba;
using proto::SectorCount;

enum class Operation : std::uint8_t { read, write, flush, discard, write_zeroes };

// How a request ended. Front ends map it to errno or NBD errors in one function each.
enum class Status : std::uint8_t {
    ok,
    io_error,     // the target reported a fault, or answered with less data than asked
    timed_out,    // fail-after ran out
    reserved,     // AoE error 6: another initiator holds the reservation
    unavailable,  // AoE error 3: the target has the LUN but not its disk
    out_of_range, // past the end of the device
    read_only,    // a write to a device served read-only or write-protected
    unsupported,  // the target does not know the command
    invalid,      // zero sectors, or a buffer that does not fit
    cancelled,    // detached while it was under way
};

class Request;

// Gets its requests back. A front end's connection or queue is one.
class RequestOwner {
  public:
    virtual void handle_completion(Request& request) = 0;

  protected:
    ~RequestOwner() = default;
};

// Owned by the front end, lent to the engine from submit() until it comes back by
// poll_completion(). In between neither the fields nor the buffer may be touched, and the object
// must not move.
class Request {
  public:
    Operation operation = Operation::read;
    bool fua = false; // write, write_zeroes: on stable storage before it completes
    Lba lba;
    SectorCount sectors; // read, write: the buffer is exactly as long; flush: ignored
    std::span<std::byte> buffer;
    RequestOwner* owner = nullptr; // not used by the engine
    Status status = Status::ok;    // valid once completed

    Request() = default;
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;

  private:
    friend class RequestState; // initiator/request_state.hpp: the engine's view

    boost::intrusive::list_member_hook<> queue_hook_; // the one queue it waits in
    boost::intrusive::list_member_hook<>
        writes_hook_;                                // its device's unfinished writes, oldest first
    boost::intrusive::set_member_hook<> range_hook_; // its device's admitted write ranges
    std::uint64_t sequence_ = 0;                     // order of submission on its device
    SectorCount unsent_;                             // tail of the range not yet cut into commands
    std::uint32_t commands_count_ = 0;               // cut from it and not finished
    Time submitted_at_;
};

} // namespace uaoe::initiator
