#!/usr/bin/env bash
# What tests/bench/guest runs in its guest: sets the contenders up, and measures them in turns. Prints one JSON line for
# each job of each round, and what it does meanwhile. Its arguments are environment variables, which tests/bench/guest sets.
. "$(dirname "$0")/../guest/lib.sh"
# shellcheck source=tests/bench/guest_contenders.sh
. "$(dirname "$0")/guest_contenders.sh"
read -ra contenders <<<"$BENCH_CONTENDERS"
read -ra losses <<<"$BENCH_LOSSES"
read -ra wanted_jobs <<<"$BENCH_JOBS"
target=$BENCH_TARGET mtu=$BENCH_MTU rounds=$BENCH_ROUNDS
time=$(awk -v s="$BENCH_SECONDS" 'BEGIN { printf "%dms", s * 1000 }') # fio reads no fractions of a second
lossy=0 disk_mib=128
# A write that was sent again keeps newer ones away from its blocks for a second. On a small disk random writes soon want
# them, which would measure the disk's size.
[ "$BENCH_LOSSES" = 0 ] || lossy=1 disk_mib=1024

# NAME RW BLOCK_SIZE DEPTH
all_jobs=("randread_4k_qd1 randread 4k 1" "randread_4k_qd32 randread 4k 32" "randwrite_4k_qd32 randwrite 4k 32"
    "read_64k_qd8 read 64k 8" "write_64k_qd8 write 64k 8" "read_1M_qd4 read 1M 4" "write_1M_qd4 write 1M 4")
jobs=()
for job in "${all_jobs[@]}"; do
    [[ " ${wanted_jobs[*]} " = *" ${job%% *} "* ]] && jobs+=("$job $time")
done

# snapshot DISK INITIATOR TARGET: how long the guest's processors have been idle, what those processes (0: none) and fio,
# which calls this before and after each job, have spent so far, in ticks; and what the disk has moved. No process is
# started for it. Idle time is measured; the rest of /proc/stat counts timer interrupts, some of which emulation loses.
cat >snapshot <<'END'
read -r line </proc/uptime
echo "uptime $line"
read -r line </proc/stat
echo "$line"
read -r line </sys/block/$1/stat
echo "disk $line"
fio=$PPID
read -r _ name _ parent _ </proc/$fio/stat
[ "$name" = "(fio)" ] || fio=$parent # a shell is between
for role in "initiator $2" "target $3" "fio $fio"; do
    line=
    [ "${role#* }" = 0 ] || read -r line </proc/${role#* }/stat
    echo "${role% *} $line"
done
END

# measure LOSS ROUND CONTENDER: every job, a line of JSON each.
measure() {
    local disk job rate longest context
    disk=$(basename "$(readlink -f "${devices[$3]}")")
    [ "$3" = aoe ] && disk='etherd!e1.0'
    context="\"target\":\"$target\",\"mtu_bytes\":$mtu,\"loss_percent\":$1,\"round\":$2,\"contender\":\"$3\""
    job_options=("--exec_prerun=sh $work/snapshot $disk ${initiators[$3]:-0} ${targets[$3]:-0}"
        "--exec_postrun=sh $work/snapshot $disk ${initiators[$3]:-0} ${targets[$3]:-0}")
    run_jobs "${devices[$3]}" >rates
    job_options=()
    while read -r job rate longest; do
        awk -v context="$context,\"job\":\"$job\"" -v processors="$processors" -v rate="$rate" -v longest="$longest" \
            -f "$here/../bench/guest_sample.awk" "$job.prerun.txt" "$job.postrun.txt"
    done <rates
}

processors=$(nproc)
if [[ " ${contenders[*]} " = *\ nvme-tcp\ * || " ${contenders[*]} " = *\ iscsi\ * || " ${contenders[*]} " = *\ nbdkit\ * ]]; then
    tar -C "$BENCH_PEERS" -c . | tar -C / -x --keep-directory-symlink
fi
dd if=/dev/zero of=$disks/lun bs=1M count=$disk_mib status=none
for contender in "${contenders[@]}"; do
    "set_up_$contender"
    warm_up "${devices[$contender]}"
    echo "ok: $contender is ${devices[$contender]}, and warm"
done

for loss in "${losses[@]}"; do
    for round in $(seq "$rounds"); do
        # Back and forth, so that a drift of the host does not favour the last.
        order=("${contenders[@]}")
        [ $((round % 2)) = 0 ] && mapfile -t order < <(printf '%s\n' "${contenders[@]}" | tac)
        for contender in "${order[@]}"; do
            if [ $lossy = 1 ]; then
                for name in "${wires[@]}"; do lose "$name" "$loss"; done
            fi
            measure "$loss" "$round" "$contender"
        done
        echo "ok: round $round at a loss of $loss %"
    done
done
if [ -n "${daemon_pid:-}" ]; then
    "$UAOE" list
    for slot in 0 1; do
        "$UAOE" show 1.$slot --json >show.json 2>/dev/null || continue
        jq -c '{address, fenced_writes, paths: [.paths[] | {sent, retransmitted, spurious, srtt_us, cwnd}]}' show.json || true
    done
fi
