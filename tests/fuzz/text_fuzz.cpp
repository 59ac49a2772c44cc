// Text that people type: an address or a MAC is refused, or reads the same when it is written.
#include "proto/address.hpp"
#include "proto/assert.hpp"
#include "proto/ethernet.hpp"

#include <cstdint>
#include <string>

using namespace uaoe;
using namespace uaoe::proto;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(data, data + size);
    if (const auto address = parse_address(text)) {
        UAOE_ASSERT(!address->is_broadcast());
        UAOE_ASSERT(parse_address(to_string(*address)) == address);
    }
    if (const auto mac = parse_mac(text)) {
        UAOE_ASSERT(parse_mac(to_string(*mac)) == mac);
    }
    return 0;
}
