// The model target's disks.
#include "tests/target/storage.hpp"

#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

using namespace uaoe;
using namespace uaoe::target;

namespace {

std::vector<std::byte> pattern(std::size_t bytes, unsigned start) {
    std::vector<std::byte> data(bytes);
    for (std::size_t i = 0; i < bytes; ++i) {
        data[i] = static_cast<std::byte>(start + i * 7 + i / 251);
    }
    return data;
}

bool is_zero(proto::ConstBytes bytes) {
    return std::ranges::all_of(bytes, [](std::byte value) { return value == std::byte{0}; });
}

void check_disk(Storage& disk, std::uint64_t base) {
    const auto data = pattern(200'000, 3);
    std::vector<std::byte> back(data.size());
    REQUIRE(disk.read(base, back));
    CHECK(is_zero(back));
    REQUIRE(disk.write(base + 777, data));
    REQUIRE(disk.read(base + 777, back));
    CHECK(back == data);
    REQUIRE(disk.discard(base + 777 + 1000, 150'000));
    REQUIRE(disk.read(base + 777, back));
    CHECK(std::ranges::equal(std::span(back).first(1000), std::span(data).first(1000)));
    CHECK(is_zero(std::span(back).subspan(1000, 150'000)));
    CHECK(std::ranges::equal(std::span(back).subspan(151'000), std::span(data).subspan(151'000)));
    CHECK(disk.flush());
}

} // namespace

TEST_CASE("RAM: reads what was written, zeroes elsewhere") {
    RamStorage disk;
    check_disk(disk, 0);
    check_disk(disk, (std::uint64_t{1} << 40U) - 500'000);
}

TEST_CASE("RAM: thousands of large disks cost what was written to them") {
    std::vector<std::unique_ptr<RamStorage>> disks;
    const auto data = pattern(512, 1);
    for (unsigned i = 0; i < 4096; ++i) {
        disks.push_back(std::make_unique<RamStorage>());
        REQUIRE(disks.back()->write((std::uint64_t{1} << 40U) - 512, data));
        CHECK(disks.back()->allocated_bytes() == 65536);
    }
}

TEST_CASE("RAM: a discard of everything touches only what is there") {
    RamStorage disk;
    REQUIRE(disk.write(100'000, pattern(100'000, 5)));
    REQUIRE(disk.write(std::uint64_t{1} << 45U, pattern(512, 5)));
    REQUIRE(disk.discard(150'000, (std::uint64_t{1} << 45U) - 150'000 + 256));
    std::vector<std::byte> back(50'000);
    REQUIRE(disk.read(100'000, back));
    CHECK(std::ranges::equal(back, proto::ConstBytes(pattern(100'000, 5)).first(50'000)));
    REQUIRE(disk.read(150'000, back));
    CHECK(is_zero(back));
    back.resize(512);
    REQUIRE(disk.read(std::uint64_t{1} << 45U, back));
    CHECK(is_zero(std::span(back).first(256)));
    CHECK(std::ranges::equal(std::span(back).subspan(256),
                             proto::ConstBytes(pattern(512, 5)).subspan(256)));
}

TEST_CASE("RAM: a view stays good over a discard and shows it") {
    RamStorage disk;
    REQUIRE(disk.write(0, pattern(65536, 9)));
    const auto view = disk.view(512, 1024);
    REQUIRE(view.size() == 1024);
    CHECK(std::ranges::equal(view, proto::ConstBytes(pattern(65536, 9)).subspan(512, 1024)));
    REQUIRE(disk.discard(0, 65536));
    CHECK(is_zero(view));
    CHECK(disk.view(65536 - 512, 1024).empty()); // in two chunks
    CHECK(is_zero(disk.view(std::uint64_t{1} << 41U, 4096)));
}

TEST_CASE("file: the same, and it keeps its size") {
    const auto path = std::filesystem::temp_directory_path() /
                      ("uaoe-storage-test-" + std::to_string(::getpid()));
    {
        FileStorage disk(path, false, 1 << 20);
        CHECK(disk.size_bytes() == 1 << 20);
        check_disk(disk, 300'000);
        std::vector<std::byte> past(512);
        CHECK_FALSE(disk.read(1 << 20, past));
    }
    {
        FileStorage disk(path, true, 0);
        CHECK(disk.size_bytes() == 1 << 20);
        CHECK_FALSE(disk.write(0, pattern(512, 1)));
    }
    std::filesystem::remove(path);
    CHECK_THROWS_AS(FileStorage(path, false, 0), std::system_error);
}
