#!/usr/bin/env bash
# Debian's vblade behind a wire on which frames are lost, doubled, overtaken and, worst, held for up to half a second: by
# then a write has been sent again, answered, and followed by newer ones of the same sectors, which a late copy must not
# undo.   late_frames.sh MTU
export LIMIT_SECONDS=120
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
need vblade fio nbdcopy

# Less than the second that a frame may live in the fabric.
make_lossy_wire 0 "$1" --loss 0.3 --duplicate 1 --reorder 2 --late 0.3 --late-max 500 --delay 50 --seed 3
truncate -s 16M disk.img
start_vblade 1 0 t0 disk.img
start_serve 1.0 -i i0 --fail-after 30
fio_verify overwrite --rw=randwrite --bsrange=512-256k --size=8M --io_size=8M --iodepth=16
# Few sectors, written and read back again and again: where a late copy of an older write shows. Each round writes each
# block once, and fio knows its blocks of one size by number, so that it tells an older round's from this one's.
bridge 0 late 1
fio_verify hot --rw=randwrite --bs=4k --size=256k --loops=40 --iodepth=8
nbdcopy "$uri" read.img
same_bytes "the target's file and what the export reads" disk.img read.img
stop_serve
no_request_failed
jq -c '.paths[0] | {sent, received, retransmitted, spurious, srtt_us, rto_us}' stats.json
end_bridge 0
jq -e '[.a_to_b, .b_to_a] | all(.lost > 3 and .duplicated > 15 and .reordered > 30 and .late > 3)' bridge0.json \
    >/dev/null || fail "the wire had hardly any faults"
# A late command or answer was given up and came all the same.
[ "$(path_stat i0 spurious)" -gt 3 ] || fail "hardly an answer came late"
