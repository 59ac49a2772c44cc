#!/usr/bin/env bash
# Frames are lost: uaoe through ublk beside the kernel's own aoe driver, in one boot, with one vblade. Each has a NIC of its
# own at the same switch, because the kernel's driver takes every answer that arrives, also one to uaoe, for a measure of
# its round trip. What the switch lost of each one's frames is counted: it must be the same share of both.
# Nothing is judged by its speed: the last column is the goal.   loss.sh SECONDS PERCENT...
. "$(dirname "$0")/lib.sh"
seconds=$1
shift
percents=("$@")
mtu=9000

load ublk_drv sch_netem bridge
modprobe aoe aoe_iflist=nic0 2>modprobe.err || fail "modprobe aoe: $(cat modprobe.err)"
make_switched_wire san0 $mtu
plug_nic san0 nic0 $mtu
start_vblade_with_disk 128M
kernel_device=/dev/etherd/e1.0
found() { echo >/dev/etherd/discover && [ -b $kernel_device ]; }
wait_until 20 found || fail "the kernel's driver does not find the LUN"
start_daemon
attach 1.0 --ublk --wait 20 --fail-after 0
declare -A devices=([aoe]=$kernel_device [ublk]=$device)

# NAME RW BLOCK_SIZE DEPTH SECONDS. A lost frame costs the kernel's driver seconds: the first, which is judged, gets more.
jobs=("randread_qd1 randread 4k 1 $((seconds * 4))" "randread_qd32 randread 4k 32 $seconds" "read_64k read 64k 8 $seconds"
    "write_64k write 64k 8 $seconds")
# Times the kernel's driver, reading 4 KiB at depth 1.
declare -A goals=([1]=5 [5]=20)

# frames: how many left the switch, in $passed_count, and how many were lost there, in $lost_count.
frames() {
    local line
    passed_count=0 lost_count=0
    while read -r line; do
        [[ $line =~ ^Sent\ [0-9]+\ bytes\ ([0-9]+)\ pkt\ \(dropped\ ([0-9]+), ]] || continue
        passed_count=$((passed_count + BASH_REMATCH[1]))
        lost_count=$((lost_count + BASH_REMATCH[2]))
    done < <(tc -n san0-switch -s qdisc show)
}

# measure DRIVER PERCENT: every job while so many frames are lost; lines "DRIVER PERCENT JOB RATE LONGEST_MS". What still
# waits at a job's end counts against it.
measure() {
    local passed_before lost_before
    frames
    passed_before=$passed_count lost_before=$lost_count
    lose san0 "$2"
    run_jobs "${devices[$1]}" | while read -r job rate longest; do echo "$1 $2 $job $rate $longest"; done >>results
    lose san0 0
    frames
    echo "$1 $2 $((passed_count - passed_before)) $((lost_count - lost_before))" >>frames
}

# The emulator gets warm.
for driver in aoe ublk; do warm_up "${devices[$driver]}"; done
for percent in "${percents[@]}"; do
    for driver in aoe ublk; do measure $driver $percent; done
done

echo
echo "MTU $mtu, jobs of $seconds s (the first $((seconds * 4)) s): requests a second, and the longest of each in ms"
printf '%7s  %-14s %9s %9s %9s %9s %9s  %s\n' 'loss, %' job aoe ublk ublk/aoe 'aoe, ms' 'ublk, ms' goal
for percent in "${percents[@]}"; do
    for job in "${jobs[@]}"; do
        name=${job%% *} goal=''
        [ "$name" = randread_qd1 ] && goal=${goals[$percent]:-}
        awk -v p=$percent -v n="$name" -v g="$goal" -v longest_job=$((seconds * 4)) '
            $2 == p && $3 == n { v[$1] = $4; longest[$1] = $5 }
            END {
                # Without an answer it was less than one in the time of the first job.
                r = v["ublk"] / (v["aoe"] > 0 ? v["aoe"] : 1 / longest_job)
                printf "%7s  %-14s %9.1f %9.1f %9.2f %9d %9d  %s\n", p, n, v["aoe"], v["ublk"], r, longest["aoe"], longest["ublk"],
                    g == "" ? "" : (r >= g ? "PASS" : "BELOW") " " g
            }' results
    done
done | tee table
echo

# The share that was lost is that of a binomial distribution: 6 standard deviations are never seen.
for percent in "${percents[@]}"; do
    [ "$percent" != 0 ] || continue
    for driver in aoe ublk; do
        awk -v p=$percent -v d=$driver '
            $1 == d && $2 == p { passed += $3; lost += $4 }
            END {
                n = passed + lost
                expected = n * p / 100
                difference = lost > expected ? lost - expected : expected - lost
                printf "ok: at %s %% %s lost %d frames of %d, %.2f %%\n", p, d, lost, n, 100 * lost / n
                exit lost == 0 || difference > 6 * sqrt(expected) + 6
            }' frames || fail "$driver: not $percent % of its frames were lost"
    done
done

echo "uaoe: $(show 1.0 '"\(.paths[0] | "\(.retransmitted) of \(.sent) frames sent again, \(.spurious) of them in vain"); \(.fenced_writes) writes fenced"')"
[ "$(show 1.0 '[.paths[].retransmitted] | add')" -gt 0 ] || fail "frames were lost, and uaoe sent none again"
lose san0 5
fio_verify lossy "$device" --rw=randwrite --bsrange=512-64k --blockalign=512 --iodepth=16 --size=4M
lose san0 0
blockdev --flushbufs "$device"
same_bytes "the target's file and $device" $disks/lun "$device"
same "requests that failed" 0 "$(show 1.0 '[.requests[] | objects | .errors_count // 0] | add')"
detach 1.0
stop_daemon
no_io_errors
echo "goals reached: $(grep -c PASS table || true) of ${#goals[@]}"
