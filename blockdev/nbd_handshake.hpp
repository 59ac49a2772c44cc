// The server's side of NBD's fixed newstyle negotiation, up to the first command. Sans-IO: bytes
// in, bytes out. Rules: NetworkBlockDevice/nbd doc/proto.md, "Newstyle negotiation".
//
// The owner sends output() first, then fills input_room() (never more than the next message needs,
// so nothing of the transmission phase is ever read here), then looks at state() again.
#pragma once

#include "blockdev/nbd_export.hpp"
#include "proto/wire.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace uaoe::blockdev {

class NbdHandshake {
  public:
    enum class State : std::uint8_t {
        negotiating,
        transmission, // after the output is sent, commands follow
        closed,       // after the output is sent (the client may be gone already), close
    };

    // The longest option payload that is looked at; longer ones are skipped, and refused.
    static constexpr std::size_t payload_bytes_max = 8192;
    // A client that announces more than this is not worth listening to.
    static constexpr std::uint32_t skip_bytes_max = 4U << 20U;
    static constexpr std::size_t name_bytes_max = 4096; // doc/proto.md, "Strings"

    // `nbd_export` outlives the handshake.
    explicit NbdHandshake(const NbdExport& nbd_export);

    [[nodiscard]] proto::ConstBytes output() const {
        return proto::ConstBytes(output_).subspan(sent_bytes_);
    }
    void handle_sent(std::size_t bytes);

    // Empty unless negotiating.
    [[nodiscard]] proto::Bytes input_room();
    // The first `bytes` of input_room() were filled.
    void handle_input(std::size_t bytes);

    [[nodiscard]] State state() const { return state_; }
    [[nodiscard]] bool structured_replies() const { return structured_replies_; }

  private:
    enum class Reading : std::uint8_t { client_flags, header, payload, skipped_payload };

    void handle_client_flags();
    void handle_header();
    void handle_payload();
    void handle_skipped_payload();
    void expect(Reading reading, std::size_t bytes);

    void handle_export_name(std::string_view name);
    void handle_list(proto::ConstBytes payload);
    void handle_info(proto::ConstBytes payload);

    template <proto::WireStruct T>
    void put(const T& value);
    void put_text(std::string_view text);
    void reply(proto::nbd::OptionReply reply, std::size_t bytes = 0);
    void refuse(proto::nbd::OptionReply error, std::string_view message);

    const NbdExport& export_;
    State state_ = State::negotiating;
    Reading reading_ = Reading::client_flags;
    bool no_zeroes_ = false;
    bool structured_replies_ = false;
    proto::nbd::Option option_{};
    std::size_t input_bytes_ = 0;  // received of the present message
    std::size_t wanted_bytes_ = 0; // its length
    std::size_t sent_bytes_ = 0;   // of output_
    std::vector<std::byte> output_;
    std::array<std::byte, payload_bytes_max> input_;
};

} // namespace uaoe::blockdev
