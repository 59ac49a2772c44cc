#!/usr/bin/env bash
# Frames are lost: uaoe through ublk beside the kernel's own aoe driver, in one boot, with one vblade. Each has a NIC of its
# own at the same switch, because the kernel's driver takes every answer that arrives, also one to uaoe, for a measure of
# its round trip. What the switch lost of each one's frames is counted: it must be the same share of both.
# Requests that were answered within the window are counted, so that one that waits for long costs no more than that, and
# the kernel's driver measures its round trip before (new, it waits for 15 s at the first loss). Nothing is judged by its
# speed: the last column is the goal.   loss.sh SECONDS
. "$(dirname "$0")/lib.sh"
seconds=$1
mtu=9000

load ublk_drv sch_netem bridge
modprobe aoe aoe_iflist=nic0 2>modprobe.err || fail "modprobe aoe: $(cat modprobe.err)"
make_switched_wire san0 $mtu
plug_nic san0 nic0 $mtu
truncate -s 128M $disks/lun
# No holes: a target's file that grows while it is measured is another file each time.
dd if=/dev/zero of=$disks/lun bs=1M count=128 conv=notrunc status=none
start_vblade 1 0 san0 $disks/lun -b 16
kernel_device=/dev/etherd/e1.0
found() { echo >/dev/etherd/discover && [ -b $kernel_device ]; }
wait_until 20 found || fail "the kernel's driver does not find the LUN"
start_daemon
attach 1.0 --ublk --wait 20 --fail-after 0
declare -A devices=([aoe]=$kernel_device [ublk]=$device)
declare -A stats=([aoe]='/sys/block/etherd!e1.0/stat' [ublk]=/sys/block/${device#/dev/}/stat)

# NAME RW BLOCK_SIZE DEPTH
jobs=("randread_qd1 randread 4k 1" "randread_qd32 randread 4k 32" "read_64k read 64k 8" "write_64k write 64k 8")
# Times the kernel's driver, reading 4 KiB at depth 1.
declare -A goals=([1]=5 [5]=20)

# sectors DRIVER: how many were read and written, in $result. No process is started for it.
sectors() {
    local fields
    read -r -a fields <"${stats[$1]}"
    result=$((fields[2] + fields[6]))
}

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

declare -A fio_pids # "DRIVER JOB"

# start_job DRIVER JOB: fio, which goes on until end_job, and sleeps outside of its windows: to start it takes longer than
# a window, under emulation.
start_job() {
    local name rw block_size depth
    read -r name rw block_size depth <<<"$2"
    fio --name="$name" --filename="${devices[$1]}" --rw="$rw" --bs="$block_size" --iodepth="$depth" --runtime=900 \
        --time_based --ioengine=libaio --direct=1 --thread --norandommap --randrepeat=0 --output-format=json \
        --output="$1-$name.json" 2>"fio-$1-$name.log" &
    fio_pids["$1 $2"]=$!
    window "$1" "$2" 0 1
}

# moved DRIVER SECTORS: it has done more than that.
moved() { sectors "$1" && [ "$result" -gt "$2" ]; }

# window DRIVER JOB PERCENT SECONDS: requests a second in $result, while so many frames are lost. The job is at work before
# that, and what it has under way ends after it: nothing is lost then.
window() {
    local driver=$1 pid=${fio_pids["$1 $2"]} block_size before_us before after_us after passed_before lost_before
    read -r _ _ block_size _ <<<"$2"
    sectors "$driver"
    kill -CONT "$pid"
    wait_until 60 moved "$driver" "$result" || fail "fio on $driver stands still, no frame being lost: $2"
    sleep 0.5
    [ "$3" = 0 ] || lose san0 "$3"
    frames
    passed_before=$passed_count lost_before=$lost_count
    before_us=${EPOCHREALTIME/./}
    sectors "$driver"
    before=$result
    sleep "$4"
    after_us=${EPOCHREALTIME/./}
    sectors "$driver"
    after=$result
    frames
    [ "$3" = 0 ] || lose san0 0
    kill -STOP "$pid"
    echo "$driver $3 $((passed_count - passed_before)) $((lost_count - lost_before))" >>frames
    result=$(awk -v n=$((after - before)) -v block=$((${block_size%k} * 2)) -v us=$((after_us - before_us)) \
        'BEGIN { printf "%.2f", n / block * 1e6 / us }')
}

# end_job DRIVER JOB
end_job() {
    local pid=${fio_pids["$1 $2"]} report=$1-${2%% *}.json
    # Awake first: of stopped threads any one may get the signal, and not all of fio's take it well.
    sectors "$1"
    kill -CONT "$pid"
    wait_until 60 moved "$1" "$result" || fail "fio on $1 stands still, no frame being lost: $2"
    kill -TERM "$pid"
    wait_until 60 eval "! kill -0 $pid 2>/dev/null" || fail "fio on $1 does not end, no frame being lost: $2"
    wait "$pid" || true # not 0 after the signal; what counts is in the report
    sed -i -n '/^{/,$p' "$report"
    [ "$(jq '.jobs[0].error' "$report")" = 0 ] || fail "fio on $1 had an error: $2"
}

# The first windows get the emulator warm, and let the kernel's driver measure its round trip over some thousand requests.
for driver in aoe ublk; do
    for job in "${jobs[@]}"; do start_job $driver "$job"; done
done
rm frames

# Loss by loss, not job by job: each driver meets a loss with the round trips of other jobs behind it, as in use.
for percent in 0 0.1 1 5; do
    for job in "${jobs[@]}"; do
        name=${job%% *} length=$seconds
        # The kernel's driver answers a few requests a second, and losses are few: longer.
        [ "$name" = randread_qd1 ] && [ -n "${goals[$percent]:-}" ] && length=$((seconds * 4))
        for driver in aoe ublk; do
            window $driver "$job" $percent "$length"
            echo "$driver $percent $name $result $length" >>results
        done
    done
done
for driver in aoe ublk; do
    for job in "${jobs[@]}"; do end_job $driver "$job"; done
done

echo
echo "MTU $mtu, windows of $seconds s: requests a second"
printf '%7s  %-14s %9s %9s %9s  %s\n' 'loss, %' job aoe ublk ublk/aoe goal
for percent in 0 0.1 1 5; do
    for job in "${jobs[@]}"; do
        name=${job%% *} goal=''
        [ "$name" = randread_qd1 ] && goal=${goals[$percent]:-}
        awk -v p=$percent -v n="$name" -v g="$goal" '
            $2 == p && $3 == n { v[$1] = $4; window = $5 }
            END {
                # A window without an answer tells only that there was less than one.
                r = v["ublk"] / (v["aoe"] > 0 ? v["aoe"] : 1 / window)
                printf "%7s  %-14s %9.1f %9.1f %9.2f  %s\n", p, n, v["aoe"], v["ublk"], r,
                    g == "" ? "" : (r >= g ? "PASS" : "BELOW") " " g
            }' results
    done
done | tee table
echo

# The share that was lost is that of a binomial distribution: 6 standard deviations are never seen.
for percent in 0.1 1 5; do
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
