// Disk positions and lengths, in logical sectors of the device they belong to (512 bytes unless
// IDENTIFY says otherwise). Two types, because a position handed over as a length is a corrupted
// disk.
#pragma once

#include <compare>
#include <cstdint>

namespace uaoe::proto {

struct SectorCount {
    std::uint64_t value = 0;
    friend constexpr auto operator<=>(SectorCount, SectorCount) = default;
};

struct Lba {
    std::uint64_t value = 0;
    friend constexpr auto operator<=>(Lba, Lba) = default;
};

[[nodiscard]] constexpr Lba operator+(Lba lba, SectorCount count) {
    return {lba.value + count.value};
}
[[nodiscard]] constexpr SectorCount operator+(SectorCount a, SectorCount b) {
    return {a.value + b.value};
}
[[nodiscard]] constexpr SectorCount operator-(SectorCount a, SectorCount b) {
    return {a.value - b.value};
}

} // namespace uaoe::proto
