// Messages to and from the driver. Numbers: linux/nbd-netlink.h.
#include "blockdev/nbd_netlink.hpp"

#include "blockdev/child_process.hpp"
#include "proto/assert.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <netlink/attr.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/handlers.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <utility>

namespace uaoe::blockdev {

namespace {

constexpr const char* family_name = "nbd";
constexpr std::uint8_t family_version = 1;
constexpr std::chrono::milliseconds load_time_max{10'000};

enum Command : std::uint8_t { connect_command = 1, disconnect_command, reconfigure_command };
constexpr std::uint8_t status_command = 5;

enum Attribute : std::uint8_t {
    index_attribute = 1,
    size_attribute,
    block_bytes_attribute,
    timeout_attribute,
    server_flags_attribute,
    client_flags_attribute,
    sockets_attribute,
    dead_connection_attribute,
    device_list_attribute,
    identifier_attribute, // 5.14
    attributes_end,
};
// Within sockets: a list of items, each with a descriptor.
constexpr int socket_item = 1;
constexpr int socket_fd = 1;
// Within the device list: a list of items.
constexpr int device_item = 1;
constexpr int device_index = 1;
constexpr int device_connected = 2;

struct MessageDeleter {
    void operator()(nl_msg* message) const { nlmsg_free(message); }
};
using Message = std::unique_ptr<nl_msg, MessageDeleter>;

Message make_message() {
    Message message(nlmsg_alloc());
    UAOE_ASSERT(message != nullptr);
    return message;
}

// Attributes are put into a message of their own, behind its header.
class Attributes {
  public:
    Attributes() { nlmsg_put(message_.get(), 0, 0, 0, 0, 0); }

    void put(int attribute, std::uint32_t value) { check(nla_put_u32(get(), attribute, value)); }
    void put(int attribute, std::uint64_t value) { check(nla_put_u64(get(), attribute, value)); }
    void put(int attribute, std::chrono::seconds value) {
        put(attribute, static_cast<std::uint64_t>(value.count()));
    }
    void put(int attribute, const std::string& value) {
        check(nla_put_string(get(), attribute, value.c_str()));
    }
    void put_socket(int fd) {
        nlattr* const sockets = nla_nest_start(get(), sockets_attribute);
        nlattr* const item = nla_nest_start(get(), socket_item);
        put(socket_fd, static_cast<std::uint32_t>(fd));
        nla_nest_end(get(), item);
        nla_nest_end(get(), sockets);
    }
    [[nodiscard]] std::vector<std::byte> take() const {
        nlmsghdr* const header = nlmsg_hdr(message_.get());
        const auto* bytes = static_cast<const std::byte*>(nlmsg_data(header));
        return {bytes, bytes + nlmsg_datalen(header)};
    }

  private:
    nl_msg* get() { return message_.get(); }
    static void check(int result) { UAOE_ASSERT(result >= 0); } // a page is room enough
    Message message_ = make_message();
};

// What one exchange brings.
struct Answer {
    std::vector<std::byte> attributes;
    bool ended = false;
    int error = 0;
};

int take_message(nl_msg* message, void* untyped) {
    auto& answer = *static_cast<Answer*>(untyped);
    const auto* header = static_cast<genlmsghdr*>(nlmsg_data(nlmsg_hdr(message)));
    const auto* bytes = reinterpret_cast<const std::byte*>(genlmsg_attrdata(header, 0));
    answer.attributes.assign(bytes, bytes + genlmsg_attrlen(header, 0));
    return NL_OK;
}

int take_ack(nl_msg* /*message*/, void* untyped) {
    static_cast<Answer*>(untyped)->ended = true;
    return NL_STOP;
}

// libnl's own codes would make several errors one.
int take_error(sockaddr_nl* /*sender*/, nlmsgerr* failure, void* untyped) {
    auto& answer = *static_cast<Answer*>(untyped);
    answer.ended = true;
    answer.error = -failure->error;
    return NL_STOP;
}

// libnl reads attributes through pointers that are not const.
nlattr* first_attribute(std::vector<std::byte>& bytes) {
    return reinterpret_cast<nlattr*>(bytes.data());
}

} // namespace

std::vector<std::byte> encode(const NbdConnect& request) {
    Attributes attributes;
    if (request.index) {
        attributes.put(index_attribute, *request.index);
    }
    attributes.put(size_attribute, request.size_bytes);
    attributes.put(block_bytes_attribute, request.block_bytes);
    // Also when it is 0: the queue may still have the one of its last user.
    attributes.put(timeout_attribute, request.timeout);
    attributes.put(server_flags_attribute, request.server_flags);
    if (request.dead_connection_max.count() > 0) {
        attributes.put(dead_connection_attribute, request.dead_connection_max);
    }
    attributes.put(identifier_attribute, request.identifier);
    attributes.put_socket(request.socket);
    return attributes.take();
}

std::vector<std::byte> encode(const NbdReconfigure& request) {
    Attributes attributes;
    attributes.put(index_attribute, request.index);
    attributes.put(identifier_attribute, request.identifier);
    if (request.size_bytes) {
        attributes.put(size_attribute, *request.size_bytes);
    }
    if (request.timeout) {
        attributes.put(timeout_attribute, *request.timeout);
    }
    if (request.dead_connection_max) {
        attributes.put(dead_connection_attribute, *request.dead_connection_max);
    }
    if (request.socket) {
        attributes.put_socket(*request.socket);
    }
    return attributes.take();
}

std::optional<std::uint32_t> decode_index(std::span<const std::byte> attributes) {
    std::vector<std::byte> bytes(attributes.begin(), attributes.end());
    nlattr* const index =
        nla_find(first_attribute(bytes), static_cast<int>(bytes.size()), index_attribute);
    if (index == nullptr || nla_len(index) < static_cast<int>(sizeof(std::uint32_t))) {
        return std::nullopt;
    }
    return nla_get_u32(index);
}

std::vector<NbdDeviceStatus> decode_status(std::span<const std::byte> attributes) {
    std::vector<NbdDeviceStatus> devices;
    std::vector<std::byte> bytes(attributes.begin(), attributes.end());
    nlattr* const list =
        nla_find(first_attribute(bytes), static_cast<int>(bytes.size()), device_list_attribute);
    if (list == nullptr) {
        return devices;
    }
    int rest = nla_len(list);
    for (auto* item = static_cast<nlattr*>(nla_data(list)); nla_ok(item, rest) != 0;
         item = nla_next(item, &rest)) {
        auto* const fields = static_cast<nlattr*>(nla_data(item));
        nlattr* const index = nla_find(fields, nla_len(item), device_index);
        nlattr* const connected = nla_find(fields, nla_len(item), device_connected);
        if (nla_type(item) == device_item && index != nullptr && connected != nullptr &&
            nla_len(index) >= static_cast<int>(sizeof(std::uint32_t)) && nla_len(connected) >= 1) {
            devices.push_back(
                {.index = nla_get_u32(index), .connected = nla_get_u8(connected) != 0});
        }
    }
    return devices;
}

void NbdNetlink::SocketDeleter::operator()(nl_sock* socket) const {
    nl_socket_free(socket);
}

std::expected<NbdNetlink, Error> NbdNetlink::open() {
    Socket socket(nl_socket_alloc());
    if (int error = socket ? genl_connect(socket.get()) : -NLE_NOMEM; error < 0) {
        return std::unexpected(Error{.what = "cannot reach the kernel's NBD driver",
                                     .why = nl_geterror(error),
                                     .what_to_do = "generic netlink must be allowed"});
    }
    int family = genl_ctrl_resolve(socket.get(), family_name);
    if (family < 0) {
        run_child({"/sbin/modprobe", "-q", "nbd"}, load_time_max); // as the kernel itself calls it
        family = genl_ctrl_resolve(socket.get(), family_name);
    }
    if (family < 0) {
        return std::unexpected(
            Error{.what = "cannot use the kernel's NBD driver",
                  .why = "this kernel has no nbd, or may not load its module (nbd)",
                  .what_to_do = "`modprobe nbd` says more; Debian has the module in the "
                                "linux-image package of the running kernel; an export on a "
                                "socket needs no module"});
    }
    return NbdNetlink(std::move(socket), family);
}

std::expected<std::vector<std::byte>, int> NbdNetlink::ask(std::uint8_t command,
                                                           std::span<const std::byte> attributes) {
    const Message message = make_message();
    genlmsg_put(message.get(), NL_AUTO_PORT, NL_AUTO_SEQ, family_, 0, 0, command, family_version);
    std::vector<std::byte> bytes(attributes.begin(), attributes.end());
    if (nlmsg_append(message.get(), bytes.data(), bytes.size(), NLMSG_ALIGNTO) < 0) {
        return std::unexpected(E2BIG);
    }
    Answer answer;
    nl_cb* const handlers = nl_cb_alloc(NL_CB_DEFAULT);
    UAOE_ASSERT(handlers != nullptr);
    const std::unique_ptr<nl_cb, void (*)(nl_cb*)> holder(handlers, nl_cb_put);
    nl_cb_set(handlers, NL_CB_VALID, NL_CB_CUSTOM, take_message, &answer);
    nl_cb_set(handlers, NL_CB_ACK, NL_CB_CUSTOM, take_ack, &answer);
    nl_cb_err(handlers, NL_CB_CUSTOM, take_error, &answer);
    if (nl_send_auto(socket_.get(), message.get()) < 0) {
        return std::unexpected(EIO);
    }
    while (!answer.ended) {
        if (const int result = nl_recvmsgs(socket_.get(), handlers); result < 0 && !answer.ended) {
            return std::unexpected(EIO);
        }
    }
    if (answer.error != 0) {
        return std::unexpected(answer.error);
    }
    return std::move(answer.attributes);
}

std::expected<std::uint32_t, int> NbdNetlink::connect(const NbdConnect& request) {
    const auto answer = ask(connect_command, encode(request));
    if (!answer) {
        return std::unexpected(answer.error());
    }
    const auto index = decode_index(*answer);
    return index ? std::expected<std::uint32_t, int>(*index) : std::unexpected(EPROTO);
}

std::expected<void, int> NbdNetlink::reconfigure(const NbdReconfigure& request) {
    const auto answer = ask(reconfigure_command, encode(request));
    return answer ? std::expected<void, int>() : std::unexpected(answer.error());
}

std::expected<void, int> NbdNetlink::disconnect(std::uint32_t index) {
    Attributes attributes;
    attributes.put(index_attribute, index);
    const auto answer = ask(disconnect_command, attributes.take());
    return answer ? std::expected<void, int>() : std::unexpected(answer.error());
}

std::expected<std::vector<NbdDeviceStatus>, int> NbdNetlink::status() {
    const auto answer = ask(status_command, {});
    if (!answer) {
        return std::unexpected(answer.error());
    }
    return decode_status(*answer);
}

Error NbdNetlink::error_of(std::string what, int error) {
    switch (error) {
    case EPERM:
    case EACCES:
        return {.what = std::move(what),
                .why = "no permission",
                .what_to_do = "run it as root: the NBD driver asks for CAP_SYS_ADMIN",
                .exit_code = ExitCode::no_permission};
    case EBUSY:
        return {.what = std::move(what),
                .why = "it is taken",
                .what_to_do = "name another, or none to have the kernel choose"};
    case EINVAL:
        return {.what = std::move(what),
                .why = "the kernel refuses it (Invalid argument)",
                .what_to_do = "`dmesg` may say why"};
    default:
        return {.what = std::move(what),
                .why = std::strerror(error),
                .what_to_do = "`dmesg` may say more"};
    }
}

} // namespace uaoe::blockdev
