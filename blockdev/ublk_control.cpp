// Commands, their time limit, and their errors.
#include "blockdev/ublk_control.hpp"

#include "blockdev/ublk_kernel.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <span>
#include <thread>
#include <unistd.h>

namespace uaoe::blockdev {

namespace {

using namespace std::chrono_literals;

constexpr auto give_up_interval = 20ms;
constexpr auto recovery_interval = 100ms;

constexpr std::uint64_t mark_magic = 0x75616f65; // "uaoe"

std::uint64_t own_pid() {
    return static_cast<std::uint64_t>(getpid());
}

// A zombie is not: it has given up all it had.
bool is_alive(std::int32_t pid) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    if (!std::getline(stat, line)) {
        return false;
    }
    const auto name_end = line.rfind(')'); // "PID (NAME) STATE ...", where NAME may be anything
    return name_end != std::string::npos && name_end + 2 < line.size() &&
           line[name_end + 2] != 'Z' && line[name_end + 2] != 'X';
}

using Answer = std::expected<std::vector<std::byte>, Error>;

template <typename Struct>
std::expected<Struct, Error> as_struct(const Answer& answer) {
    if (!answer) {
        return std::unexpected(answer.error());
    }
    Struct value;
    std::memcpy(&value, answer->data(), sizeof(value));
    return value;
}

std::expected<void, Error> as_done(const Answer& answer) {
    if (!answer) {
        return std::unexpected(answer.error());
    }
    return {};
}

} // namespace

std::uint64_t ublk_mark(proto::Address address) {
    return mark_magic << 32U | std::uint64_t{address.shelf} << 8U | address.slot;
}

std::optional<proto::Address> marked_address(std::uint64_t server_flags) {
    if (server_flags >> 32U != mark_magic) {
        return std::nullopt;
    }
    return proto::Address{.shelf = static_cast<std::uint16_t>(server_flags >> 8U),
                          .slot = static_cast<std::uint8_t>(server_flags)};
}

std::expected<std::unique_ptr<UblkControl>, Error> UblkControl::open() {
    auto kernel = UblkKernel::open();
    if (!kernel) {
        return std::unexpected(std::move(kernel.error()));
    }
    return open(std::move(*kernel));
}

std::expected<std::unique_ptr<UblkControl>, Error>
UblkControl::open(std::unique_ptr<UblkDriver> driver, std::chrono::milliseconds time_max) {
    std::unique_ptr<UblkControl> control(new UblkControl(std::move(driver), time_max));
    std::uint64_t features = 0;
    const auto call = std::make_shared<UblkCall>(ublk::command::features.code, ~0U, 0,
                                                 std::as_bytes(std::span(&features, 1)));
    control->driver_->start(call);
    const auto outcome = call->wait(time_max);
    if (outcome == 0) {
        std::memcpy(&control->features_, call->payload.data(), sizeof(control->features_));
    } else if (outcome == -EOPNOTSUPP || outcome == -EINVAL) {
        // Before 6.5: the first opcodes, and nothing that came later.
        control->features_ = ublk::feature_recovery | ublk::feature_recovery_reissue;
    } else {
        Error error = control->explain("ask about", 0, outcome);
        error.what = "cannot use ublk";
        return std::unexpected(std::move(error));
    }
    return control;
}

Error UblkControl::explain(const char* verb, std::uint32_t id, std::optional<int> outcome) const {
    Error error{
        .what = std::string("cannot ") + verb +
                (id == ~0U ? std::string(" a ublk device") : " ublk device " + std::to_string(id)),
        .why = {},
        .what_to_do = "`dmesg` may say more"};
    if (!outcome) {
        error.why =
            "the kernel has not done it within " +
            std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time_max_).count()) +
            " s";
        error.what_to_do = "see `dmesg` for a task that hangs in ublk; ending this process frees "
                           "what it holds";
        return error;
    }
    error.why = std::strerror(-*outcome);
    if (*outcome == -EPERM || *outcome == -EACCES) {
        error.what_to_do = "run it as root: it needs CAP_SYS_ADMIN";
        error.exit_code = ExitCode::no_permission;
    } else if (*outcome == -ENODEV) {
        error.why = "there is no such device";
        error.what_to_do = "/dev/ublkc* are those there are";
        error.exit_code = ExitCode::no_such_target;
    }
    return error;
}

std::shared_ptr<UblkCall> UblkControl::begin(ublk::CommandCode code, std::uint32_t id,
                                             std::uint64_t data,
                                             std::span<const std::byte> payload) {
    auto call = std::make_shared<UblkCall>(opcode(code), id, data, payload);
    driver_->start(call);
    return call;
}

std::expected<std::vector<std::byte>, Error>
UblkControl::run(const char* verb, ublk::CommandCode code, std::uint32_t id, std::uint64_t data,
                 std::span<const std::byte> payload, const std::function<bool()>& give_up) {
    const auto call = begin(code, id, data, payload);
    const auto end = std::chrono::steady_clock::now() + time_max_;
    std::optional<int> outcome;
    if (!give_up) {
        outcome = call->wait(time_max_);
    }
    while (!outcome && give_up && !give_up() && std::chrono::steady_clock::now() < end) {
        outcome = call->wait(give_up_interval);
    }
    if (!outcome || *outcome < 0) {
        return std::unexpected(explain(verb, id, outcome));
    }
    return std::move(call->payload);
}

std::vector<UblkControl::Listed> UblkControl::list() {
    std::vector<Listed> listed;
    for (const std::uint32_t id : driver_->device_ids()) {
        if (const auto known = info(id)) { // else it has just gone
            listed.push_back({.id = id,
                              .state = static_cast<ublk::DeviceState>(known->state),
                              .server_pid = known->server_pid,
                              .recoverable = (known->flags & ublk::feature_recovery) != 0,
                              .address = marked_address(known->server_flags)});
        }
    }
    return listed;
}

std::expected<void, Error> UblkControl::remove(std::uint32_t id) {
    const auto known = info(id);
    if (!known) {
        return std::unexpected(known.error());
    }
    const auto state = static_cast<ublk::DeviceState>(known->state);
    const bool served = state == ublk::DeviceState::live ||
                        (state != ublk::DeviceState::dead && is_alive(known->server_pid));
    if (served) {
        return std::unexpected(
            Error{.what = "cannot remove ublk device " + std::to_string(id),
                  .why = "process " + std::to_string(known->server_pid) + " serves it",
                  .what_to_do = "detach it there, or end that process"});
    }
    return delete_device(id);
}

std::expected<ublk::DeviceInfo, Error> UblkControl::add(const ublk::DeviceInfo& wanted) {
    return as_struct<ublk::DeviceInfo>(
        run("add", ublk::command::add, wanted.device_id, 0, std::as_bytes(std::span(&wanted, 1))));
}

std::expected<ublk::DeviceInfo, Error> UblkControl::info(std::uint32_t id) {
    const ublk::DeviceInfo room;
    return as_struct<ublk::DeviceInfo>(
        run("ask about", ublk::command::read_info, id, 0, std::as_bytes(std::span(&room, 1))));
}

std::expected<void, Error> UblkControl::set_params(std::uint32_t id, const ublk::Params& params) {
    return as_done(
        run("describe", ublk::command::set_params, id, 0, std::as_bytes(std::span(&params, 1))));
}

std::expected<ublk::Params, Error> UblkControl::params(std::uint32_t id) {
    const ublk::Params room;
    return as_struct<ublk::Params>(
        run("ask about", ublk::command::read_params, id, 0, std::as_bytes(std::span(&room, 1))));
}

std::expected<void, Error> UblkControl::start(std::uint32_t id,
                                              const std::function<bool()>& give_up) {
    return as_done(run("start", ublk::command::start, id, own_pid(), {}, give_up));
}

std::expected<void, Error> UblkControl::end_recovery(std::uint32_t id,
                                                     const std::function<bool()>& give_up) {
    return as_done(run("recover", ublk::command::end_recovery, id, own_pid(), {}, give_up));
}

// EBUSY until the dead server's last command has been aborted and its descriptor is closed.
std::expected<void, Error> UblkControl::start_recovery(std::uint32_t id) {
    const auto end = std::chrono::steady_clock::now() + time_max_;
    std::optional<int> outcome;
    while (true) {
        outcome = begin(ublk::command::start_recovery, id, own_pid(), {})->wait(time_max_);
        if (outcome && *outcome >= 0) {
            return {};
        }
        if (outcome != -EBUSY || std::chrono::steady_clock::now() >= end) {
            break;
        }
        std::this_thread::sleep_for(recovery_interval);
    }
    Error error = explain("recover", id, outcome);
    if (outcome == -EBUSY) {
        error.why = "it is still served";
        error.what_to_do = "end the process that serves it";
    }
    return std::unexpected(std::move(error));
}

std::shared_ptr<UblkCall> UblkControl::begin_stop(std::uint32_t id) {
    return begin(ublk::command::stop, id, 0, {});
}

// DEL_DEV waits for the last opener of the disk, DEL_DEV_ASYNC (6.7) leaves that to the kernel.
std::expected<void, Error> UblkControl::delete_device(std::uint32_t id) {
    if (has(ublk::feature_ioctl_encode)) {
        const auto outcome = begin(ublk::command::remove_async, id, 0, {})->wait(time_max_);
        if (outcome && *outcome >= 0) {
            return {};
        }
        if (outcome != -EOPNOTSUPP) {
            return std::unexpected(explain("delete", id, outcome));
        }
    }
    return as_done(run("delete", ublk::command::remove, id));
}

std::expected<void, Error> UblkControl::update_size(std::uint32_t id, std::uint64_t sectors_count) {
    if (!has(ublk::feature_update_size)) {
        return std::unexpected(Error{.what = "cannot resize ublk device " + std::to_string(id),
                                     .why = "this kernel's ublk cannot (6.16 can)",
                                     .what_to_do = "detach the device and attach it again"});
    }
    return as_done(run("resize", ublk::command::update_size, id, sectors_count));
}

} // namespace uaoe::blockdev
