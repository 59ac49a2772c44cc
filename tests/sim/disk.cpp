// The disk behind a simulated LUN.
#include "tests/sim/disk.hpp"

#include <algorithm>

namespace uaoe::sim {

namespace {

bool touches(const std::set<std::uint64_t>& sectors, std::uint64_t offset, std::uint64_t bytes) {
    const auto found = sectors.lower_bound(offset / Disk::sector_bytes);
    return found != sectors.end() && *found * Disk::sector_bytes < offset + bytes;
}

} // namespace

bool Disk::keep(std::uint64_t offset, std::uint64_t bytes) {
    if (touches(unwritable_, offset, bytes)) {
        return false;
    }
    for (std::uint64_t at = offset; at < offset + bytes; at += sector_bytes) {
        const auto begin = bytes_.begin() + static_cast<std::ptrdiff_t>(at);
        unflushed_.try_emplace(at / sector_bytes, begin,
                               begin + static_cast<std::ptrdiff_t>(sector_bytes));
        unreadable_.erase(at / sector_bytes);
    }
    ++changes_;
    return true;
}

bool Disk::read(std::uint64_t offset, proto::Bytes out) {
    if (touches(unreadable_, offset, out.size())) {
        return false;
    }
    std::ranges::copy(std::span(bytes_).subspan(offset, out.size()), out.begin());
    return true;
}

bool Disk::write(std::uint64_t offset, proto::ConstBytes data) {
    if (!keep(offset, data.size())) {
        return false;
    }
    std::ranges::copy(data, bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
    return true;
}

bool Disk::discard(std::uint64_t offset, std::uint64_t bytes) {
    if (!keep(offset, bytes)) {
        return false;
    }
    std::ranges::fill(std::span(bytes_).subspan(offset, bytes), std::byte{0});
    return true;
}

bool Disk::flush() {
    unflushed_.clear();
    return true;
}

void Disk::cut_power(Random& random) {
    const double lost = random.pick(1.0, 1.0, 0.5);
    for (const auto& [sector, before] : unflushed_) {
        if (random.chance(lost)) {
            std::ranges::copy(before,
                              bytes_.begin() + static_cast<std::ptrdiff_t>(sector * sector_bytes));
        }
    }
    unflushed_.clear();
}

void Disk::heal() {
    unreadable_.clear();
    unwritable_.clear();
}

} // namespace uaoe::sim
