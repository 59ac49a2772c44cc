// One sector read before a LUN is served: a target that is reserved or whose disk is gone says so
// to reads, not to IDENTIFY.
#pragma once

#include "initiator/linux/error.hpp"
#include "tools/shard_host.hpp"

#include <chrono>
#include <expected>
#include <functional>

namespace uaoe::tools {

// Sector 0, once; not on the shard's thread. True: it can be read. False: interrupted. Whenever it
// is not true the device has been detached, because the request must not outlive its buffer.
[[nodiscard]] std::expected<bool, Error> trial_read(ShardHost& host, initiator::Device& device,
                                                    std::chrono::seconds wait,
                                                    const std::function<bool()>& interrupted);

[[nodiscard]] Error trial_read_error(proto::Address address, initiator::Status status);

} // namespace uaoe::tools
