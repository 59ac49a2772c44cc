// The oracle of every sector.
#include "tests/sim/oracle.hpp"

#include <algorithm>
#include <cstring>

namespace uaoe::sim {

namespace {

void fill_sector(std::uint64_t value, std::uint64_t lba, std::byte* sector) {
    std::uint64_t words[Oracle::sector_bytes / 8];
    for (std::size_t i = 0; i < std::size(words); ++i) {
        words[i] = i == 0 ? value : i == 1 ? lba : value * 0x9e3779b97f4a7c15 + lba + i;
    }
    std::memcpy(sector, words, sizeof(words));
}

} // namespace

std::uint64_t Oracle::begin_write(std::uint64_t lba, std::uint64_t count, bool zeroes) {
    const std::uint64_t number = next_++;
    writes_[number] = {.lba = lba, .count = count, .zeroes = zeroes, .begun = number};
    for (std::uint64_t i = lba; i < lba + count; ++i) {
        sectors_[i].push_back(number);
        stable_[i].push_back(number);
    }
    for (auto& [read_number, read] : reads_) {
        for (std::uint64_t i = std::max(lba, read.lba);
             i < std::min(lba + count, read.lba + read.count); ++i) {
            read.candidates[i - read.lba].push_back(number);
            read.disturbed[i - read.lba] = true;
        }
    }
    return number;
}

void Oracle::fill(std::uint64_t write, std::uint64_t lba, proto::Bytes buffer) const {
    for (std::size_t i = 0; i < buffer.size() / sector_bytes; ++i) {
        fill_sector(write, lba + i, buffer.data() + i * sector_bytes);
    }
}

// Whatever had ended before write `number` began is overwritten.
void Oracle::supersede(std::vector<std::uint64_t>& candidates, std::uint64_t number) const {
    const std::uint64_t begun = writes_.at(number).begun;
    std::erase_if(candidates, [&](std::uint64_t other) {
        const Write& earlier = writes_.at(other);
        return other != number && (other == 0 || earlier.ended != 0) && earlier.ended < begun;
    });
}

void Oracle::end_write(std::uint64_t number, bool ok, bool durable) {
    Write& write = writes_.at(number);
    write.ended = next_++;
    write.failed = !ok;
    // Part of it may have been done before a power cut and lost by it; no initiator could know.
    if (!ok || write.begun < last_cut_) {
        return;
    }
    for (std::uint64_t i = write.lba; i < write.lba + write.count; ++i) {
        supersede(sectors_[i], number);
        if (durable) {
            supersede(stable_[i], number);
        }
    }
    if (!durable) {
        unflushed_.insert(number);
    }
}

void Oracle::end_flush(std::uint64_t flush, bool ok) {
    if (!ok) {
        return;
    }
    std::erase_if(unflushed_, [&](std::uint64_t number) {
        const Write& write = writes_.at(number);
        if (write.ended > flush) {
            return false;
        }
        for (std::uint64_t i = write.lba; i < write.lba + write.count; ++i) {
            supersede(stable_[i], number);
        }
        return true;
    });
}

void Oracle::cut_power() {
    last_cut_ = next_++;
    unflushed_.clear(); // a later flush cannot bring back what is lost now
    for (std::size_t i = 0; i < sectors_.size(); ++i) {
        sectors_[i] = stable_[i];
    }
    for (auto& [number, read] : reads_) {
        for (std::uint64_t i = 0; i < read.count; ++i) {
            const auto& stable = stable_[read.lba + i];
            read.candidates[i].insert(read.candidates[i].end(), stable.begin(), stable.end());
            read.disturbed[i] = true;
        }
    }
}

bool Oracle::is_under_way(std::uint64_t lba) const {
    return std::ranges::any_of(sectors_[lba], [&](std::uint64_t number) {
        const Write& write = writes_.at(number);
        return number != 0 && (write.ended == 0 || write.failed);
    });
}

std::uint64_t Oracle::begin_read(std::uint64_t lba, std::uint64_t count) {
    Read read{.lba = lba, .count = count, .candidates = {}, .disturbed = {}};
    for (std::uint64_t i = lba; i < lba + count; ++i) {
        read.candidates.push_back(sectors_[i]);
        read.disturbed.push_back(is_under_way(i));
    }
    const std::uint64_t number = next_++;
    reads_[number] = std::move(read);
    return number;
}

std::uint64_t Oracle::number_of(proto::ConstBytes sector, std::uint64_t lba) const {
    static constexpr std::byte zeroes[sector_bytes]{};
    if (std::memcmp(sector.data(), zeroes, sector_bytes) == 0) {
        return 0;
    }
    std::uint64_t number = 0;
    std::memcpy(&number, sector.data(), sizeof(number));
    std::byte expected[sector_bytes];
    fill_sector(number, lba, expected);
    if (std::memcmp(sector.data(), expected, sector_bytes) != 0) {
        throw Violation("sector " + std::to_string(lba) + " holds torn or foreign data");
    }
    return number;
}

bool Oracle::may_hold(const std::vector<std::uint64_t>& candidates, std::uint64_t value) const {
    return std::ranges::any_of(candidates, [&](std::uint64_t number) {
        return (writes_.at(number).zeroes ? 0 : number) == value;
    });
}

void Oracle::end_read(std::uint64_t number, bool ok, proto::ConstBytes data) {
    const auto node = reads_.extract(number);
    const Read& read = node.mapped();
    if (!ok) {
        return;
    }
    for (std::uint64_t i = 0; i < read.count; ++i) {
        const std::uint64_t lba = read.lba + i;
        const std::uint64_t value = number_of(data.subspan(i * sector_bytes, sector_bytes), lba);
        if (!may_hold(read.candidates[i], value)) {
            throw Violation("stale or foreign data: sector " + std::to_string(lba) +
                            " holds write " + std::to_string(value));
        }
        // Nothing was written meanwhile, so this is what it holds from now on: a late copy would
        // change it.
        if (!read.disturbed[i] && !is_under_way(lba)) {
            std::erase_if(sectors_[lba], [&](std::uint64_t other) {
                return (writes_.at(other).zeroes ? 0 : other) != value;
            });
        }
    }
}

void Oracle::check_disk(proto::ConstBytes disk) const {
    for (std::uint64_t lba = 0; lba < sectors_.size(); ++lba) {
        const std::uint64_t value = number_of(disk.subspan(lba * sector_bytes, sector_bytes), lba);
        if (!may_hold(sectors_[lba], value)) {
            throw Violation("the disk's sector " + std::to_string(lba) + " holds write " +
                            std::to_string(value));
        }
    }
}

} // namespace uaoe::sim
