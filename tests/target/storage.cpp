// RAM and file disks of the model target.
#include "tests/target/storage.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace uaoe::target {

namespace {

constexpr std::size_t chunk_bytes = std::size_t{64} << 10U;
constexpr std::size_t slab_bytes = std::size_t{16} << 20U;

// What unwritten chunks show.
constexpr std::array<std::byte, chunk_bytes> zeroes{};

// One chunk's part of a range, and the next one's.
struct Piece {
    std::uint64_t chunk_index;
    std::size_t offset;
    std::size_t bytes;
};

Piece first_piece(std::uint64_t offset, std::uint64_t bytes) {
    const auto inside = static_cast<std::size_t>(offset % chunk_bytes);
    return {.chunk_index = offset / chunk_bytes,
            .offset = inside,
            .bytes =
                static_cast<std::size_t>(std::min<std::uint64_t>(bytes, chunk_bytes - inside))};
}

} // namespace

RamStorage::~RamStorage() {
    for (std::byte* slab : slabs_) {
        ::munmap(slab, slab_bytes);
    }
}

std::byte* RamStorage::find_chunk(std::uint64_t index) const {
    const auto found = chunks_.find(index);
    return found == chunks_.end() ? nullptr : found->second;
}

// Memory is mapped in slabs and touched only where it is written; null when there is none left.
std::byte* RamStorage::make_chunk(std::uint64_t index) {
    if (slabs_.empty() || slab_used_bytes_ == slab_bytes) {
        void* slab = ::mmap(nullptr, slab_bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (slab == MAP_FAILED) {
            return nullptr;
        }
        slabs_.push_back(static_cast<std::byte*>(slab));
        slab_used_bytes_ = 0;
    }
    std::byte* chunk = slabs_.back() + slab_used_bytes_;
    slab_used_bytes_ += chunk_bytes;
    chunks_.emplace(index, chunk);
    return chunk;
}

std::uint64_t RamStorage::allocated_bytes() const {
    return chunks_.size() * chunk_bytes;
}

bool RamStorage::read(std::uint64_t offset, proto::Bytes out) {
    while (!out.empty()) {
        const Piece piece = first_piece(offset, out.size());
        const std::byte* chunk = find_chunk(piece.chunk_index);
        std::memcpy(out.data(), (chunk == nullptr ? zeroes.data() : chunk) + piece.offset,
                    piece.bytes);
        out = out.subspan(piece.bytes);
        offset += piece.bytes;
    }
    return true;
}

proto::ConstBytes RamStorage::view(std::uint64_t offset, std::size_t bytes) {
    const Piece piece = first_piece(offset, bytes);
    if (piece.bytes < bytes) {
        return {};
    }
    const std::byte* chunk = find_chunk(piece.chunk_index);
    return {(chunk == nullptr ? zeroes.data() : chunk) + piece.offset, bytes};
}

bool RamStorage::write(std::uint64_t offset, proto::ConstBytes data) {
    while (!data.empty()) {
        const Piece piece = first_piece(offset, data.size());
        std::byte* chunk = find_chunk(piece.chunk_index);
        if (chunk == nullptr) {
            chunk = make_chunk(piece.chunk_index);
        }
        if (chunk == nullptr) {
            return false;
        }
        std::memcpy(chunk + piece.offset, data.data(), piece.bytes);
        data = data.subspan(piece.bytes);
        offset += piece.bytes;
    }
    return true;
}

// The chunks stay where they are, because views of them may be in use; whole ones give their memory
// back to the kernel and read as zeroes from then on. A discard of much more than was ever written
// walks the chunks there are, not the range.
bool RamStorage::discard(std::uint64_t offset, std::uint64_t bytes) {
    const auto clear = [](std::byte* chunk, const Piece& piece) {
        if (piece.bytes == chunk_bytes) {
            return ::madvise(chunk, chunk_bytes, MADV_DONTNEED) == 0;
        }
        std::memset(chunk + piece.offset, 0, piece.bytes);
        return true;
    };
    if (bytes / chunk_bytes > chunks_.size()) {
        bool is_done = true;
        for (const auto& [index, chunk] : chunks_) {
            const std::uint64_t begin = std::max(offset, index * chunk_bytes);
            const std::uint64_t end = std::min(offset + bytes, (index + 1) * chunk_bytes);
            if (begin < end) {
                is_done = clear(chunk, first_piece(begin, end - begin)) && is_done;
            }
        }
        return is_done;
    }
    while (bytes > 0) {
        const Piece piece = first_piece(offset, bytes);
        if (std::byte* chunk = find_chunk(piece.chunk_index);
            chunk != nullptr && !clear(chunk, piece)) {
            return false;
        }
        offset += piece.bytes;
        bytes -= piece.bytes;
    }
    return true;
}

FileStorage::FileStorage(const std::filesystem::path& path, bool is_read_only,
                         std::uint64_t bytes_if_new) {
    const auto fail = [&](const char* what) {
        const int code = errno;
        if (descriptor_ >= 0) {
            ::close(descriptor_);
        }
        throw std::system_error(code, std::generic_category(), what + (" " + path.string()));
    };
    const int access = is_read_only ? O_RDONLY : bytes_if_new > 0 ? O_RDWR | O_CREAT : O_RDWR;
    descriptor_ = ::open(path.c_str(), access | O_CLOEXEC, 0644);
    if (descriptor_ < 0) {
        fail("cannot open");
    }
    off_t end = ::lseek(descriptor_, 0, SEEK_END); // a block device says 0 to fstat
    if (end == 0 && !is_read_only && bytes_if_new > 0) {
        if (::ftruncate(descriptor_, static_cast<off_t>(bytes_if_new)) != 0) {
            fail("cannot size");
        }
        end = static_cast<off_t>(bytes_if_new);
    }
    if (end < 0) {
        fail("cannot find the size of");
    }
    size_bytes_ = static_cast<std::uint64_t>(end);
}

FileStorage::~FileStorage() {
    ::close(descriptor_);
}

std::uint64_t FileStorage::size_bytes_now() const {
    const off_t end = ::lseek(descriptor_, 0, SEEK_END);
    return end < 0 ? 0 : static_cast<std::uint64_t>(end);
}

bool FileStorage::read(std::uint64_t offset, proto::Bytes out) {
    while (!out.empty()) {
        const ssize_t got =
            ::pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false; // the file became shorter, or the medium failed
        }
        out = out.subspan(static_cast<std::size_t>(got));
        offset += static_cast<std::uint64_t>(got);
    }
    return true;
}

bool FileStorage::write(std::uint64_t offset, proto::ConstBytes data) {
    while (!data.empty()) {
        const ssize_t put =
            ::pwrite(descriptor_, data.data(), data.size(), static_cast<off_t>(offset));
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return false;
        }
        data = data.subspan(static_cast<std::size_t>(put));
        offset += static_cast<std::uint64_t>(put);
    }
    return true;
}

bool FileStorage::discard(std::uint64_t offset, std::uint64_t bytes) {
    if (::fallocate(descriptor_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    static_cast<off_t>(offset), static_cast<off_t>(bytes)) == 0) {
        return true;
    }
    if (errno != EOPNOTSUPP) {
        return false;
    }
    while (bytes > 0) { // a file system without holes
        const auto now = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, chunk_bytes));
        if (!write(offset, proto::ConstBytes(zeroes).first(now))) {
            return false;
        }
        offset += now;
        bytes -= now;
    }
    return true;
}

bool FileStorage::flush() {
    return ::fdatasync(descriptor_) == 0;
}

} // namespace uaoe::target
