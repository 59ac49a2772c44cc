// A disk in memory with a volatile write cache, sectors that cannot be read, and a count of
// changes.
#pragma once

#include "tests/sim/random.hpp"
#include "tests/target/model_target.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <vector>

namespace uaoe::sim {

class Disk final : public target::Storage {
  public:
    static constexpr std::size_t sector_bytes = 512;

    explicit Disk(std::uint64_t sectors) : bytes_(sectors * sector_bytes) {}
    bool read(std::uint64_t offset, proto::Bytes out) override;
    bool write(std::uint64_t offset, proto::ConstBytes data) override;
    bool discard(std::uint64_t offset, std::uint64_t bytes) override;
    bool flush() override;

    // What was written since the last flush is forgotten: all of it, or each sector or not, as
    // caches write back in any order.
    void cut_power(Random& random);

    // Reads of it fail until it is written; writes of it fail for ever.
    void break_for_reads(std::uint64_t lba) { unreadable_.insert(lba); }
    void break_for_writes(std::uint64_t lba) { unwritable_.insert(lba); }
    void heal();

    [[nodiscard]] proto::ConstBytes bytes() const { return bytes_; }
    [[nodiscard]] std::uint64_t changes() const { return changes_; }
    [[nodiscard]] bool is_dirty() const { return !unflushed_.empty(); }

  private:
    // Before the sectors change for the first time since the last flush.
    bool keep(std::uint64_t offset, std::uint64_t bytes);

    std::vector<std::byte> bytes_;
    std::map<std::uint64_t, std::vector<std::byte>> unflushed_; // by sector: what is on the platter
    std::set<std::uint64_t> unreadable_;
    std::set<std::uint64_t> unwritable_;
    std::uint64_t changes_ = 0;
};

} // namespace uaoe::sim
