#!/usr/bin/env bash
# LUNs with two paths each: two wires, and on each a vblade of its own on the LUN's one file. Under fio's verified load one
# wire is cut and comes back, then the other, silently: frames vanish, no link goes down. Then one NIC after the other is
# removed and made anew under its name. No I/O error, every byte verified, both paths carry at the end. Then the same cuts
# under mdadm's RAID6 with --fail-after 5: no member is dropped, and a check finds no mismatch.   two_paths.sh FRONT_END
. "$(dirname "$0")/lib.sh"
front_end=$1
mtu=9000
cut_s=3

load_front_end "$front_end"
load sch_netem bridge raid456
slots=(1 2 3 4)
truncate -s 64M $disks/0
for slot in "${slots[@]}"; do truncate -s 24M "$disks/$slot"; done
for wire in san0 san1; do
    make_switched_wire $wire $mtu
    for slot in 0 "${slots[@]}"; do start_vblade 1 "$slot" $wire "$disks/$slot" -b 16; done
done
start_daemon

# path ADDRESS NIC FILTER: jq of one path.
path() { show "$1" ".paths[] | select(.interface == \"$2\") | $3"; }
is_up() { [ "$(path "$1" "$2" .state)" = up ]; }
is_not_up() { ! is_up "$@"; }
# carries ADDRESS NIC COUNT: more than so many answers have come that way.
carries() { is_up "$1" "$2" && [ "$(path "$1" "$2" .received)" -gt "$3" ]; }

# rewrite DEVICE MIB: mixed sizes, pass after pass until told to stop, each verified; how long each request took goes to a
# log of the pass.
rewrite() {
    local pass=0
    while [ ! -e stop ]; do
        fio --name=load --filename="$1" --ioengine=libaio --direct=1 --thread --rw=randwrite --bsrange=512-128k \
            --blockalign=512 --iodepth=16 --size="$2M" --rate=6M --verify=crc32c --verify_fatal=1 --verify_state_save=0 \
            --do_verify=1 --randseed=$((++pass)) --write_lat_log=latencies/$pass --log_unix_epoch=1 --output=fio.txt 2>fio.log ||
            return 1
        echo $pass >passes
    done
}
start_load() {
    rm -rf stop phases latencies
    mkdir latencies
    echo 0 >passes
    stat=/sys/block/${1#/dev/}/stat
    (trap - EXIT; rewrite "$@") &
    load_pid=$!
}
completed() { awk '{ print $1 + $5 }' "$stat"; }
goes_on() {
    kill -0 $load_pid 2>/dev/null || fail "fio failed: $(head -n 5 fio.log fio.txt)"
    [ "$(completed)" -gt "$1" ]
}

# phase WHAT: begins, once the load goes on.
phase() {
    wait_until 60 goes_on $(($(completed) + 20)) || fail "I/O does not go on before: $1"
    echo "$(now_ms) $1" >>phases
}

# end_load: ends it, and prints the longest time that a request took, of those that ended in each phase.
end_load() {
    phase end
    touch stop
    wait_until 90 eval "! kill -0 $load_pid 2>/dev/null" || fail "fio does not end"
    wait $load_pid || fail "fio failed: $(head -n 5 fio.log fio.txt)"
    echo "ok: $(cat passes) passes written and verified; the longest request of those that ended in each phase:"
    cat latencies/*_clat.1.log | awk -F'[ ,]+' '
        NR == FNR { start[NR] = $1; sub("^[0-9]* ", ""); name[NR] = $0; phases = NR; next }
        {
            for (i = phases; i > 1 && $1 < start[i]; i--) {}
            ms = $2 / 1e6
            if (ms > longest[i]) { longest[i] = ms }
            if (ms > all) { all = ms }
        }
        END {
            for (i = 1; i < phases; i++) {
                printf "    %6d ms  of %5.1f s: %s\n", longest[i], (start[i + 1] - start[i]) / 1e3, name[i]
            }
            printf "    %6d ms  in all\n", all
        }' phases -
}

# used_again ADDRESS NIC COUNT: the path is up, and brings more answers than those COUNT; $took says when, since $start.
used_again() {
    wait_until 30 is_up "$1" "$2" || fail "$2 is back, but the path is not up: $(cat show.json)"
    took="up after $(($(now_ms) - start)) ms"
    wait_until 30 carries "$1" "$2" $(($3 + 20)) || fail "$2 is back, but brings no answers: $(cat show.json)"
    took+=", used after $(($(now_ms) - start)) ms"
}

# cut_wire WIRE ADDRESS COUNT: for cut_s, and until so many requests were answered over the other wire. The path is used
# again afterwards.
cut_wire() {
    local received start count lost_ms
    phase "$1 cut"
    start=$(now_ms)
    lose "$1" 100
    count=$(completed)
    wait_until 60 goes_on $((count + $3)) || fail "I/O stands still although only $1 is cut"
    wait_until 30 is_not_up "$2" "$1" || fail "the path on $1 is still up although the wire is cut"
    while [ $(($(now_ms) - start)) -lt $((cut_s * 1000)) ]; do sleep 0.1; done
    count=$(($(completed) - count))
    lost_ms=$(($(now_ms) - start))
    echo "$(now_ms) $1 back" >>phases
    received=$(path "$2" "$1" .received)
    start=$(now_ms)
    lose "$1" 0
    used_again "$2" "$1" "$received"
    echo "ok: $1 cut for $lost_ms ms, with $count requests answered meanwhile; $took"
}

# replace_nic WIRE ADDRESS: removed, then another under the same name.
replace_nic() {
    local index received start
    index=$(cat "/sys/class/net/$1/ifindex")
    phase "NIC $1 removed"
    ip link del dev "$1"
    wait_until 30 is_not_up "$2" "$1" || fail "the path on $1 is still up although the NIC is gone"
    sleep 1
    phase "another NIC $1"
    received=$(path "$2" "$1" .received)
    start=$(now_ms)
    plug_nic "$1" "$1" $mtu
    [ "$(cat "/sys/class/net/$1/ifindex")" != "$index" ] || fail "the new $1 is the old one"
    used_again "$2" "$1" "$received"
    echo "ok: NIC $1 replaced under load, its index was $index and is $(cat "/sys/class/net/$1/ifindex"); $took"
}

# both_carry ADDRESS
both_carry() {
    same "paths of $1 that are up" '["san0","san1"]' "$(show "$1" '[.paths[] | select(.state == "up") | .interface] | sort | tostring')"
    jq -r '"    \(.fenced_writes) writes fenced", (.paths[] | "    \(.interface): sent \(.sent), received \(.received), sent again \(.retransmitted), in vain \(.spurious), \(.sectors_per_frame) sectors a frame, rtt \(.srtt_us) us")' show.json
}

attach 1.0 "$(front_end_option "$front_end")" --wait 20 --fail-after 0
start_load "$device" 16
phase "both wires"
for wire in san0 san1; do wait_until 20 is_up 1.0 $wire || fail "the path on $wire is not up: $(cat show.json)"; done
cut_wire san0 1.0 40
cut_wire san1 1.0 40
replace_nic san0 1.0
replace_nic san1 1.0
phase "both wires again"
for wire in san0 san1; do
    received=$(path 1.0 $wire .received)
    wait_until 20 carries 1.0 $wire $((received + 20)) || fail "$wire does not carry at the end: $(cat show.json)"
done
end_load
both_carry 1.0
same "requests that failed" 0 "$(show 1.0 '[.requests[] | objects | .errors_count // 0] | add')"
blockdev --flushbufs "$device"
same_bytes "the target's file and $device" $disks/0 "$device"
detach 1.0

devices=()
for slot in "${slots[@]}"; do
    attach "1.$slot" "$(front_end_option "$front_end")" --wait 20 --fail-after 5
    devices+=("$device")
done
# New disks read zeroes, so that the parity is right without a resync.
mdadm --create /dev/md0 --run --level=6 --raid-devices=4 --assume-clean --bitmap=internal --chunk=64 "${devices[@]}" 2>mdadm.log
start_load /dev/md0 8
phase "RAID6, both wires"
# md writes the same parity and bitmap again and again, and a write that overlaps a lost one waits until the target that
# may still have it has answered: so it is not asked that the load goes on while a wire is cut.
cut_wire san0 1.1 -1
cut_wire san1 1.1 -1
end_load
whole() { grep -q '\[4/4\]' /proc/mdstat && ! grep -q '(F)' /proc/mdstat; }
whole || fail "md dropped a member: $(cat /proc/mdstat)"
echo "ok: md dropped no member: $(grep -o '\[4/4\].*' /proc/mdstat)"
echo check >/sys/block/md0/md/sync_action
idle() { [ "$(cat /sys/block/md0/md/sync_action)" = idle ]; }
wait_until 90 idle || fail "the check does not end"
same "mismatch_cnt after the check" 0 "$(cat /sys/block/md0/md/mismatch_cnt)"
both_carry 1.1
wait_until 20 mdadm --stop /dev/md0 2>>mdadm.log || fail "mdadm --stop: $(tail -n 1 mdadm.log)"
for slot in "${slots[@]}"; do
    same "requests of 1.$slot that failed" 0 "$(show "1.$slot" '[.requests[] | objects | .errors_count // 0] | add')"
    detach "1.$slot"
done
stop_daemon
no_io_errors
