// The XDP program, assembled by hand: it is a dozen comparisons, and so neither a BPF compiler nor
// libbpf is needed.
#include "initiator/linux/xdp_program.hpp"

#include "initiator/tag.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

namespace uaoe::initiator {

namespace {

int bpf(bpf_cmd command, bpf_attr& attributes) {
    return static_cast<int>(syscall(SYS_bpf, command, &attributes, sizeof(attributes)));
}

constexpr std::uint8_t r0 = 0;
constexpr std::uint8_t r1 = 1;
constexpr std::uint8_t r2 = 2;
constexpr std::uint8_t r3 = 3;
constexpr std::uint8_t r4 = 4;

constexpr bpf_insn instruction(unsigned code, std::uint8_t to, std::uint8_t from, int offset,
                               std::uint32_t value) {
    bpf_insn made{};
    made.code = static_cast<std::uint8_t>(code);
    made.dst_reg = to & 0xfU;
    made.src_reg = from & 0xfU;
    made.off = static_cast<std::int16_t>(offset);
    made.imm = static_cast<std::int32_t>(value);
    return made;
}

constexpr bpf_insn load(unsigned size, std::uint8_t to, std::uint8_t from, std::size_t offset) {
    return instruction(BPF_LDX | BPF_MEM | size, to, from, static_cast<int>(offset), 0);
}
constexpr bpf_insn set(std::uint8_t to, std::uint32_t value) {
    return instruction(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value);
}

// BPF_IMM, BPF_ADD and BPF_K are 0: not written where they meet another 0.
constexpr unsigned load_map = BPF_LD | BPF_DW;
constexpr unsigned add_value = BPF_ALU64;

// What leads to XDP_PASS: its distance is filled in by make_program().
constexpr int to_pass = 0x7fff;
constexpr bpf_insn pass_unless_equal(std::uint8_t what, std::uint32_t value) {
    return instruction(BPF_JMP32 | BPF_JNE | BPF_K, what, 0, to_pass, value);
}

constexpr std::size_t instructions_count = 27;

// Values and fields are compared as they lie in memory, in the order of the network.
//
// Only what is sent to this interface's own address: what an interface on top of it is to have (a
// macvlan) has another one. A VLAN tag in the frame makes another Ethertype. One that the NIC has
// taken out cannot be seen here; but an answer with this shard's tag is an answer to this shard,
// which sends without VLAN.
//
// Query Config is left to the link's packet socket: advertisements (tag 0) are for everybody who
// listens, and thousands of targets answer one broadcast at once, while the answers to ATA commands
// are never more than are asked for.
std::array<bpf_insn, instructions_count> make_program(const XdpProgramConfig& config, int map) {
    constexpr std::size_t ethertype_offset = 12;
    constexpr std::size_t flags_offset = 14;
    constexpr std::size_t command_offset = 19;
    constexpr std::size_t tag_offset = 20;
    constexpr std::uint32_t checked_bytes = 24;
    std::uint32_t mac_begin = 0;
    std::uint16_t mac_end = 0;
    static_assert(sizeof(config.mac.octets) == sizeof(mac_begin) + sizeof(mac_end));
    std::memcpy(&mac_begin, config.mac.octets.data(), sizeof(mac_begin));
    std::memcpy(&mac_end, config.mac.octets.data() + sizeof(mac_begin), sizeof(mac_end));
    std::array<bpf_insn, instructions_count> program{{
        load(BPF_W, r2, r1, offsetof(xdp_md, data)),
        load(BPF_W, r3, r1, offsetof(xdp_md, data_end)),
        instruction(BPF_ALU64 | BPF_MOV | BPF_X, r4, r2, 0, 0),
        instruction(add_value, r4, 0, 0, checked_bytes),
        instruction(BPF_JMP | BPF_JGT | BPF_X, r4, r3, to_pass, 0),
        load(BPF_H, r4, r2, ethertype_offset),
        pass_unless_equal(r4, htons(proto::ethertype_aoe)),
        load(BPF_B, r4, r2, flags_offset),
        instruction(BPF_ALU64 | BPF_AND | BPF_K, r4, 0, 0, proto::flag_response),
        pass_unless_equal(r4, proto::flag_response),
        load(BPF_B, r4, r2, command_offset),
        pass_unless_equal(r4, static_cast<std::uint32_t>(proto::Command::ata)),
        load(BPF_W, r4, r2, tag_offset),
        instruction(BPF_ALU | BPF_AND | BPF_K, r4, 0, 0, htonl(tag_shard_mask)),
        pass_unless_equal(r4, htonl(tag_shard_pattern(config.shard))),
        load(BPF_W, r4, r2, 0),
        pass_unless_equal(r4, mac_begin),
        load(BPF_H, r4, r2, sizeof(mac_begin)),
        pass_unless_equal(r4, mac_end),
        // return bpf_redirect_map(map, queue, XDP_PASS); the last is for a queue without a socket
        load(BPF_W, r2, r1, offsetof(xdp_md, rx_queue_index)),
        instruction(load_map, r1, BPF_PSEUDO_MAP_FD, 0, static_cast<std::uint32_t>(map)),
        instruction(0, 0, 0, 0, 0), // the other half of it
        set(r3, XDP_PASS),
        instruction(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect_map),
        instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
        set(r0, XDP_PASS),
        instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    }};
    constexpr std::size_t pass = instructions_count - 2;
    for (std::size_t i = 0; i < pass; ++i) {
        if (program[i].off == to_pass) {
            program[i].off = static_cast<std::int16_t>(pass - i - 1);
        }
    }
    return program;
}

int make_map(std::uint32_t queues_count) {
    bpf_attr attributes{};
    attributes.map_type = BPF_MAP_TYPE_XSKMAP;
    attributes.key_size = sizeof(std::uint32_t);
    attributes.value_size = sizeof(std::uint32_t);
    attributes.max_entries = queues_count;
    return bpf(BPF_MAP_CREATE, attributes);
}

int load_program(const XdpProgramConfig& config, int map) {
    const auto program = make_program(config, map);
    const std::string name = "uaoe";
    bpf_attr attributes{};
    attributes.prog_type = BPF_PROG_TYPE_XDP;
    attributes.expected_attach_type = BPF_XDP;
    attributes.insns = reinterpret_cast<std::uintptr_t>(program.data());
    attributes.insn_cnt = program.size();
    attributes.license = reinterpret_cast<std::uintptr_t>(""); // it calls nothing that asks for GPL
    std::ranges::copy(name, attributes.prog_name);
    // Frames in several buffers: without it a driver refuses the program, or a large MTU later.
    attributes.prog_flags = BPF_F_XDP_HAS_FRAGS;
    const int loaded = bpf(BPF_PROG_LOAD, attributes);
    if (loaded >= 0 || errno != EINVAL) {
        return loaded;
    }
    attributes.prog_flags = 0; // before Linux 5.18
    return bpf(BPF_PROG_LOAD, attributes);
}

int create_link(int program, int ifindex, std::uint32_t mode) {
    bpf_attr attributes{};
    attributes.link_create.prog_fd = static_cast<std::uint32_t>(program);
    attributes.link_create.target_ifindex = static_cast<std::uint32_t>(ifindex);
    attributes.link_create.attach_type = BPF_XDP;
    attributes.link_create.flags = mode;
    return bpf(BPF_LINK_CREATE, attributes);
}

} // namespace

Error xdp_error(const std::string& interface_name, std::string why, std::string what_to_do) {
    return {.what = "cannot use AF_XDP on " + interface_name,
            .why = std::move(why),
            .what_to_do = std::move(what_to_do)};
}

Error xdp_error(const std::string& interface_name, const std::string& step, int error) {
    std::string what_to_do;
    if (error == EPERM || error == EACCES) {
        what_to_do = "it needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF: run as root";
    } else if (error == ENOMEM || error == ENOBUFS) {
        what_to_do = "free memory, or raise the limit on locked memory (`ulimit -l`)";
    } else if (error == EINVAL || error == EOPNOTSUPP || error == EAFNOSUPPORT) {
        what_to_do = "it needs Linux 5.9 with CONFIG_XDP_SOCKETS and CONFIG_BPF_SYSCALL";
    }
    return xdp_error(interface_name, step + ": " + std::strerror(error), std::move(what_to_do));
}

std::expected<std::unique_ptr<XdpProgram>, Error>
XdpProgram::attach(const XdpProgramConfig& config) {
    const auto fail = [&](const std::string& step) {
        return std::unexpected(xdp_error(config.interface_name, step, errno));
    };
    std::unique_ptr<XdpProgram> made(new XdpProgram);
    made->map_ = make_map(config.queues_count);
    if (made->map_ < 0) {
        return fail("no BPF map of sockets");
    }
    made->program_ = load_program(config, made->map_);
    if (made->program_ < 0) {
        return fail("its program is refused");
    }
    errno = 0;
    if (config.in_driver) {
        made->link_ = create_link(made->program_, config.ifindex, XDP_FLAGS_DRV_MODE);
        made->is_in_driver_ = made->link_ >= 0;
    }
    if (made->link_ < 0 && errno != EBUSY && errno != EEXIST) {
        made->link_ = create_link(made->program_, config.ifindex, XDP_FLAGS_SKB_MODE);
    }
    if (made->link_ < 0 && (errno == EBUSY || errno == EEXIST)) {
        return std::unexpected(xdp_error(config.interface_name, "it has another XDP program",
                                         "end what attached it (`ip link show " +
                                             config.interface_name +
                                             "` names it), or give each shard a NIC of its own"));
    }
    if (made->link_ < 0) {
        return fail("its program cannot be attached");
    }
    return made;
}

XdpProgram::~XdpProgram() {
    for (const int fd : {link_, program_, map_}) {
        if (fd >= 0) {
            close(fd);
        }
    }
}

bool XdpProgram::set_socket(std::uint32_t queue, int socket) {
    bpf_attr attributes{};
    attributes.map_fd = static_cast<std::uint32_t>(map_);
    attributes.key = reinterpret_cast<std::uintptr_t>(&queue);
    attributes.value = reinterpret_cast<std::uintptr_t>(&socket);
    attributes.flags = BPF_ANY;
    return bpf(BPF_MAP_UPDATE_ELEM, attributes) == 0;
}

} // namespace uaoe::initiator
