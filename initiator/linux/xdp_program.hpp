// The XDP program of a shard on one interface: hands the answers to this shard's commands to AF_XDP
// sockets, and every other frame on to the kernel. Attached by a BPF link, so the kernel takes it
// off when the process ends, however it ends.
#pragma once

#include "initiator/linux/error.hpp"
#include "proto/aoe.hpp"

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

namespace uaoe::initiator {

// "cannot use AF_XDP on eth1: ...": what every refusal of this link begins with.
[[nodiscard]] Error xdp_error(const std::string& interface_name, std::string why,
                              std::string what_to_do);
// The same of a system call that failed with `error` (errno).
[[nodiscard]] Error xdp_error(const std::string& interface_name, const std::string& step,
                              int error);

struct XdpProgramConfig {
    std::string interface_name;
    int ifindex = 0;
    proto::MacAddress mac; // of the interface
    std::uint32_t shard = 0;
    std::uint32_t queues_count = 1;
    bool in_driver = true; // where it has XDP
};

class XdpProgram {
  public:
    // In the driver, or where that cannot be, in the kernel's generic receive path. Some drivers
    // reset the NIC when a program is attached in them.
    static std::expected<std::unique_ptr<XdpProgram>, Error> attach(const XdpProgramConfig& config);
    ~XdpProgram();
    XdpProgram(const XdpProgram&) = delete;
    XdpProgram& operator=(const XdpProgram&) = delete;

    // Frames of receive queue `queue` go to this AF_XDP socket from now on; without it they are
    // handed on to the kernel. False with errno.
    [[nodiscard]] bool set_socket(std::uint32_t queue, int socket);

    [[nodiscard]] bool is_in_driver() const { return is_in_driver_; }

  private:
    XdpProgram() = default;
    int map_ = -1;
    int program_ = -1;
    int link_ = -1;
    bool is_in_driver_ = false;
};

} // namespace uaoe::initiator
