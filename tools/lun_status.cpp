// What a LUN says of itself, for `uaoe show` and metrics.
#include "tools/lun.hpp"

namespace uaoe::tools {

std::optional<ShowStatus> Lun::show_status() const {
    initiator::Device* const device = device_;
    if (device == nullptr) {
        return std::nullopt;
    }
    initiator::Engine& engine = host_.shard().engine();
    return ShowStatus{.device = engine.device_status(host_.shard().index_of(*device)),
                      .target = *engine.target(state_.address),
                      .counters = engine.counters(),
                      .front_end = std::string(front_end_text(state_.options.front_end)),
                      .device_name = name()};
}

std::optional<ShowStatus> Lun::show_everything() const {
    auto status = show_status();
    if (status) {
        status->ports = host_.shard().port_statuses();
    }
    return status;
}

} // namespace uaoe::tools
