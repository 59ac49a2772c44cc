// NBD negotiation: any bytes are taken without harm, the answer is bounded by what was asked, and
// it is the same whether the bytes come at once or one by one.
#include "blockdev/nbd_handshake.hpp"

#include "proto/assert.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

using namespace uaoe;
using blockdev::NbdHandshake;

namespace {

struct FixedDevice final : initiator::Device {
    initiator::DeviceInfo device_info;
    FixedDevice() {
        device_info.address = {.shelf = 1, .slot = 0};
        device_info.sectors.value = 2048;
    }
    [[nodiscard]] const initiator::DeviceInfo& info() const override { return device_info; }
    void submit(initiator::Request&) override {}
};

struct Outcome {
    std::vector<std::byte> output;
    NbdHandshake::State state{};
    bool structured_replies = false;
    friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome talk(const blockdev::NbdExport& nbd_export, proto::ConstBytes input,
             std::size_t piece_bytes) {
    NbdHandshake handshake(nbd_export);
    Outcome outcome;
    while (true) {
        const auto output = handshake.output();
        outcome.output.insert(outcome.output.end(), output.begin(), output.end());
        handshake.handle_sent(output.size());
        const auto room = handshake.input_room();
        const std::size_t bytes = std::min({room.size(), input.size(), piece_bytes});
        UAOE_ASSERT(room.empty() == (handshake.state() != NbdHandshake::State::negotiating));
        if (bytes == 0) {
            break;
        }
        std::memcpy(room.data(), input.data(), bytes);
        input = input.subspan(bytes);
        handshake.handle_input(bytes);
    }
    outcome.state = handshake.state();
    outcome.structured_replies = handshake.structured_replies();
    return outcome;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static FixedDevice device;
    static const blockdev::NbdExport nbd_export(device);
    const auto input = std::as_bytes(std::span(data, size));
    const Outcome whole = talk(nbd_export, input, ~std::size_t{0});
    UAOE_ASSERT(whole.output.size() <= 256 + (input.size() * 16));
    UAOE_ASSERT(whole == talk(nbd_export, input, 1));
    return 0;
}
