#!/usr/bin/env bash
# Two NICs, two vblades on one file, fio's verified writes all the while: each path is cut in turn, in the middle of the
# wire, so that no link goes down and frames just vanish; then one link goes down. Nobody sees an error, and each path
# comes back by itself.
export LIMIT_SECONDS=120
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
need vblade fio nbdcopy

truncate -s 320M disk.img
for wire in 0 1; do
    make_lossy_wire $wire 9000 --seed $wire
    start_vblade 1 0 t$wire disk.img
done
start_serve 1.0 -i i0 -i i1 --fail-after 20
carry_both() {
    carries i0
    carries i1
}
# Each block once: a block that is written again may have to wait, see below.
start_fio through --rw=randwrite --bsrange=4k-64k --size=320M --io_size=320M --verify_backlog=256 --iodepth=16 --rate=,16M
sleep 1
carry_both
for wire in 0 1; do
    other=$((1 - wire))
    bridge $wire cut
    wait_until 10 path_is i$wire suspect || fail "the path that was cut is not suspected: $(cat stats.json)"
    echo "ok: the path of i$wire is suspect, $(jq -c '[.paths[] | {interface, state, sent, received}]' stats.json)"
    carries i$other
    sleep 1
    fio_runs "path $wire was restored"
    bridge_count $wire cut
    [ "$count" -gt 2 ] || fail "only $count frames vanished on wire $wire"
    echo "ok: $count frames vanished on wire $wire"
    bridge $wire restore
    wait_until 10 path_is i$wire up || fail "the path that was restored did not come back: $(cat stats.json)"
    carry_both
done
ip -n "$initiator_ns" link set i0 down
wait_until 5 path_is i0 down || fail "a link is down and its path is not: $(cat stats.json)"
carries i1
sleep 1
fio_runs "the link came up"
ip -n "$initiator_ns" link set i0 up
wait_until 10 path_is i0 up || fail "the link is up and its path is not: $(cat stats.json)"
carry_both
fio_runs "all paths were back: give it more to do"
finish_fio
echo "measured: the longest request took $stall_ms ms"

# Few blocks, written again and again: what was under way on the path that is cut may still arrive there, so a newer write
# to the same sectors waits until that target has answered again.
start_fio rewrite --rw=randwrite --bs=4k --size=256k --loops=24 --iodepth=8 --rate=,2M
sleep 1
bridge_count 0 cut
before=$count
bridge 0 cut
sleep 1.5
fio_runs "the path of rewritten blocks was restored"
bridge_count 0 cut
[ "$count" -gt "$before" ] || fail "no frame vanished while few blocks were rewritten"
bridge 0 restore
finish_fio
echo "measured: the longest request while few blocks are rewritten and a path is away for 1.5 s took $stall_ms ms"
nbdcopy "$uri" read.img
same_bytes "the target's file and what the export reads" disk.img read.img
stop_serve
no_request_failed
same "paths that are up" '["i0","i1"]' "$(jq -c '[.paths[] | select(.state == "up") | .interface] | sort' stats.json)"
end_bridge 0
end_bridge 1
