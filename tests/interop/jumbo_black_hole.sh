#!/usr/bin/env bash
# A switch in the middle that drops jumbo frames one way, silently, while both ends are set to MTU 9000: data flows after
# a while, in shorter frames, and nobody sees an error. The same when it begins to do so under load.
#   jumbo_black_hole.sh to_target | to_initiator
export LIMIT_SECONDS=120
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
need vblade fio nbdcopy

case $1 in
to_target) limit=bytes-max-a-to-b ;;
to_initiator) limit=bytes-max-b-to-a ;;
*) fail "to_target or to_initiator?" ;;
esac
frame_bytes_max=1600 # room for 3 sectors behind the headers of 36 bytes
patience_ms=20000 # 15 s to find out what fits, and a busy machine
make_lossy_wire 0 9000 "--$limit" $frame_bytes_max
truncate -s 64M disk.img
start_vblade 1 0 t0 disk.img

# shortened WHAT: frames vanished, and the path has come to send what fits.
shortened() {
    bridge_count 0 too_long
    [ "$count" -gt 0 ] || fail "$1: no long frame met the limit"
    read_stats
    matches "$1: $count long frames vanished; sectors per frame" '^[123]$' "$(path_stat i0 sectors_per_frame)"
    [ "$stall_ms" -le $patience_ms ] || fail "$1: a request took $stall_ms ms"
    echo "measured: $1: the longest request took $stall_ms ms"
}

# From the start.
start_serve 1.0 -i i0 --fail-after 30
start_fio attached --rw=randwrite --bsrange=4k-64k --size=8M --io_size=8M --iodepth=8
finish_fio
shortened "from the start"

# Lifted: to grow again takes minutes, but nothing breaks.
bridge 0 "$limit" 0
start_fio lifted --rw=randwrite --bsrange=4k-64k --size=8M --io_size=8M --iodepth=8
finish_fio
stop_serve
no_request_failed

# Under load.
start_serve 1.0 -i i0 --fail-after 30
same "sectors per frame of a new attachment" 17 "$(read_stats && path_stat i0 sectors_per_frame)"
bridge_count 0 too_long
before=$count
start_fio under_load --rw=randwrite --bs=32k --size=16M --io_size=64M --norandommap=1 --serialize_overlap=1 \
    --verify_backlog=64 --iodepth=8 --rate=,16M
sleep 1.5
carries i0
bridge_count 0 too_long
same "long frames that vanished without the limit" "$before" "$count"
bridge 0 "$limit" $frame_bytes_max
fio_runs "the limit was set"
finish_fio
shortened "under load"
nbdcopy "$uri" read.img
same_bytes "the target's file and what the export reads" disk.img read.img
stop_serve
no_request_failed
end_bridge 0
