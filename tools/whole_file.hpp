// Small files, read and written whole. Errors are errno values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace uaoe::tools {

enum class FileSync : std::uint8_t {
    none, // for a tmpfs
    disk, // survives a power cut
};

// EFBIG beyond `bytes_max`.
[[nodiscard]] std::expected<std::string, int> read_whole_file(const std::string& path,
                                                              std::size_t bytes_max);

// By a rename, so that a reader, and a crash, see the old file or the new one. On failure the old
// one is as it was and nothing is left beside it.
[[nodiscard]] std::expected<void, int> write_whole_file(const std::string& path,
                                                        std::string_view text, FileSync sync);

} // namespace uaoe::tools
