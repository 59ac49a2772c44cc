#!/usr/bin/env bash
# Two interfaces, two vblades on one file: both paths carry frames, the data is one disk's, and one wire may end.
export LIMIT_SECONDS=120
. "$(dirname "$0")/lib.sh"
need vblade fio nbdcopy

make_wire 0 9000
make_wire 1 1500
truncate -s 64M disk.img
start_vblade 1 0 t0 disk.img
start_vblade 1 0 t1 disk.img
start_serve 1.0 -i i0 -i i1
fio_verify both --rw=randwrite --bsrange=4k-256k --size=64M --io_size=64M --iodepth=32
nbdcopy "$uri" read.img
same_bytes "the target's file and what the export reads" disk.img read.img
stop_serve
jq -c '.paths[] | {interface, state, sectors_per_frame, sent, received, retransmitted}' stats.json
same "paths that are up" '["i0","i1"]' "$(jq -c '[.paths[] | select(.state == "up") | .interface] | sort' stats.json)"
for interface in i0 i1; do
    received=$(jq --arg i $interface '.paths[] | select(.interface == $i) | .received' stats.json)
    [ "$received" -ge 100 ] || fail "$interface carried only $received answers"
    echo "ok: $interface carried $received answers"
done
same "each path has its own payload" "2 17" "$(jq -r '[.paths[].sectors_per_frame] | sort | map(tostring) | join(" ")' stats.json)"

# A different disk under the same address, on another wire: which one would be served is chance, so neither is.
make_wire 2 1500
truncate -s 32M other.img
start_vblade 1 0 t2 other.img
same "state with a second disk under one address" conflict \
    "$(in_initiator "$UAOE" discover -i i0 -i i2 --json | jq -r '.[].state')"
refused "serving one of two disks under one address" 1 'two different disks' \
    in_initiator timeout 20 "$UAOE" serve 1.0 -i i0 -i i2 --nbd-socket "$work/nbd.sock"
