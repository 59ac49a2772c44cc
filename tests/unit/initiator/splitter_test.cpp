// cut_frame exhaustively over small ranges.
#include "initiator/splitter.hpp"

#include <doctest/doctest.h>

#include <initializer_list>

using uaoe::initiator::cut_frame;

TEST_CASE("cuts cover the range in order, none too long, and alignment costs no frame") {
    for (const std::uint32_t block : {1U, 2U, 8U, 16U}) {
        for (std::uint32_t frame_max = 1; frame_max <= 20; ++frame_max) {
            for (std::uint64_t lba = 0; lba < 17; ++lba) {
                for (std::uint64_t sectors = 1; sectors <= 80; ++sectors) {
                    std::uint64_t done = 0;
                    std::uint64_t frames = 0;
                    while (done < sectors) {
                        const std::uint32_t cut =
                            cut_frame({lba + done}, {sectors - done}, frame_max, block);
                        REQUIRE(cut >= 1);
                        REQUIRE(cut <= frame_max);
                        REQUIRE(cut <= sectors - done);
                        done += cut;
                        ++frames;
                    }
                    REQUIRE(frames == (sectors + frame_max - 1) / frame_max);
                }
            }
        }
    }
}

TEST_CASE("64 KiB in jumbo frames of 17 sectors are eight frames of whole pages") {
    std::uint64_t done = 0;
    while (done < 128) {
        CHECK(cut_frame({done}, {128 - done}, 17, 8) == 16);
        done += 16;
    }
}

TEST_CASE("a range that only fits in full frames is cut into full frames") {
    CHECK(cut_frame({0}, {34}, 17, 8) == 17);
    CHECK(cut_frame({17}, {17}, 17, 8) == 17);
}
