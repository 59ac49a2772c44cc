#!/usr/bin/env bash
# uaoe beside the kernel's own aoe driver: one guest, one wire, one vblade, no loss. Rounds of the kernel driver, uaoe
# through ublk and uaoe through nbd, interleaved, so that a drift of the host meets all; the median of each job's rounds is
# compared. Under emulation only ratios of one boot mean something, and those within a quarter of each other are equal.
# The last column is the goal: at least 0.8 of the kernel driver through ublk.   compare.sh MTU ROUNDS SECONDS
. "$(dirname "$0")/lib.sh"
mtu=$1 rounds=$2 seconds=$3

load ublk_drv nbd aoe
make_wire san0 "$mtu"
truncate -s 256M $disks/lun
# No holes: a target's file that grows while it is measured is another file each time.
dd if=/dev/zero of=$disks/lun bs=1M count=256 conv=notrunc status=none
start_vblade 1 0 san0 $disks/lun -b 16
kernel_device=/dev/etherd/e1.0
found() { echo >/dev/etherd/discover && [ -b $kernel_device ]; }
wait_until 20 found || fail "the kernel's driver does not find the LUN"
start_daemon

# NAME RW BLOCK_SIZE DEPTH GOAL
jobs=("randread_qd1 randread 4k 1 goal" "randread_qd32 randread 4k 32 goal" "randwrite_qd32 randwrite 4k 32 -"
    "read_64k read 64k 8 goal" "write_64k write 64k 8 -" "read_1M read 1M 4 goal" "write_1M write 1M 4 -")

# measure DRIVER DEVICE SECONDS: every job, one after the other, in one fio, because each start of fio takes longer than a
# job; lines "DRIVER JOB OPERATIONS_A_SECOND".
measure() {
    local job name rw block_size depth options=()
    for job in "${jobs[@]}"; do
        read -r name rw block_size depth _ <<<"$job"
        options+=(--name="$name" --stonewall --filename="$2" --rw="$rw" --bs="$block_size" --iodepth="$depth" --runtime="$3"
            --time_based --ioengine=libaio --direct=1 --thread --norandommap --randrepeat=0)
    done
    fio --output-format=json --output=m.json "${options[@]}" 2>m.err || fail "fio on $2: $(tail -n 2 m.err)"
    sed -i -n '/^{/,$p' m.json
    [ "$(jq '[.jobs[].error] | add' m.json)" = 0 ] || fail "fio on $2 had an error"
    jq -r --arg driver "$1" '.jobs[] | "\($driver) \(.jobname) \(.read.iops + .write.iops)"' m.json
}

# round DRIVER DEVICE; the first time on a device the emulator is warmed up before.
declare -A warm
round() {
    [ -n "${warm[$1]:-}" ] || measure "$1" "$2" 1 >/dev/null
    warm[$1]=1
    measure "$1" "$2" "$seconds" >>results
}

for _ in $(seq "$rounds"); do
    round aoe $kernel_device
    for front_end in ublk nbd; do
        attach 1.0 "$(front_end_option $front_end)" --wait 20 >attach.txt
        round $front_end "$device"
        echo "sent again through $front_end, no frame being lost: $(show 1.0 '[.paths[] | "\(.retransmitted) of \(.sent)"] | join(", ")')"
        detach 1.0 >detach.txt
    done
done
measure aoe_again $kernel_device "$seconds" >>results

median() { awk -v d="$1" -v n="$2" '$1 == d && $2 == n { print $3 }' results | sort -g | awk '{ v[NR] = $1 } END {
    print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }
echo
echo "MTU $mtu, medians of $rounds rounds of $seconds s: operations a second, and ratios to the kernel's aoe driver"
printf '%-15s %9s %9s %9s %11s %11s %11s  %s\n' job aoe ublk nbd ublk/aoe nbd/aoe aoe_again goal
for job in "${jobs[@]}"; do
    read -r name _ _ _ goal <<<"$job"
    aoe=$(median aoe "$name") ublk=$(median ublk "$name") nbd=$(median nbd "$name") again=$(median aoe_again "$name")
    mark=''
    if [ "$goal" = goal ]; then
        mark=BELOW
        awk -v a="$ublk" -v b="$aoe" 'BEGIN { exit !(a >= 0.8 * b) }' && mark=PASS
    fi
    printf '%-15s %9.0f %9.0f %9.0f %11s %11s %11s  %s\n' "$name" "$aoe" "$ublk" "$nbd" "$(ratio "$ublk" "$aoe")" \
        "$(ratio "$nbd" "$aoe")" "$(ratio "$again" "$aoe")" "$mark"
done | tee table
echo
stop_daemon
no_io_errors
echo "goals reached: $(grep -c PASS table || true) of 4"
