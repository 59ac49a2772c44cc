// What `uaoe serve` says while it serves: a line for each change of its target, and not more than a
// person can read.
#pragma once

#include "initiator/status.hpp"
#include "tools/interface.hpp"

#include <functional>
#include <string>
#include <vector>

namespace uaoe::tools {

class ServeReporter {
  public:
    using Print = std::function<void(const std::string&)>;

    // `fail_after`: zero is for ever.
    ServeReporter(proto::Address address, initiator::Duration fail_after,
                  std::vector<Interface> interfaces, Print print);

    void handle(initiator::Time now, const initiator::Event& event);

  private:
    [[nodiscard]] std::string text_of(initiator::Time now, const initiator::Event& event);
    [[nodiscard]] std::string device_text(initiator::Time now, initiator::DeviceState state);
    [[nodiscard]] std::string path_name(const initiator::Event& event) const;

    proto::Address address_;
    initiator::Duration fail_after_;
    std::vector<Interface> interfaces_;
    Print print_;
    initiator::Time silent_since_;
    bool silent_ = false;
    initiator::Time second_begin_;
    unsigned lines_in_second_count_ = 0;
    unsigned suppressed_count_ = 0;
};

} // namespace uaoe::tools
