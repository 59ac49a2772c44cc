// The kernel's ublk interface (include/uapi/linux/ublk_cmd.h), as far as a server needs it. Our own
// copy, because Debian 12's header is that of 6.1, where half of this does not exist yet. Native
// byte order; all of it is fixed for ever by the kernel's rules for its interfaces.
#pragma once

#include <cstddef>
#include <cstdint>

namespace uaoe::blockdev::ublk {

// ---- control commands, on /dev/ublk-control ----

struct ControlCommand { // ublksrv_ctrl_cmd, in the second half of a 128-byte SQE
    std::uint32_t device_id = ~0U;
    std::uint16_t queue_id = 0xffff; // what it must be in commands about no queue
    std::uint16_t payload_bytes = 0;
    std::uint64_t payload_address = 0;
    std::uint64_t data = 0;
    std::uint16_t device_path_bytes = 0;
    std::uint16_t pad = 0;
    std::uint32_t reserved = 0;
};
static_assert(sizeof(ControlCommand) == 32 && offsetof(ControlCommand, data) == 16);

struct DeviceInfo { // ublksrv_ctrl_dev_info
    std::uint16_t queues_count = 1;
    std::uint16_t queue_depth = 0;
    std::uint16_t state = 0;
    std::uint16_t pad0 = 0;
    std::uint32_t io_bytes_max = 0;
    std::uint32_t device_id = ~0U; // ADD_DEV: the driver picks one
    std::int32_t server_pid = -1;
    std::uint32_t pad1 = 0;
    std::uint64_t flags = 0;
    std::uint64_t server_flags = 0; // the driver keeps it and does not look at it
    std::uint32_t owner_uid = 0;
    std::uint32_t owner_gid = 0;
    std::uint64_t reserved1 = 0;
    std::uint64_t reserved2 = 0;
};
static_assert(sizeof(DeviceInfo) == 64 && offsetof(DeviceInfo, io_bytes_max) == 8 &&
              offsetof(DeviceInfo, flags) == 24 && offsetof(DeviceInfo, owner_uid) == 40);

enum class DeviceState : std::uint16_t { dead, live, quiesced, fail_io };

struct BasicParams { // ublk_param_basic
    std::uint32_t attributes = 0;
    std::uint8_t logical_block_shift = 9;
    std::uint8_t physical_block_shift = 9;
    std::uint8_t io_optimal_shift = 9;
    std::uint8_t io_min_shift = 9;
    std::uint32_t sectors_max = 0; // of 512 bytes, as everywhere here
    std::uint32_t chunk_sectors = 0;
    std::uint64_t device_sectors = 0;
    std::uint64_t virt_boundary_mask = 0;
};
static_assert(sizeof(BasicParams) == 32 && offsetof(BasicParams, device_sectors) == 16);

inline constexpr std::uint32_t attribute_read_only = 1U << 0U;
inline constexpr std::uint32_t attribute_rotational = 1U << 1U;
inline constexpr std::uint32_t attribute_volatile_cache = 1U << 2U;
inline constexpr std::uint32_t attribute_fua = 1U << 3U;

struct DiscardParams { // ublk_param_discard
    std::uint32_t alignment = 0;
    std::uint32_t granularity = 0; // bytes; not zero, discard or not
    std::uint32_t discard_sectors_max = 0;
    std::uint32_t write_zeroes_sectors_max = 0;
    std::uint16_t discard_segments_max = 0; // 1 where there is discard
    std::uint16_t reserved = 0;
};
static_assert(sizeof(DiscardParams) == 20);

struct Params { // ublk_params, its first two parts; the kernel goes by `bytes`
    std::uint32_t bytes = sizeof(Params);
    std::uint32_t types = 0;
    BasicParams basic;
    DiscardParams discard;
    std::uint32_t pad = 0;
};
static_assert(sizeof(Params) == 64 && offsetof(Params, basic) == 8 &&
              offsetof(Params, discard) == 40);

inline constexpr std::uint32_t params_basic = 1U << 0U;
inline constexpr std::uint32_t params_discard = 1U << 1U;

// The number is the old opcode, which kernels before 6.5 know alone; `code` is what newer ones
// want.
struct CommandCode {
    std::uint8_t number;
    std::uint32_t code;
};

// _IOC() of <asm-generic/ioctl.h>.
[[nodiscard]] constexpr CommandCode make_command(bool also_write, std::uint8_t number,
                                                 std::uint32_t argument_bytes) {
    const std::uint32_t direction = also_write ? 3U : 2U;
    return {number, direction << 30U | argument_bytes << 16U | std::uint32_t{'u'} << 8U | number};
}

namespace command {
inline constexpr auto add = make_command(true, 0x04, sizeof(ControlCommand));
inline constexpr auto remove = make_command(true, 0x05, sizeof(ControlCommand));
inline constexpr auto start = make_command(true, 0x06, sizeof(ControlCommand));
inline constexpr auto stop = make_command(true, 0x07, sizeof(ControlCommand));
inline constexpr auto set_params = make_command(true, 0x08, sizeof(ControlCommand));
inline constexpr auto read_params = make_command(false, 0x09, sizeof(ControlCommand));
inline constexpr auto read_info = make_command(false, 0x02, sizeof(ControlCommand));
inline constexpr auto start_recovery = make_command(true, 0x10, sizeof(ControlCommand));
inline constexpr auto end_recovery = make_command(true, 0x11, sizeof(ControlCommand));
inline constexpr auto features = make_command(false, 0x13, sizeof(ControlCommand));
inline constexpr auto remove_async = make_command(false, 0x14, sizeof(ControlCommand));
inline constexpr auto update_size = make_command(true, 0x15, sizeof(ControlCommand));
} // namespace command
static_assert(command::features.code == 0x80207513U && command::add.code == 0xc0207504U);

inline constexpr std::uint64_t feature_get_data = 1U << 2U;
inline constexpr std::uint64_t feature_recovery = 1U << 3U;
inline constexpr std::uint64_t feature_recovery_reissue = 1U << 4U;
inline constexpr std::uint64_t feature_ioctl_encode = 1U << 6U;
inline constexpr std::uint64_t feature_update_size = 1U << 10U;

// ---- I/O commands, on /dev/ublkcN ----

struct IoDescriptor { // ublksrv_io_desc: what the kernel asks, by tag
    std::uint32_t operation_flags = 0;
    std::uint32_t sectors_count = 0;
    std::uint64_t sector_first = 0;
    std::uint64_t address = 0;
};
static_assert(sizeof(IoDescriptor) == 24);

inline constexpr std::uint32_t io_operation_mask = 0xff;
inline constexpr std::uint32_t io_read = 0;
inline constexpr std::uint32_t io_write = 1;
inline constexpr std::uint32_t io_flush = 2;
inline constexpr std::uint32_t io_discard = 3;
inline constexpr std::uint32_t io_write_zeroes = 5;
inline constexpr std::uint32_t io_flag_fua = 1U << 13U;

struct IoCommand { // ublksrv_io_cmd, at the end of an ordinary SQE
    std::uint16_t queue_id = 0;
    std::uint16_t tag = 0;
    std::int32_t result = 0;
    std::uint64_t address = 0;
};
static_assert(sizeof(IoCommand) == 16);

namespace command {
inline constexpr auto fetch = make_command(true, 0x20, sizeof(IoCommand));
inline constexpr auto commit_and_fetch = make_command(true, 0x21, sizeof(IoCommand));
inline constexpr auto get_data = make_command(true, 0x22, sizeof(IoCommand));
} // namespace command

// What a command completes with, but for -errno.
inline constexpr int result_ok = 0;
inline constexpr int result_get_data = 1; // a write, whose data waits for get_data

// In /dev/ublkcN, of queue 0; mapped.
inline constexpr std::uint64_t descriptors_offset = 0;

inline constexpr unsigned sector_shift = 9;
inline constexpr std::uint16_t queue_depth_max = 4096;
inline constexpr std::uint32_t io_bytes_max = 32U << 20U;

} // namespace uaoe::blockdev::ublk
