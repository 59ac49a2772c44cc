// Knows, for every sector, what a read may return: the last finished write, and every write that
// was under way at the same time as the read; nothing older. After a power cut also what was there
// at the last flush, and whatever came since. Sectors carry the number of the write
// that made them and their own LBA, so a wrong one says what it is.
#pragma once

#include "initiator/time.hpp"
#include "proto/wire.hpp"

#include <cstdint>
#include <list>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace uaoe::sim {

// A violated invariant; the seed's runner adds seed and time.
struct Violation : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Oracle {
  public:
    static constexpr std::size_t sector_bytes = 512;

    explicit Oracle(std::uint64_t sectors) : sectors_(sectors, {0}), stable_(sectors, {0}) {
        writes_[0] = {};
    }

    // A write of `count` sectors at `lba`; returns its number. `zeroes` for write_zeroes and
    // discard.
    std::uint64_t begin_write(std::uint64_t lba, std::uint64_t count, bool zeroes);
    void fill(std::uint64_t write, std::uint64_t lba, proto::Bytes buffer) const;
    // `ok = false`: it may have happened, partly or not at all. `durable`: it ended with its FUA.
    void end_write(std::uint64_t write, bool ok, bool durable = false);

    std::uint64_t begin_flush() { return next_++; }
    // What had ended before a flush began survives from the flush's good end on.
    void end_flush(std::uint64_t flush, bool ok);
    // The disk may have lost any sector of what no flush has covered.
    void cut_power();

    std::uint64_t begin_read(std::uint64_t lba, std::uint64_t count);
    // Throws Violation when the data cannot be.
    void end_read(std::uint64_t read, bool ok, proto::ConstBytes data);

    // What is on the disk in the end, with nothing under way.
    void check_disk(proto::ConstBytes disk) const;

  private:
    struct Write {
        std::uint64_t lba = 0;
        std::uint64_t count = 0;
        bool zeroes = true;
        std::uint64_t begun = 0;
        std::uint64_t ended = 0; // 0: still under way
        bool failed = false;     // ended, but a copy of it may still land
    };
    struct Read {
        std::uint64_t lba = 0;
        std::uint64_t count = 0;
        std::vector<std::vector<std::uint64_t>> candidates; // writes, by sector
        std::vector<bool> disturbed; // a write was under way at some time during the read
    };

    [[nodiscard]] std::uint64_t number_of(proto::ConstBytes sector, std::uint64_t lba) const;
    [[nodiscard]] bool may_hold(const std::vector<std::uint64_t>& candidates,
                                std::uint64_t value) const;
    [[nodiscard]] bool is_under_way(std::uint64_t lba) const;
    void supersede(std::vector<std::uint64_t>& candidates, std::uint64_t number) const;

    std::vector<std::vector<std::uint64_t>> sectors_; // writes whose data may be there
    std::vector<std::vector<std::uint64_t>> stable_;  // ... after a power cut
    std::set<std::uint64_t> unflushed_;               // good writes that no flush covers yet
    std::uint64_t last_cut_ = 0; // what began before may be lost though it ended after
    std::map<std::uint64_t, Write> writes_;
    std::map<std::uint64_t, Read> reads_;
    std::uint64_t next_ = 1; // numbers of writes and reads, and the order of everything
};

} // namespace uaoe::sim
