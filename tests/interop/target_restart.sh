#!/usr/bin/env bash
# The target is killed in the middle of fio's verified writes, stays away for a while, and returns: no error, no loss.
export LIMIT_SECONDS=120
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
need vblade fio nbdcopy

make_wire 0 9000
truncate -s 64M disk.img
start_vblade 1 0 t0 disk.img
vblade_pid=$background_pid
start_serve 1.0 -i i0 --fail-after 60
start_fio through --rw=randwrite --bsrange=4k-64k --size=64M --io_size=48M --iodepth=16 --rate=8M
for round in 1 2; do
    sleep 1.5
    fio_runs "the target was killed in round $round"
    end_background "$vblade_pid" KILL
    sleep 1.5
    fio_runs "the target was back in round $round"
    start_vblade 1 0 t0 disk.img
    vblade_pid=$background_pid
    echo "ok: round $round: fio waited while the target was away"
done
finish_fio
nbdcopy "$uri" read.img
same_bytes "the target's file and what the export reads" disk.img read.img
still_serving
stop_serve
no_request_failed
retransmitted=$(jq '[.paths[].retransmitted] | add' stats.json)
[ "$retransmitted" -gt 0 ] || fail "nothing was retransmitted: the target was not away under load"
echo "ok: retransmitted $retransmitted commands"
