// Whole Ethernet frames as they were seen on a veth pair between a packet socket
// (02:00:00:00:00:01) and vblade 25 (02:00:00:00:00:02) that served shelf 1 slot 0: a disk of 64
// sectors, sector N filled with the octet N. In the notation of ../target/hex.hpp: "05*512" is an
// octet repeated. Not a description of what vblade should do: what it did.
#pragma once

namespace uaoe::proto::test::captured {

// ---- Query Config ----

// Sent by vblade when it starts. The version nibble is 0, which no other frame of it has.
inline constexpr auto boot_advertisement =
    "ffffffffffff 020000000002 88a2 08 00 0001 00 01 00000000 0010 4019 02 10 0000";
inline constexpr auto config_read_request =
    "ffffffffffff 020000000001 88a2 10 00 ffff ff 01 80000002 0000 0000 00 00 0000";
inline constexpr auto config_read_reply =
    "020000000001 020000000002 88a2 18 00 0001 00 01 80000002 0010 4019 02 10 0000";
inline constexpr auto config_test_request =
    "020000000002 020000000001 88a2 10 00 0001 00 01 80000005 0000 0000 00 11 0000";
inline constexpr auto config_test_reply =
    "020000000001 020000000002 88a2 18 00 0001 00 01 80000005 0010 4019 02 11 0000";
inline constexpr auto config_set_request =
    "020000000002 020000000001 88a2 10 00 0001 00 01 80000007 0000 0000 00 13 0003 616263";
inline constexpr auto config_set_reply =
    "020000000001 020000000002 88a2 18 00 0001 00 01 80000007 0010 4019 02 13 0003 616263";
// To a set of "xy" over "abc": AoE error 4 and the string that is there.
inline constexpr auto config_set_conflict_reply =
    "020000000001 020000000002 88a2 1c 04 0001 00 01 80000009 0010 4019 02 13 0003 616263";
inline constexpr auto config_prefix_request =
    "020000000002 020000000001 88a2 10 00 0001 00 01 8000000c 0000 0000 00 12 0002 6162";
inline constexpr auto config_prefix_reply =
    "020000000001 020000000002 88a2 18 00 0001 00 01 8000000c 0010 4019 02 12 0003 616263";
inline constexpr auto config_force_set_request =
    "020000000002 020000000001 88a2 10 00 0001 00 01 8000000f 0000 0000 00 14 0002 7879";
inline constexpr auto config_force_set_reply =
    "020000000001 020000000002 88a2 18 00 0001 00 01 8000000f 0010 4019 02 14 0002 7879";

// ---- ATA ----

inline constexpr auto identify_request =
    "020000000002 020000000001 88a2 10 00 0001 00 00 80000034 00 00 01 ec 000000a00000 0000";
inline constexpr auto identify_reply =
    "020000000001 020000000002 88a2 18 00 0001 00 00 80000034 00 00 00 40 000000a00000 0000"
    " 00*20 2e313a306d76 20*14 000000000000 32562035 20202020"
    " 6f43617264694520687472657244766920656276616c6564 20*16"
    " 0080 0000 0002 0040 00*18 4000 00*44 0054 0040 0000 0014 0040 00*10 0b40 00*12 4000 00*310";
inline constexpr auto read_48_request =
    "020000000002 020000000001 88a2 10 00 0001 00 00 80000020 40 00 02 24 050000000000 0000";
inline constexpr auto read_48_reply =
    "020000000001 020000000002 88a2 18 00 0001 00 00 80000020 40 00 00 40 050000000000 0000"
    " 05*512 06*512";
inline constexpr auto read_28_request =
    "020000000002 020000000001 88a2 10 00 0001 00 00 80000021 00 00 01 20 3f0000e00000 0000";
inline constexpr auto read_28_reply =
    "020000000001 020000000002 88a2 18 00 0001 00 00 80000021 00 00 00 40 3f0000e00000 0000 3f*512";
inline constexpr auto write_48_request =
    "020000000002 020000000001 88a2 10 00 0001 00 00 80000028 41 00 01 34 0a0000000000 0000 a1*512";
// Padded with what the request's payload left in vblade's buffer.
inline constexpr auto write_48_reply =
    "020000000001 020000000002 88a2 18 00 0001 00 00 80000028 41 00 00 40 0a0000000000 0000 a1*24";
inline constexpr auto past_end_request =
    "020000000002 020000000001 88a2 10 00 0001 00 00 80000025 40 00 01 24 060504030201 0000";
inline constexpr auto past_end_reply =
    "020000000001 020000000002 88a2 18 00 0001 00 00 80000025 40 10 01 41 060504030201 0000";
inline constexpr auto flush_request =
    "020000000002 020000000001 88a2 10 00 0001 00 00 8000002f 00 00 00 e7 000000000000 0000";
// Status 00: not even "ready".
inline constexpr auto flush_reply =
    "020000000001 020000000002 88a2 18 00 0001 00 00 8000002f 00 10 00 00 000000000000 0000 a1*24";
// To a read by 02:00:00:00:00:03 while :01 and :05 hold the reservation.
inline constexpr auto read_while_reserved_reply =
    "020000000003 020000000002 88a2 1c 06 0001 00 00 80000053 40 00 01 24 010000000000 0000"
    " 05 a1*22";

// ---- MAC mask list ----

inline constexpr auto mask_read_request =
    "020000000002 020000000001 88a2 10 00 0001 00 02 80000040 00 00 00 00";
inline constexpr auto mask_read_reply =
    "020000000001 020000000002 88a2 18 00 0001 00 02 80000040 00 00 00 00";
inline constexpr auto mask_edit_request =
    "020000000002 020000000001 88a2 10 00 0001 00 02 80000042 00 01 00 02"
    " 00 01 020000000001 00 01 020000000005";
inline constexpr auto mask_edit_reply =
    "020000000001 020000000002 88a2 18 00 0001 00 02 80000042 00 01 00 02"
    " 00 00 020000000001 00 00 020000000005";
// To a directive 7: nothing was done, and the list does not follow.
inline constexpr auto mask_bad_directive_reply =
    "020000000001 020000000002 88a2 18 00 0001 00 02 80000041 00 01 02 00";

// ---- Reserve/Release ----

inline constexpr auto reserve_read_request =
    "020000000002 020000000001 88a2 10 00 0001 00 03 80000050 00 00";
inline constexpr auto reserve_read_reply =
    "020000000001 020000000002 88a2 18 00 0001 00 03 80000050 00 02 020000000001 020000000005";
inline constexpr auto reserve_set_request =
    "020000000002 020000000001 88a2 10 00 0001 00 03 80000051 01 02 020000000001 020000000005";
inline constexpr auto reserve_set_reply =
    "020000000001 020000000002 88a2 18 00 0001 00 03 80000051 01 02 020000000001 020000000005";
// To a set by :03, who is not on the list.
inline constexpr auto reserve_refused_reply =
    "020000000003 020000000002 88a2 1c 06 0001 00 03 80000057 01 02 020000000001 020000000005";

// ---- other commands ----

inline constexpr auto vendor_request =
    "020000000002 020000000001 88a2 10 00 0001 00 f0 80000038 00*12";
inline constexpr auto vendor_reply =
    "020000000001 020000000002 88a2 1c 01 0001 00 f0 80000038 00*12";

// Not captured but written down by hand: ggaoed answers errors with the header alone, padded.
inline constexpr auto ggaoed_error_reply =
    "020000000001 020000000002 88a2 1c 05 0001 00 00 80000039 00*36";

} // namespace uaoe::proto::test::captured
