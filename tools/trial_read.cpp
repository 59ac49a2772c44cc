// The trial read.
#include "tools/trial_read.hpp"

#include <algorithm>
#include <future>
#include <vector>

namespace uaoe::tools {

using namespace std::chrono_literals;

namespace {

class Trial final : public initiator::RequestOwner {
  public:
    explicit Trial(std::size_t sector_bytes) : buffer_(sector_bytes) {
        request.operation = initiator::Operation::read;
        request.sectors = {1};
        request.buffer = buffer_;
        request.owner = this;
    }
    void handle_completion(initiator::Request& /*request*/) override { done_.set_value(); }
    std::future<void> done() { return done_.get_future(); }
    initiator::Request request;

  private:
    std::vector<std::byte> buffer_;
    std::promise<void> done_;
};

} // namespace

std::expected<bool, Error> trial_read(ShardHost& host, initiator::Device& device,
                                      std::chrono::seconds wait,
                                      const std::function<bool()>& interrupted) {
    Trial trial(device.info().sector_bytes);
    const auto done = trial.done();
    host.call([&] { device.submit(trial.request); });
    const auto is_interrupted = [&] { return interrupted && interrupted(); };
    const auto end = std::chrono::steady_clock::now() + std::max(wait, 1s);
    bool answered = false;
    do {
        answered = done.wait_for(50ms) == std::future_status::ready;
    } while (!answered && !is_interrupted() && std::chrono::steady_clock::now() < end);
    if (answered && trial.request.status == initiator::Status::ok) {
        return true;
    }
    const proto::Address address = device.info().address;
    host.call([&] { host.shard().detach(device); }); // the request comes back now, if it has not
    if (!answered && is_interrupted()) {
        return false;
    }
    return std::unexpected(
        trial_read_error(address, answered ? trial.request.status : initiator::Status::timed_out));
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
