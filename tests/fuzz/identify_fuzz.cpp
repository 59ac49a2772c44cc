// IDENTIFY data: any block is refused, or gives a disk that can be addressed, whose strings are
// printable and which survives being written and parsed again.
#include "proto/ata.hpp"
#include "proto/identify.hpp"

#include <bit>
#include <cstdint>

using namespace uaoe;
using namespace uaoe::proto;

namespace {

void check_text(std::string_view text) {
    for (const char character : text) {
        UAOE_ASSERT(character >= ' ' && character <= '~');
    }
    UAOE_ASSERT(text.empty() || (text.front() != ' ' && text.back() != ' '));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ConstBytes bytes = std::as_bytes(std::span(data, size));
    const auto disk = parse_identify(bytes);
    if (!disk) {
        return 0;
    }
    UAOE_ASSERT(size >= identify_bytes);
    UAOE_ASSERT(disk->sectors.value > 0);
    UAOE_ASSERT(disk->sectors.value <= (disk->lba48 ? lba48_sectors_max : lba28_sectors_max));
    UAOE_ASSERT(std::has_single_bit(disk->logical_sector_bytes));
    UAOE_ASSERT(disk->logical_sector_bytes >= 512 && disk->logical_sector_bytes <= 4096);
    UAOE_ASSERT(disk->physical_sector_bytes >= disk->logical_sector_bytes);
    UAOE_ASSERT(std::has_single_bit(disk->physical_sector_bytes));
    check_text(disk->serial.view());
    check_text(disk->firmware.view());
    check_text(disk->model.view());
    const auto again = parse_identify(make_identify(*disk));
    UAOE_ASSERT(again.has_value() && *again == *disk);
    return 0;
}
