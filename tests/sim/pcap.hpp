// Every frame of a run as a classic pcap file with virtual time stamps; Wireshark and tcpdump know
// AoE.
#pragma once

#include "initiator/time.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>

namespace uaoe::sim {

class PcapWriter {
  public:
    explicit PcapWriter(const std::string& path) : file_(std::fopen(path.c_str(), "wb")) {
        // Nanosecond magic, version 2.4, no time zone, snap length, Ethernet.
        const std::uint32_t header[] = {0xa1b23c4d, 0x00040002, 0, 0, 65535, 1};
        put(header, sizeof(header));
    }
    ~PcapWriter() {
        if (file_ != nullptr) {
            std::fclose(file_);
        }
    }
    PcapWriter(const PcapWriter&) = delete;
    PcapWriter& operator=(const PcapWriter&) = delete;

    void write(initiator::Time time, std::span<const std::byte> frame) {
        const auto nanoseconds = time.time_since_epoch().count();
        const auto size = static_cast<std::uint32_t>(frame.size());
        const std::uint32_t header[] = {static_cast<std::uint32_t>(nanoseconds / 1'000'000'000),
                                        static_cast<std::uint32_t>(nanoseconds % 1'000'000'000),
                                        size, size};
        put(header, sizeof(header));
        put(frame.data(), frame.size());
    }

  private:
    void put(const void* data, std::size_t bytes) {
        if (file_ != nullptr) {
            std::fwrite(data, 1, bytes, file_);
        }
    }
    std::FILE* file_;
};

} // namespace uaoe::sim
