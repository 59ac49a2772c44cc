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

// Reads the T that starts at `offset` into `value`; false, and nothing read, when the bytes end
// before it does. For the data path: fields come straight from `bytes` then. An optional is copied
// through the stack, and each field waits for stores of another size.
template <WireStruct T>
[[nodiscard]] bool load_into(T& value, ConstBytes bytes, std::size_t offset = 0) {
    if (bytes.size() < offset || bytes.size() - offset < sizeof(T)) {
        return false;
    }
    std::memcpy(&value, bytes.data() + offset, sizeof(T));
    return true;
}

// The T that starts at `offset`; nothing when the bytes end before it does.
template <WireStruct T>
[[nodiscard]] std::optional<T> load(ConstBytes bytes, std::size_t offset = 0) {
    T value;
    if (!load_into(value, bytes, offset)) {
        return std::nullopt;
    }
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
