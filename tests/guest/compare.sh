#!/usr/bin/env bash
# uaoe beside the kernel's own aoe driver: one guest, one wire, one vblade, no loss. Rounds of the kernel driver, uaoe
# through ublk and uaoe through nbd, interleaved, so that a drift of the host meets all; the median of each job's rounds is
# compared. Under emulation only ratios of one boot mean something, and those within a quarter of each other are equal.
# The last column is the goal: at least 0.8 of the kernel driver through ublk.   compare.sh MTU ROUNDS SECONDS
. "$(dirname "$0")/lib.sh"
mtu=$1 rounds=$2 seconds=$3

load ublk_drv nbd aoe
make_wire san0 "$mtu"
start_vblade_with_disk 256M
kernel_device=/dev/etherd/e1.0
found() { echo >/dev/etherd/discover && [ -b $kernel_device ]; }
wait_until 20 found || fail "the kernel's driver does not find the LUN"
start_daemon

# NAME RW BLOCK_SIZE DEPTH SECONDS
jobs=()
for job in "randread_qd1 randread 4k 1" "randread_qd32 randread 4k 32" "randwrite_qd32 randwrite 4k 32" "read_64k read 64k 8" \
    "write_64k write 64k 8" "read_1M read 1M 4" "write_1M write 1M 4"; do
    jobs+=("$job $seconds")
done
declare -A goals=([randread_qd1]=0.8 [randread_qd32]=0.8 [read_64k]=0.8 [read_1M]=0.8)

# round DRIVER DEVICE; the first time on a device the emulator is warmed up before.
declare -A warm
round() {
    [ -n "${warm[$1]:-}" ] || warm_up "$2"
    warm[$1]=1
    run_jobs "$2" | while read -r job rate _; do echo "$1 $job $rate"; done >>results
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
round aoe_again $kernel_device

median() { awk -v d="$1" -v n="$2" '$1 == d && $2 == n { print $3 }' results | sort -g | awk '{ v[NR] = $1 } END {
    print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }
echo
echo "MTU $mtu, medians of $rounds rounds of $seconds s: operations a second, and ratios to the kernel's aoe driver"
printf '%-15s %9s %9s %9s %11s %11s %11s  %s\n' job aoe ublk nbd ublk/aoe nbd/aoe aoe_again goal
for job in "${jobs[@]}"; do
    name=${job%% *} goal=${goals[${job%% *}]:-}
    aoe=$(median aoe "$name") ublk=$(median ublk "$name") nbd=$(median nbd "$name") again=$(median aoe_again "$name")
    mark=''
    if [ -n "$goal" ]; then
        mark=BELOW
        awk -v a="$ublk" -v b="$aoe" -v g="$goal" 'BEGIN { exit !(a >= g * b) }' && mark=PASS
    fi
    printf '%-15s %9.0f %9.0f %9.0f %11s %11s %11s  %s\n' "$name" "$aoe" "$ublk" "$nbd" "$(ratio "$ublk" "$aoe")" \
        "$(ratio "$nbd" "$aoe")" "$(ratio "$again" "$aoe")" "$mark"
done | tee table
echo
stop_daemon
no_io_errors
echo "goals reached: $(grep -c PASS table || true) of 4"
