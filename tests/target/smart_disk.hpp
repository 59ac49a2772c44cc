// What the model target's disk knows of itself by SMART.
#pragma once

#include "proto/smart.hpp"

namespace uaoe::target {

struct SmartDisk {
    proto::SmartData data;
    proto::SelfTestLog log;
    std::uint8_t running_test = 0;
    bool is_failing = false;      // RETURN STATUS says so
    bool self_test_fails = false; // with a read error
    bool zeroes_status = false;   // RETURN STATUS leaves zeroes in the LBA registers
    bool wrong_checksums = false;
    bool short_blocks = false; // blocks lack their last 100 bytes

    static SmartDisk sample();

    void look(); // at the data: a running self-test is further then
    bool execute(std::uint8_t test);

  private:
    void end_test();
};

} // namespace uaoe::target
