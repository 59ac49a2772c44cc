// What happens to a LUN that is served, as lines of the log.
#pragma once

#include "initiator/status.hpp"
#include "tools/log_line.hpp"

#include <functional>
#include <string>

namespace uaoe::tools {

class ServeReporter {
  public:
    using Print = std::function<void(const LogLine&)>;

    // `fail_after`: zero is for ever.
    ServeReporter(proto::Address address, initiator::Duration fail_after, Print print);

    // `interface`: the name of the event's port.
    void handle(initiator::Time now, const initiator::Event& event, const std::string& interface);

  private:
    [[nodiscard]] LogLine line_of(initiator::Time now, const initiator::Event& event,
                                  const std::string& interface);
    [[nodiscard]] LogLine device_line(initiator::Time now, initiator::DeviceState state);

    proto::Address address_;
    initiator::Duration fail_after_;
    Print print_;
    initiator::Time silent_since_;
    bool silent_ = false;
};

} // namespace uaoe::tools
