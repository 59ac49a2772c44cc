// A model AoE target: one LUN that answers request frames as real targets do, odd ones included.
// Without I/O and without time: the simulator delays and loses its frames in virtual time,
// tests/target/main.cpp serves it on a packet socket.
#pragma once

#include "proto/frame.hpp"
#include "proto/identify.hpp"
#include "tests/target/smart_disk.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace uaoe::target {

// The disk behind a LUN. Offsets and sizes in bytes, always inside the disk. False: the medium
// failed, and the command ends with an ATA error.
class Storage {
  public:
    virtual ~Storage() = default;
    [[nodiscard]] virtual bool read(std::uint64_t offset, proto::Bytes out) = 0;
    [[nodiscard]] virtual bool write(std::uint64_t offset, proto::ConstBytes data) = 0;
    [[nodiscard]] virtual bool discard(std::uint64_t offset,
                                       std::uint64_t bytes) = 0; // reads as zeroes afterwards
    [[nodiscard]] virtual bool flush() = 0;
    // 0: for ever what it was at the start. Looked at for each IDENTIFY: a disk may grow.
    [[nodiscard]] virtual std::uint64_t size_bytes_now() const { return 0; }

    // The bytes where they lie, so that a read needs no copy; empty when they cannot be shown so.
    // Valid until the storage dies; what it shows changes with later writes.
    [[nodiscard]] virtual proto::ConstBytes view(std::uint64_t /*offset*/, std::size_t /*bytes*/) {
        return {};
    }
};

// What real targets do differently. Default: a target that does everything right.
struct Quirks {
    bool mute_identify = false;        // answers Query Config, never IDENTIFY
    bool reserved = false;             // AoE error 6 on ATA, IDENTIFY allowed (vblade)
    bool reserved_identify = false;    // ... and on IDENTIFY too
    bool unavailable = false;          // AoE error 3 on ATA
    bool read_only = false;            // writes abort; IDENTIFY gives no hint (vblade -r)
    bool flush_aborts = false;         // FLUSH CACHE (EXT) is not known
    bool flush_echoes_command = false; // ggaoed: status byte of a flush reply is still the command
    bool short_errors = false;         // error replies are the 24-byte header only (ggaoed)
    bool pads_replies = false;        // to 60 bytes (real NICs), with leftover bytes of the request
    bool version_zero = false;        // version nibble 0 (vblade's boot advertisement)
    bool broadcast_address = false;   // Query Config replies keep the broadcast shelf.slot
    bool wrong_command = false;       // replies carry command 1 (OpenBSD softraid_aoe)
    bool short_read_data = false;     // read replies lack their last 512 bytes
    bool lists_silent = false;        // MAC Mask List and Reserve/Release unanswered (kvblade)
    bool lists_unknown = false;       // ... answered with AoE error 1
    bool lists_ignored = false;       // changes of them are confirmed and not made
    std::uint8_t mask_list_max = 255; // entries; then MaskError::list_full (vblade: 32)
    std::optional<std::uint16_t> advertised_buffer_count; // says this, keeps LunConfig's
};

struct LunConfig {
    proto::Address address;
    proto::Identify identify; // sectors and sector size are taken from here
    std::uint16_t buffer_count =
        16; // commands it can hold; enforced by whoever delivers the frames
    std::uint16_t firmware_version = 1;
    std::uint8_t sectors_per_frame = 0; // of 512 bytes, advertised and enforced; 0: from the MTU
    std::string config_string;
    std::vector<proto::MacAddress> mask_list; // at the start, like these two
    std::vector<proto::MacAddress> reserved_for;
    std::optional<SmartDisk> smart; // nothing: SMART commands abort
    Quirks quirks;
};

// A reply whose data may lie elsewhere: the frame is the first `frame_bytes` of the reply buffer
// followed by `payload`, which borrows the storage. Nothing is sent when frame_bytes is 0.
struct Reply {
    std::size_t frame_bytes = 0;
    proto::ConstBytes payload{};
};

class ModelTarget {
  public:
    ModelTarget(LunConfig config, Storage& storage); // the storage must outlive it

    // Answers one request frame that arrived at `own_mac` (or by broadcast): writes the reply to
    // `reply`, which has room for mtu_bytes + 14, and returns its size; 0 when a target stays
    // silent (not its address, not a request, a config test that does not match, a masked-out
    // source, a reply that the MTU does not carry).
    std::size_t handle_frame(proto::ConstBytes request, const proto::MacAddress& own_mac,
                             std::uint32_t mtu_bytes, proto::Bytes reply);

    // The same without copying what a read brings, where the storage can show it in place.
    Reply handle_frame_in_place(proto::ConstBytes request, const proto::MacAddress& own_mac,
                                std::uint32_t mtu_bytes, proto::Bytes reply);

    // The unsolicited Query Config response that targets broadcast when they boot (tag 0).
    std::size_t make_boot_advertisement(const proto::MacAddress& own_mac, std::uint32_t mtu_bytes,
                                        proto::Bytes frame);

    // As at power-up: config string, mask list and reservation are what the configuration says. The
    // disk stays.
    void restart();

    [[nodiscard]] const LunConfig& config() const { return config_; }
    [[nodiscard]] Quirks& quirks() { return config_.quirks; }

  private:
    struct Exchange; // one request and the reply that is being made
    struct AtaResult;

    [[nodiscard]] bool is_for_us(const proto::Frame& frame) const;
    [[nodiscard]] bool is_masked_out(const proto::MacAddress& source) const;
    [[nodiscard]] bool is_reserved_for_others(const proto::MacAddress& source) const;
    [[nodiscard]] std::uint8_t sectors_advertised(std::uint32_t mtu_bytes) const;

    Reply answer_ata(const Exchange& exchange);
    Reply answer_query_config(const Exchange& exchange);
    Reply answer_list(const Exchange& exchange); // one of the next two
    Reply answer_mac_mask(const Exchange& exchange);
    Reply answer_reserve(const Exchange& exchange);
    Reply answer_error(const Exchange& exchange, proto::AoeError error);

    // model_target_ata.cpp
    AtaResult run_ata(const Exchange& exchange, const proto::AtaFields& ata);
    AtaResult run_transfer(const Exchange& exchange, const proto::AtaFields& ata, bool is_write);
    AtaResult run_flush(const proto::AtaFields& ata);
    AtaResult run_trim(const proto::AtaFields& ata);
    // model_target_smart.cpp
    AtaResult run_smart(const Exchange& exchange, const proto::AtaFields& ata);
    AtaResult smart_block(const Exchange& exchange, const proto::AtaFields& ata,
                          const std::array<std::byte, proto::smart_block_bytes>& block);
    AtaResult run_identify(const Exchange& exchange, const proto::AtaFields& ata);

    proto::MaskError edit_masks(const proto::MacMaskFields& fields, std::size_t& done_count);

    LunConfig config_;
    Storage* storage_;
    std::string config_string_;
    std::vector<proto::MacAddress> mask_list_;
    std::vector<proto::MacAddress> reserved_for_;
};

} // namespace uaoe::target
