#!/usr/bin/env bash
# A wire that loses, doubles and reorders frames, below the real packet link: fio's verified writes and reads take
# longer, and nothing is lost, stale or reported as failed.   faulty_wire.sh MTU
export LIMIT_SECONDS=180
. "$(dirname "$0")/lib.sh"
need fio nbdcopy

make_wire 0 "$1"
truncate -s 32M disk.img
start_model -i t0 --file disk.img --loss 1 --duplicate 1 --reorder 2 --reorder-delay 500 --seed 7 --stats model.json
model_pid=$background_pid
start_serve 1.0 -i i0
fio_verify overwrite --rw=randwrite --bsrange=512-256k --size=32M --io_size=32M --iodepth=16
# Few sectors, written and read back again and again: where a late copy of an older write shows. Each round writes each
# block once, and fio knows its blocks of one size by number, so that it tells an older round's from this one's.
fio_verify hot --rw=randwrite --bs=4k --size=256k --loops=16 --iodepth=8
nbdcopy "$uri" read.img
stop_serve
end_background "$model_pid"
same_bytes "the target's file and what the export reads" disk.img read.img
jq -c '.paths[0] | {sent, received, retransmitted, spurious, srtt_us, rto_us}' stats.json
same "requests that failed" 0 "$(jq '[.requests[] | objects | .errors_count] | add' stats.json)"
[ "$(jq '.paths[0].retransmitted' stats.json)" -gt 20 ] || fail "hardly anything was retransmitted: the wire was not faulty"
cat model.json
