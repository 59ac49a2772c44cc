// The model target: the conversation captured from vblade, then what vblade does not show.
#include "model_bench.hpp"
#include "vblade_exchanges.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace uaoe;
using namespace uaoe::target;
using namespace uaoe::target::test;

namespace {

const std::string read_config = "1000 0001 00 01 80000001 0000 0000 00 00 0000";
const std::string read_sector_1 = "1000 0001 00 00 80000001 40 00 01 24 010000000000 0000";
const std::string flush = "1000 0001 00 00 80000001 00 00 00 e7 000000000000 0000";
const std::string flush_ext = "1000 0001 00 00 80000001 40 00 00 ea 000000000000 0000";
const std::string identify = "1000 0001 00 00 80000001 00 00 01 ec 000000a00000 0000";
const std::string write_sector_1 = "1000 0001 00 00 80000001 41 00 01 34 010000000000 0000 77*512";

} // namespace

TEST_CASE("the model answers as vblade does, where it does not differ on purpose") {
    ModelBench bench;
    for (const VbladeExchange& exchange : vblade_exchanges()) {
        CAPTURE(exchange.what);
        const auto frame = bench.ask_frame(exchange.request, exchange.source);
        const std::string expected = exchange.model_answer.value_or(exchange.answer);
        if (expected.empty()) {
            CHECK(frame.empty());
            continue;
        }
        const auto expected_bytes = from_hex(expected);
        REQUIRE(frame.size() > 14);
        const auto body = std::span(frame).subspan(14);
        const std::size_t tail_bytes = exchange.tail == Tail::identify ? 512 : 0;
        CHECK(body.size() == expected_bytes.size() + tail_bytes);
        CHECK(to_hex(body.first(std::min(body.size(), expected_bytes.size()))) == hex(expected));
    }
}

TEST_CASE("a reply goes to who asked, from who was asked") {
    ModelBench bench;
    CHECK(to_hex(proto::ConstBytes(bench.ask_frame(read_config, 9)).first(14)) ==
          hex("020000000009 020000000002 88a2"));
}

TEST_CASE("the boot advertisement is vblade's, version nibble 0 included") {
    LunConfig config = lun_config();
    config.quirks.version_zero = true;
    ModelBench bench(config);
    const std::size_t bytes = bench.target.make_boot_advertisement(own_mac, mtu_bytes, bench.reply);
    CHECK(to_hex(std::span(bench.reply).first(bytes)) ==
          hex("ffffffffffff 020000000002 88a2 0800 0001 00 01 00000000 0010 4019 02 10 0000"));
}

TEST_CASE("sectors a frame: from the MTU, or as configured, advertised and enforced") {
    LunConfig config = lun_config();
    SUBCASE("9000 bytes carry 17") {
        ModelBench bench(config, 9000);
        CHECK(bench.ask(read_config) == hex("1800 0001 00 01 80000001 0010 4019 11 10 0000"));
        CHECK(bench.ask_frame("1000 0001 00 00 80000001 40 00 11 24 010000000000 0000").size() ==
              36 + 17 * 512);
        CHECK(bench.ask("1000 0001 00 00 80000001 40 00 12 24 010000000000 0000")
                  .starts_with("1c02"));
    }
    SUBCASE("1 at most") {
        config.sectors_per_frame = 1;
        ModelBench bench(config, 9000);
        CHECK(bench.ask(read_config) == hex("1800 0001 00 01 80000001 0010 4019 01 10 0000"));
        CHECK(bench.ask("1000 0001 00 00 80000001 40 00 02 24 010000000000 0000")
                  .starts_with("1c02"));
    }
}

TEST_CASE("logical sectors of 4096 bytes") {
    LunConfig config = lun_config();
    config.identify.logical_sector_bytes = 4096;
    config.identify.physical_sector_bytes = 4096;
    ModelBench bench(config, 9000);
    CHECK(bench.ask("1000 0001 00 00 80000001 40 00 02 24 3e0000000000 0000") ==
          hex("1800 0001 00 00 80000001 40 00 00 40 3e0000000000 0000 3e*4096 3f*4096"));
    CHECK(bench.ask("1000 0001 00 00 80000001 40 00 02 24 3f0000000000 0000") ==
          hex("1800 0001 00 00 80000001 40 10 02 41 3f0000000000 0000"));
    CHECK(bench.ask("1000 0001 00 00 80000001 41 00 01 34 000000000000 0000 99*4096") ==
          hex("1800 0001 00 00 80000001 41 00 00 40 000000000000 0000"));
    CHECK(bench.ask("1000 0001 00 00 80000001 40 00 01 24 000000000000 0000") ==
          hex("1800 0001 00 00 80000001 40 00 00 40 000000000000 0000 99*4096"));
}

TEST_CASE("IDENTIFY is what the configuration says") {
    ModelBench bench;
    const auto frame = bench.ask_frame(identify);
    REQUIRE(frame.size() == 36 + 512);
    const auto parsed = proto::parse_identify(std::span(frame).subspan(36));
    REQUIRE(parsed.has_value());
    CHECK(*parsed == lun_config().identify);
}

TEST_CASE("flush reaches the disk, if it is offered") {
    LunConfig config = lun_config();
    SUBCASE("both") {
        config.identify.flush_cache_ext = true;
        ModelBench bench(config);
        CHECK(bench.ask(flush) == hex("1800 0001 00 00 80000001 00 00 00 40 000000000000 0000"));
        CHECK(bench.ask(flush_ext) ==
              hex("1800 0001 00 00 80000001 40 00 00 40 000000000000 0000"));
        CHECK(bench.storage.flushes_count == 2);
        bench.storage.is_broken = true;
        CHECK(bench.ask(flush) == hex("1800 0001 00 00 80000001 00 04 00 61 000000000000 0000"));
    }
    SUBCASE("not at all") {
        config.quirks.flush_aborts = true;
        ModelBench bench(config);
        CHECK(bench.ask(flush) == hex("1800 0001 00 00 80000001 00 04 00 41 000000000000 0000"));
        CHECK(bench.storage.flushes_count == 0);
    }
    SUBCASE("ggaoed's empty answer") {
        config.quirks.flush_echoes_command = true;
        ModelBench bench(config);
        CHECK(bench.ask(flush) == hex("1800 0001 00 00 80000001 00 00 00 e7 000000000000 0000"));
        CHECK(bench.storage.flushes_count == 0);
    }
}

TEST_CASE("trim: ranges read as zeroes; a bad range spoils the whole command") {
    LunConfig config = lun_config();
    config.identify.trim = true;
    config.identify.trim_blocks_max = 1;
    ModelBench bench(config);
    const std::string head = "1000 0001 00 00 80000001 41 01 01 06 000000000000 0000 ";
    const std::string read_4 = "1000 0001 00 00 80000001 40 00 02 24 040000000000 0000";
    SUBCASE("one sector") {
        CHECK(bench.ask(head + "050000000000 0100 00*504") ==
              hex("1800 0001 00 00 80000001 41 00 00 40 000000000000 0000"));
        CHECK(bench.ask(read_4) ==
              hex("1800 0001 00 00 80000001 40 00 00 40 040000000000 0000 04*512 00*512"));
    }
    SUBCASE("past the end") {
        CHECK(bench.ask(head + "050000000000 0100 3f0000000000 0200 00*496") ==
              hex("1800 0001 00 00 80000001 41 10 01 41 000000000000 0000"));
        CHECK(bench.ask(read_4) ==
              hex("1800 0001 00 00 80000001 40 00 00 40 040000000000 0000 04*512 05*512"));
    }
    SUBCASE("more blocks than offered") {
        CHECK(bench.ask("1000 0001 00 00 80000001 41 01 02 06 000000000000 0000 00*1024") ==
              hex("1800 0001 00 00 80000001 41 04 02 41 000000000000 0000"));
    }
    SUBCASE("less data than said") {
        CHECK(bench.ask(head + "050000000000 0100").starts_with("1c02"));
    }
}

TEST_CASE("a broken disk: reads are uncorrectable, writes a device fault") {
    ModelBench bench;
    bench.storage.is_broken = true;
    CHECK(bench.ask(read_sector_1) ==
          hex("1800 0001 00 00 80000001 40 40 01 41 010000000000 0000"));
    CHECK(bench.ask(write_sector_1) ==
          hex("1800 0001 00 00 80000001 41 04 01 61 010000000000 0000"));
}

TEST_CASE("mask list: edits stop at the first failure; removing the last lets all in") {
    ModelBench bench;
    const std::string head = "1000 0001 00 02 80000001 00 01 00 ";
    CHECK(bench.ask(head + "02 00 01 020000000001 00 01 020000000001") ==
          hex("1800 0001 00 02 80000001 00 01 00 01 00 00 020000000001"));
    CHECK(bench.ask(read_config, 3) == "");
    CHECK(bench.ask(read_sector_1, 3) == "");
    CHECK(bench.ask(head + "02 00 01 020000000003 00 09 020000000004") ==
          hex("1800 0001 00 02 80000001 00 01 02 01")); // one was done
    CHECK(bench.ask(read_config, 3) != "");
    CHECK(bench.ask(head + "02 00 02 020000000001 00 00 000000000000", 3) ==
          hex("1800 0001 00 02 80000001 00 01 00 01 00 00 020000000003"));
    CHECK(bench.ask(head + "01 00 02 020000000003", 3) ==
          hex("1800 0001 00 02 80000001 00 01 00 00"));
    CHECK(bench.ask(read_config, 1) != "");
    CHECK(bench.ask(head + "02 00 01 020000000001").starts_with("1c02")); // one is missing
    CHECK(bench.ask(read_config, 3) != "");
}

TEST_CASE("mask list: 255 are all") {
    ModelBench bench(lun_config(), 9000);
    std::string directives;
    for (unsigned i = 0; i < 255; ++i) {
        directives += " 00 01 0200000000" + to_hex(std::array{static_cast<std::byte>(i)});
    }
    CHECK(bench.ask("1000 0001 00 02 80000001 00 01 00 ff" + directives)
              .starts_with(hex("1800 0001 00 02 80000001 00 01 00 ff")));
    CHECK(bench.ask("1000 0001 00 02 80000001 00 01 00 01 00 01 0200000001ff") ==
          hex("1800 0001 00 02 80000001 00 01 03 00"));
}

TEST_CASE("quirks") {
    LunConfig config = lun_config();
    Quirks& quirks = config.quirks;
    SUBCASE("mute on IDENTIFY") {
        quirks.mute_identify = true;
        ModelBench bench(config);
        CHECK(bench.ask(identify) == "");
        CHECK(bench.ask(read_config) != "");
    }
    SUBCASE("reserved") {
        quirks.reserved = true;
        ModelBench bench(config);
        CHECK(bench.ask(read_sector_1) ==
              hex("1c06 0001 00 00 80000001 40 00 01 24 010000000000 0000"));
        CHECK(bench.ask_frame(identify).size() == 36 + 512);
    }
    SUBCASE("reserved for IDENTIFY too") {
        quirks.reserved_identify = true;
        ModelBench bench(config);
        CHECK(bench.ask(read_sector_1).starts_with("1c06"));
        CHECK(bench.ask(identify).starts_with("1c06"));
    }
    SUBCASE("unavailable, with short errors") {
        quirks.unavailable = true;
        quirks.short_errors = true;
        ModelBench bench(config);
        CHECK(bench.ask(identify) == hex("1c03 0001 00 00 80000001"));
    }
    SUBCASE("read-only") {
        quirks.read_only = true;
        ModelBench bench(config);
        CHECK(bench.ask(write_sector_1) ==
              hex("1800 0001 00 00 80000001 41 04 01 41 010000000000 0000"));
        CHECK(bench.ask(read_sector_1) ==
              hex("1800 0001 00 00 80000001 40 00 00 40 010000000000 0000 01*512"));
    }
    SUBCASE("pads with leftovers") {
        quirks.pads_replies = true;
        ModelBench bench(config);
        CHECK(bench.ask(write_sector_1) ==
              hex("1800 0001 00 00 80000001 41 00 00 40 010000000000 0000 77*24"));
    }
    SUBCASE("broadcast address in Query Config replies, not in others") {
        quirks.broadcast_address = true;
        ModelBench bench(config);
        CHECK(bench.ask(read_config) == hex("1800 ffff ff 01 80000001 0010 4019 02 10 0000"));
        CHECK(bench.ask(read_sector_1).starts_with(hex("1800 0001 00 00")));
    }
    SUBCASE("wrong command") {
        quirks.wrong_command = true;
        ModelBench bench(config);
        CHECK(bench.ask(read_sector_1).starts_with(hex("1800 0001 00 01 80000001 40 00")));
    }
    SUBCASE("short read data") {
        quirks.short_read_data = true;
        ModelBench bench(config);
        CHECK(bench.ask("1000 0001 00 00 80000001 40 00 02 24 010000000000 0000") ==
              hex("1800 0001 00 00 80000001 40 00 00 40 010000000000 0000 01*512"));
        CHECK(bench.ask(read_sector_1) ==
              hex("1800 0001 00 00 80000001 40 00 00 40 010000000000 0000"));
    }
    SUBCASE("advertised buffer count") {
        quirks.advertised_buffer_count = 0;
        ModelBench bench(config);
        CHECK(bench.ask(read_config) == hex("1800 0001 00 01 80000001 0000 4019 02 10 0000"));
    }
}

TEST_CASE("a restart forgets masks, reservation and config string, not the disk") {
    ModelBench bench;
    CHECK(bench.ask(write_sector_1) != "");
    CHECK(bench.ask("1000 0001 00 01 80000001 0000 0000 00 14 0001 61") != "");
    CHECK(bench.ask("1000 0001 00 03 80000001 01 01 020000000001") != "");
    CHECK(bench.ask("1000 0001 00 02 80000001 00 01 00 01 00 01 020000000001") != "");
    CHECK(bench.ask(read_sector_1, 3) == "");
    bench.target.restart();
    CHECK(bench.ask(read_config, 3) == hex("1800 0001 00 01 80000001 0010 4019 02 10 0000"));
    CHECK(bench.ask(read_sector_1, 3) ==
          hex("1800 0001 00 00 80000001 40 00 00 40 010000000000 0000 77*512"));
}

TEST_CASE("a read in place shows the disk's own memory") {
    ModelBench bench;
    const auto request = from_hex("020000000002 020000000001 88a2 " + read_sector_1);
    const Reply reply =
        bench.target.handle_frame_in_place(request, own_mac, mtu_bytes, bench.reply);
    CHECK(reply.frame_bytes == 36);
    CHECK(reply.payload.data() == bench.storage.view(512, 512).data());
    CHECK(reply.payload.size() == 512);
}

TEST_CASE("garbage is answered or not, never fatal") {
    ModelBench bench;
    for (unsigned command = 0; command < 256; ++command) {
        const std::string octet = to_hex(std::array{static_cast<std::byte>(command)});
        for (unsigned bytes = 0; bytes < 40; ++bytes) {
            const std::string argument = bytes == 0 ? "" : " ff*" + std::to_string(bytes) + " ";
            static_cast<void>(bench.ask("1000 0001 00 " + octet + " 80000001" + argument));
            static_cast<void>(bench.ask("1000 0001 00 00 80000001 ff ff ff " + octet + argument));
        }
    }
    const auto bare = from_hex("020000000002 020000000001 88a2");
    CHECK(bench.target.handle_frame(bare, own_mac, mtu_bytes, bench.reply) == 0);
    CHECK(bench.target.handle_frame({}, own_mac, mtu_bytes, bench.reply) == 0);
}
