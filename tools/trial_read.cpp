// The trial read.
#include "tools/trial_read.hpp"

#include "initiator/linux/clock.hpp"

#include <algorithm>
#include <vector>

namespace uaoe::tools {

using namespace std::chrono_literals;

namespace {

class TrialOwner final : public initiator::RequestOwner {
  public:
    void handle_completion(initiator::Request& /*request*/) override { done = true; }
    bool done = false;
};

} // namespace

std::expected<bool, Error> trial_read(initiator::Shard& shard, initiator::Device& device,
                                      initiator::Duration wait,
                                      const std::function<bool()>& interrupted) {
    TrialOwner owner;
    std::vector<std::byte> buffer(device.info().sector_bytes);
    initiator::Request request;
    request.operation = initiator::Operation::read;
    request.sectors = {1};
    request.buffer = buffer;
    request.owner = &owner;
    device.submit(request);
    const initiator::Time end = initiator::clock_now() + std::max<initiator::Duration>(wait, 1s);
    const auto ended = [&] { return owner.done || interrupted(); };
    while (!ended() && initiator::clock_now() < end) {
        shard.run_until(ended, 50ms);
    }
    const proto::Address address = device.info().address;
    const bool answered = owner.done;
    if (answered && request.status == initiator::Status::ok) {
        return true;
    }
    shard.detach(device); // the request comes back now, if it has not
    if (!answered && interrupted()) {
        return false;
    }
    return std::unexpected(
        trial_read_error(address, answered ? request.status : initiator::Status::timed_out));
}

Error trial_read_error(proto::Address address, initiator::Status status) {
    Error error{.what = "cannot read from " + proto::to_string(address),
                .why = "its disk reports an error",
                .what_to_do = "check the disk on the target"};
    switch (status) {
    case initiator::Status::reserved:
        error.why = "it is reserved by another initiator";
        error.what_to_do = "release it there, or on the target";
        break;
    case initiator::Status::unavailable:
        error.why = "it says that its disk is unavailable";
        break;
    case initiator::Status::timed_out:
        error.why = "it answers IDENTIFY, but not a read of its first sector";
        error.what_to_do = "check the target and its disk";
        break;
    case initiator::Status::unsupported:
        error.why = "it does not know the command";
        error.what_to_do = "check that it is a disk";
        break;
    case initiator::Status::ok:
    case initiator::Status::io_error:
    case initiator::Status::out_of_range:
    case initiator::Status::read_only:
    case initiator::Status::invalid:
    case initiator::Status::cancelled:
        break;
    }
    return error;
}

} // namespace uaoe::tools
