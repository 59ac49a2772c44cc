// The two disks of the model target: RAM that costs nothing until it is written, and a file.
#pragma once

#include "tests/target/model_target.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <filesystem>
#include <memory>

namespace uaoe::target {

// Sparse: chunks of 64 KiB that appear with the first write, so thousands of disks of a TiB fit.
// What was never written or was discarded reads as zeroes.
class RamStorage : public Storage {
  public:
    RamStorage() = default;
    ~RamStorage() override;
    RamStorage(const RamStorage&) = delete;
    RamStorage& operator=(const RamStorage&) = delete;

    bool read(std::uint64_t offset, proto::Bytes out) override;
    bool write(std::uint64_t offset, proto::ConstBytes data) override;
    bool discard(std::uint64_t offset, std::uint64_t bytes) override;
    bool flush() override { return true; }
    // Empty when the bytes lie in two chunks.
    proto::ConstBytes view(std::uint64_t offset, std::size_t bytes) override;

    [[nodiscard]] std::uint64_t allocated_bytes() const;

  private:
    [[nodiscard]] std::byte* find_chunk(std::uint64_t index) const; // null: never written
    std::byte* make_chunk(std::uint64_t index);

    boost::unordered_flat_map<std::uint64_t, std::byte*> chunks_; // by offset / chunk bytes
    std::vector<std::byte*> slabs_;                               // mappings the chunks lie in
    std::size_t slab_used_bytes_ = 0;                             // of the last one
};

// A regular file or a block device. flush() is fdatasync.
class FileStorage : public Storage {
  public:
    // Throws std::system_error. A file that is not there is made, of `bytes_if_new`; one of
    // no size gets that size.
    FileStorage(const std::filesystem::path& path, bool is_read_only, std::uint64_t bytes_if_new);
    ~FileStorage() override;
    FileStorage(const FileStorage&) = delete;
    FileStorage& operator=(const FileStorage&) = delete;

    bool read(std::uint64_t offset, proto::Bytes out) override;
    bool write(std::uint64_t offset, proto::ConstBytes data) override;
    bool discard(std::uint64_t offset, std::uint64_t bytes) override;
    bool flush() override;

    [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }
    [[nodiscard]] std::uint64_t size_bytes_now() const override;

  private:
    int descriptor_ = -1;
    std::uint64_t size_bytes_ = 0;
};

} // namespace uaoe::target
