// Reading and writing wire structs. A wire struct is made of Boost.Endian buffer types and bytes,
// so it has alignment 1 and no padding; it is copied out of a receive buffer, never cast onto it.
#pragma once

#include "proto/assert.hpp"

#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

namespace uaoe::proto {

using ConstBytes = std::span<const std::byte>;
using Bytes = std::span<std::byte>;

template <class T>
concept WireStruct = std::is_trivially_copyable_v<T> && alignof(T) == 1;

// The T that starts at `offset`; nothing when the bytes end before it does.
template <WireStruct T>
[[nodiscard]] std::optional<T> load(ConstBytes bytes, std::size_t offset = 0) {
    if (bytes.size() < offset || bytes.size() - offset < sizeof(T)) {
        return std::nullopt;
    }
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof(T));
    return value;
}

// Writes `value` at `offset`. The caller provides the room: that is our own state, so it is
// asserted.
template <WireStruct T>
void store(Bytes bytes, const T& value, std::size_t offset = 0) {
    UAOE_ASSERT(bytes.size() >= offset && bytes.size() - offset >= sizeof(T));
    std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

} // namespace uaoe::proto
