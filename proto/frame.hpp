// AoE frames as values: parsing what was received (checked) and writing what is sent (asserted).
//
// Parsing follows what real targets do (shorter error replies, trailing bytes, a wrong version
// nibble in vblade's boot advertisement), so it is strict only about what would be unsafe to
// accept.
#pragma once

#include "proto/address.hpp"
#include "proto/aoe.hpp"
#include "proto/ata.hpp"
#include "proto/units.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace uaoe::proto {

// A received AoE frame; `argument` is everything behind the 24 bytes of header, padding included,
// and borrows the receive buffer.
struct Frame {
    MacAddress destination{};
    MacAddress source{};
    std::uint8_t version = 0;
    bool is_response = false;
    bool is_error = false;
    AoeError error = AoeError::none;
    Address address{};
    Command command = Command::ata;
    Tag tag{};
    ConstBytes argument{};
};

// Nothing when it is too short for the header or of another ethertype.
[[nodiscard]] std::optional<Frame> parse_frame(ConstBytes bytes);

struct AtaFields {
    std::uint8_t flags = 0;
    std::uint8_t error_feature = 0;
    std::uint8_t sector_count = 0;
    std::uint8_t command_status = 0;
    Lba lba{};
    ConstBytes data{}; // behind the argument, padding included
};
[[nodiscard]] std::optional<AtaFields> parse_ata(ConstBytes argument);

struct QueryConfigFields {
    std::uint16_t buffer_count = 0; // as sent; may be 0
    std::uint16_t firmware_version = 0;
    std::uint8_t sectors_per_frame = 0; // as sent; 0 means 2
    std::uint8_t version = 0;
    ConfigCommand command = ConfigCommand::read;
    ConstBytes string{};
};
// Nothing when the string is said to be longer than 1024 bytes or than what follows.
[[nodiscard]] std::optional<QueryConfigFields> parse_query_config(ConstBytes argument);

struct MacMaskFields {
    MaskCommand command = MaskCommand::read;
    MaskError error = MaskError::none;
    std::uint8_t directive_count = 0;
    ConstBytes directives{}; // whole 8-byte entries that are really there, at most directive_count
};
[[nodiscard]] std::optional<MacMaskFields> parse_mac_mask(ConstBytes argument);
[[nodiscard]] MacMaskEntry mac_mask_entry(const MacMaskFields& fields, std::size_t index);

struct ReserveFields {
    ReserveCommand command = ReserveCommand::read;
    std::uint8_t mac_count = 0;
    ConstBytes macs{}; // whole MAC addresses that are really there, at most mac_count
};
[[nodiscard]] std::optional<ReserveFields> parse_reserve(ConstBytes argument);
[[nodiscard]] MacAddress reserve_mac(const ReserveFields& fields, std::size_t index);

// ---- writing ----

// What the first 24 bytes say. `version_flags` is the whole octet, so that models of odd targets
// can set it.
struct FrameHeader {
    MacAddress destination{};
    MacAddress source{};
    std::uint8_t version_flags = aoe_version << 4U;
    AoeError error = AoeError::none;
    Address address{};
    Command command = Command::ata;
    Tag tag{};
};

// Each write_* returns the number of bytes written; `out` must have the room (asserted).
std::size_t write_frame_header(Bytes out, const FrameHeader& header);
std::size_t write_ata(Bytes out, const FrameHeader& header, const AtaFields& fields);
std::size_t write_query_config(Bytes out, const FrameHeader& header,
                               const QueryConfigFields& fields);
std::size_t write_mac_mask(Bytes out, const FrameHeader& header, MaskCommand command,
                           MaskError error, std::span<const MacMaskEntry> directives);
std::size_t write_reserve(Bytes out, const FrameHeader& header, ReserveCommand command,
                          std::span<const MacAddress> macs);

// Fills the bytes from `used` to 60 with zeroes; returns max(used, 60).
std::size_t pad_frame(Bytes out, std::size_t used);

} // namespace uaoe::proto
