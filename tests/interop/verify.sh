#!/usr/bin/env bash
# One vblade, one MTU, one buffer count: fio writes in mixed sizes, reads back and checks every byte; then the target's
# own file is compared with what the export reads.   verify.sh MTU BUFFER_COUNT [LINK]
export LIMIT_SECONDS=150
. "$(dirname "$0")/lib.sh"
need vblade fio nbdcopy
mtu=$1 buffer_count=$2 link=${3:-packet}

make_wire 0 "$mtu"
truncate -s 64M disk.img
start_vblade 1 0 t0 disk.img -b "$buffer_count"
start_serve 1.0 -i i0 --link "$link"
has_program() { ip -n "$initiator_ns" link show i0 | grep -q prog/xdp; }
if [ "$link" = xdp ]; then
    if reason=$(grep "cannot use AF_XDP" serve.log); then
        skip "$reason"
    fi
    has_program || fail "i0 has no XDP program"
fi
matches "URI" '^nbd\+unix://' "$uri"

fio_verify sequential --rw=write --bs=1M --size=64M --iodepth=4
fio_verify random --rw=randwrite --bsrange=512-1M --size=64M --io_size=64M --iodepth=16
fio_verify small --rw=randwrite --bs=4k --size=16M --io_size=8M --iodepth=32 --fsync=64
fio_verify mixed --rw=randrw --rwmixread=50 --bssplit=512/20:4k/40:64k/30:1M/10 --size=32M --offset=32M --iodepth=16

nbdcopy "$uri" read.img
same_bytes "the target's file and what the export reads" disk.img read.img
stop_serve
if has_program; then
    fail "i0 has an XDP program still"
fi
# Nothing may be lost on this wire unless more was sent than the target holds.
jq -c '.paths[0] | {sent, received, retransmitted, spurious, cwnd, buffer_count, sectors_per_frame}' stats.json
same "requests that failed" 0 "$(jq '[.requests[] | objects | .errors_count] | add' stats.json)"
sectors=$(((mtu - 36) / 512))
[ "$sectors" -le 31 ] || sectors=31 # what a slot of the receive ring holds
same "sectors in a frame at MTU $mtu" "$sectors" "$(jq '.paths[0].sectors_per_frame' stats.json)"
[ "$(jq '.paths[0].cwnd <= .paths[0].buffer_count' stats.json)" = true ] || fail "the window is over the buffer count"
