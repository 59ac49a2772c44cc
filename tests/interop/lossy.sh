#!/usr/bin/env bash
# Debian's vblade behind a wire that loses frames both ways: no request fails, every byte is right.   lossy.sh PERCENT MTU
# With 1 % it also says how much goodput is left of the same run's without loss.
export LIMIT_SECONDS=150
# shellcheck source=tests/interop/lib.sh
. "$(dirname "$0")/lib.sh"
need vblade fio nbdcopy

percent=$1
make_lossy_wire 0 "$2" --loss "$percent" --seed 11
truncate -s 16M disk.img
start_vblade 1 0 t0 disk.img
start_serve 1.0 -i i0 --fail-after 30
fio_verify overwrite --rw=randwrite --bsrange=512-256k --size=8M --io_size=8M --iodepth=16
# Few sectors, written and read back again and again: where a late copy of an older write shows. Each round writes each
# block once, and fio knows its blocks of one size by number, so that it tells an older round's from this one's.
fio_verify hot --rw=randwrite --bs=4k --size=256k --loops=8 --iodepth=8
nbdcopy "$uri" read.img
same_bytes "the target's file and what the export reads" disk.img read.img
read_stats
bridge 0 stats
# About as many as the rate says.
jq -e --argjson percent "$percent" '[.a_to_b, .b_to_a] | all(.received > 1000 and
    (.lost / .received * 100 / $percent | . > 0.5 and . < 2))' <<<"$bridge_answer" >/dev/null ||
    fail "the wire did not lose $percent %: $bridge_answer"
lost=$(jq '.a_to_b.lost + .b_to_a.lost' <<<"$bridge_answer")
retransmitted=$(path_stat i0 retransmitted)
echo "ok: the wire lost $lost frames, $retransmitted commands were retransmitted"
# Not all that was lost was data, and what a suspect path had under way counts as moved, not as retransmitted.
[ "$retransmitted" -ge $((lost * 8 / 10)) ] || fail "fewer retransmissions than losses"

# goodput WHAT PERCENT RW SIZE: reads and writes of 2 s in so much of the disk; their MiB/s are added to WHAT-PERCENT.txt.
goodput() {
    bridge 0 loss "$2"
    fio --name=goodput --ioengine=nbd --uri="$uri" --thread=1 --rw="$3" --bs=64k --size="$4" --iodepth=16 --norandommap --randrepeat=0 \
        --time_based --ramp_time=0.5 --runtime=2 --output-format=json --output=goodput.json 2>fio-goodput.log ||
        fail "fio failed with $2 % loss"
    fio_report goodput
    jq '.jobs[0] | (.read.bw_bytes + .write.bw_bytes) / 1048576' goodput.json >>"$1-$2.txt"
}

# measure WHAT RW SIZE: with loss and without, in turn: what else the machine does disturbs both alike.
measure() {
    for _ in 1 2 3; do
        goodput "$1" 0 "$2" "$3"
        goodput "$1" 1 "$2" "$3"
    done
    jq -n -r --arg what "$1" --slurpfile without "$1-0.txt" --slurpfile with "$1-1.txt" \
        'def median: sort | .[length / 2 | floor]; ($without | median) as $a | ($with | median) as $b |
        "measured: \($what), goodput with 1 % loss: \($b | floor) of \($a | floor) MiB/s, ratio \($b / $a * 100 | round / 100);" +
        " goal 0.70: \(if $b / $a >= 0.7 then "PASS" else "BELOW" end)"'
}
if [ "$percent" = 1 ]; then
    stop_serve
    no_request_failed
    # From one end to the other: a write over one that was sent twice in the last second would have to wait. No holes.
    dd if=/dev/zero of=large.img bs=1M count=1024 status=none
    start_vblade 1 1 t0 large.img
    bridge 0 loss 0
    start_serve 1.1 -i i0 --fail-after 30
    measure in-sequence rw 1G
    stop_serve
    no_request_failed
    # The bridge keeps the order of frames and vblade that of commands. So even there no write waits.
    bridge 0 loss 0
    start_serve 1.1 -i i0 --fail-after 30 --in-order
    measure hot-spot randrw 8M
fi
stop_serve
no_request_failed
end_bridge 0
