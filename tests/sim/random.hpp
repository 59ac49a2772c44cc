// The simulator's random numbers: the same on every compiler and library, so a seed is a world for
// ever.
#pragma once

#include <chrono>
#include <cstdint>

namespace uaoe::sim {

class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    // splitmix64 (Steele, Lea, Flood 2014)
    std::uint64_t next() {
        state_ += 0x9e3779b97f4a7c15;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27U)) * 0x94d049bb133111eb;
        return z ^ (z >> 31U);
    }

    // `first`..`last`, both possible.
    std::uint64_t between(std::uint64_t first, std::uint64_t last) {
        return first + next() % (last - first + 1);
    }

    // 0..`most`
    std::chrono::nanoseconds up_to(std::chrono::nanoseconds most) {
        return std::chrono::nanoseconds{
            static_cast<std::int64_t>(between(0, static_cast<std::uint64_t>(most.count())))};
    }

    bool chance(double probability) {
        return static_cast<double>(next() >> 11U) * 0x1p-53 < probability;
    }

    // One of the values given.
    template <class T, class... Rest>
    T pick(T first, Rest... rest) {
        const T values[] = {first, static_cast<T>(rest)...};
        return values[between(0, sizeof...(rest))];
    }

  private:
    std::uint64_t state_;
};

} // namespace uaoe::sim
