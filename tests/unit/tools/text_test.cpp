// Text for people: what is cut, what is made visible, how columns line up.
#include "tools/text.hpp"

#include "sample_target.hpp"

#include <doctest/doctest.h>

using namespace uaoe;
using namespace uaoe::tools;

TEST_CASE("control characters and wrong UTF-8 are made visible, the rest stays") {
    CHECK(visible_text("plain text") == "plain text");
    CHECK(visible_text("\x1b[31mred\a") == "\\x1b[31mred\\x07");
    CHECK(visible_text("tab\tnewline\n") == "tab\\x09newline\\x0a");
    CHECK(visible_text("back\\slash") == "back\\x5cslash");
    CHECK(visible_text("Größe €") == "Größe €");
    CHECK(visible_text("\xc3") == "\\xc3");                   // cut short
    CHECK(visible_text("\xc0\xaf") == "\\xc0\\xaf");          // overlong
    CHECK(visible_text("\xed\xa0\x80") == "\\xed\\xa0\\x80"); // a surrogate
    CHECK(visible_text("\xc2\x9b"
                       "31m") == "\\xc2\\x9b31m"); // C1: CSI in one character
    CHECK(visible_text(std::string_view("a\0b", 3)) == "a\\x00b");
}

TEST_CASE("UTF-8 is told from other bytes") {
    CHECK(is_utf8(""));
    CHECK(is_utf8("a\xc3\xa4\xf0\x9f\x98\x80"));
    CHECK_FALSE(is_utf8("\xff"));
    CHECK_FALSE(is_utf8("\xe2\x82"));
    CHECK_FALSE(is_utf8("\xf4\x90\x80\x80")); // above U+10FFFF
}

TEST_CASE("long text is cut by characters, not bytes") {
    CHECK(shortened_text("short", 5) == "short");
    CHECK(shortened_text("longer", 5) == "lo...");
    CHECK(shortened_text("ääääää", 5) == "ää...");
}

TEST_CASE("sizes have three digits and binary units") {
    CHECK(size_text(0) == "0 B");
    CHECK(size_text(1023) == "1023 B");
    CHECK(size_text(1024) == "1.00 KiB");
    CHECK(size_text(64ULL << 20U) == "64.0 MiB");
    CHECK(size_text(1ULL << 40U) == "1.00 TiB");
    CHECK(size_text((1ULL << 40U) - 1) == "1.00 TiB"); // not "1024 GiB"
    CHECK(size_text(123456789012345) == "112 TiB");
    CHECK(size_text((1ULL << 48U) * 512) == "128 PiB");
    CHECK(size_text(UINT64_MAX) == "16.0 EiB");
}

TEST_CASE("columns are as wide as what is in them") {
    Table table(
        {{.title = "NAME"}, {.title = "N", .align = Table::Align::right}, {.title = "END"}});
    table.add_row({"a", "1", ""});
    table.add_row({"größer", "1000", "x"});
    CHECK(table.to_text() == "NAME       N  END\n"
                             "a          1\n"
                             "größer  1000  x\n");
}

TEST_CASE("discover prints a line for each target") {
    auto conflict = sample_target();
    conflict.paths[1].state = initiator::PathState::conflict;
    conflict.address = {7, 4};
    initiator::TargetStatus mute;
    mute.address = {65534, 254};
    mute.state = initiator::TargetState::mute;
    mute.config_string = "\x1b"
                         "c";
    const std::vector<initiator::TargetStatus> targets{sample_target(), conflict, mute};
    CHECK(discover_table(targets) ==
          "ADDRESS        SIZE  MODEL      SERIAL  PATHS    PAYLOAD  BUFS  STATE     CONFIG\n"
          "7.3        2.00 MiB  Some Disk  S1          2  1024-8704    16  ready     blue\n"
          "7.4        2.00 MiB  Some Disk  S1        1/2  1024-8704    16  conflict  blue\n"
          "65534.254         -  -          -           0          0     0  mute      \\x1bc\n");
    CHECK(discover_table({}) ==
          "ADDRESS  SIZE  MODEL  SERIAL  PATHS  PAYLOAD  BUFS  STATE  CONFIG\n");
}

TEST_CASE("IDENTIFY words are 256, eight a line, high byte first") {
    std::array<std::byte, proto::identify_bytes> data{};
    data[0] = std::byte{0x40};
    data[1] = std::byte{0x80};
    data[511] = std::byte{0xa5};
    const std::string text = identify_words(data);
    CHECK(text.starts_with("8040 0000 "));
    CHECK(text.ends_with(" a500\n"));
    CHECK(std::ranges::count(text, '\n') == 32);
    CHECK(text.size() == 256 * 5);
}

TEST_CASE("IDENTIFY in words") {
    const std::string text = identify_text(sample_target());
    CHECK(text.find("model             Some Disk\n") != std::string::npos);
    CHECK(text.find("2.00 MiB (2097152 bytes, 4096 sectors)") != std::string::npos);
    CHECK(text.find("addressing        LBA48\n") != std::string::npos);
    CHECK(text.find("rotation          not reported\n") != std::string::npos);
}

TEST_CASE("lists read as sentences do") {
    CHECK(list_text({}).empty());
    CHECK(list_text({"a"}) == "a");
    CHECK(list_text({"a", "b"}) == "a and b");
    CHECK(list_text({"a", "b", "c"}) == "a, b and c");
}
