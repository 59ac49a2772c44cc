// What happens to a LUN that is served, as lines of the log.
#pragma once

#include "initiator/status.hpp"
#include "tools/interface.hpp"
#include "tools/log_line.hpp"

#include <functional>
#include <string>
#include <vector>

namespace uaoe::tools {

class ServeReporter {
  public:
    using Print = std::function<void(const LogLine&)>;

    // `fail_after`: zero is for ever.
    ServeReporter(proto::Address address, initiator::Duration fail_after,
                  std::vector<Interface> interfaces, Print print);

    void handle(initiator::Time now, const initiator::Event& event);

  private:
    [[nodiscard]] LogLine line_of(initiator::Time now, const initiator::Event& event);
    [[nodiscard]] LogLine device_line(initiator::Time now, initiator::DeviceState state);
    [[nodiscard]] std::string interface_name(const initiator::Event& event) const;

    proto::Address address_;
    initiator::Duration fail_after_;
    std::vector<Interface> interfaces_;
    Print print_;
    initiator::Time silent_since_;
    bool silent_ = false;
};

} // namespace uaoe::tools
