#!/usr/bin/env bash
# mdadm's RAID6 over six LUNs with --fail-after 5, ext4 on it. Under load one target is killed, then a second: the array
# goes on, and md drops each LUN within seconds. They return: their devices work again by themselves, without a detach
# (with the kernel's driver such a LUN stays down as long as md holds it). Re-added, resynced, checked: no mismatch, and
# every file as it was written.   raid6.sh FRONT_END
. "$(dirname "$0")/lib.sh"
front_end=$1
fail_after_s=5

load_front_end "$front_end"
load raid456 ext4
make_wire san0 9000
vblade_pids=() devices=()
for slot in 0 1 2 3 4 5; do
    truncate -s 24M "$disks/$slot"
    start_vblade 1 $slot san0 "$disks/$slot"
    vblade_pids+=("$background_pid")
done
start_daemon
for slot in 0 1 2 3 4 5; do
    attach 1.$slot "$(front_end_option "$front_end")" --fail-after $fail_after_s --wait 20
    devices+=("$device")
done

# New disks read zeroes, so that the parity is right without a resync.
mdadm --create /dev/md0 --run --level=6 --raid-devices=6 --assume-clean --bitmap=internal --chunk=64 "${devices[@]}" 2>mdadm.log
mkfs.ext4 -q /dev/md0
mkdir mnt
mount /dev/md0 mnt
mkdir mnt/first mnt/load
for i in $(seq 12); do head -c 1M /dev/urandom >"mnt/first/$i"; done
sync
tree_sums mnt/first first.sums
echo "ok: 12 MiB on a RAID6 of six"

# The load: files are written, synced and summed until told to stop; any error ends it.
load_files() {
    local i
    for ((i = 0; ; i++)); do
        [ ! -e stop ] || return 0
        head -c 256k /dev/urandom >load_piece
        cp load_piece "mnt/load/$((i % 40))" && sync "mnt/load/$((i % 40))" || return 1
        echo "$(sha256sum <load_piece | cut -d' ' -f1)  ./$((i % 40))" >"load_sum.$((i % 40))"
        echo "$i" >load_count
    done
}
(trap - EXIT; load_files) &
load_pid=$!
load_goes_on() {
    kill -0 $load_pid 2>/dev/null || fail "writing to the array failed"
    [ "$(cat load_count 2>/dev/null || echo 0)" -gt "$1" ]
}
wait_until 30 load_goes_on 3 || fail "no load"

dropped() { grep -q "${1#/dev/}\[[0-9]*\](F)" /proc/mdstat; }
for slot in 3 1; do
    end_background "${vblade_pids[$slot]}" KILL
    start=$(now_ms)
    wait_until 40 dropped "${devices[$slot]}" || fail "md did not drop 1.$slot: $(cat /proc/mdstat)"
    took=$(($(now_ms) - start))
    [ $took -le $((fail_after_s * 1000 + 10000)) ] || fail "md dropped 1.$slot only after $took ms"
    count=$(cat load_count)
    wait_until 30 load_goes_on $((count + 2)) || fail "the array stands still without 1.$slot"
    echo "ok: target 1.$slot killed under load: md dropped ${devices[$slot]} after $took ms, and writing goes on"
done
touch stop
wait $load_pid || fail "writing to the array failed"
echo 3 >/proc/sys/vm/drop_caches
(cd mnt/first && sha256sum --quiet -c ../../first.sums) || fail "files differ on the array with two members lost"
echo "ok: $(wc -l <first.sums) files read from four members of six: all as written"
head -c 2M /dev/urandom >mnt/first/degraded
sync
tree_sums mnt/first first.sums

readable() { timeout 5 dd if="$1" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null; }
for slot in 3 1; do
    start_vblade 1 $slot san0 "$disks/$slot"
    start=$(now_ms)
    wait_until 30 readable "${devices[$slot]}" || fail "${devices[$slot]} does not work although its target is back"
    echo "ok: target 1.$slot is back: ${devices[$slot]} reads again after $(($(now_ms) - start)) ms, held by md all the time"
    mdadm /dev/md0 --remove "${devices[$slot]}" 2>>mdadm.log || fail "mdadm --remove: $(tail -n 1 mdadm.log)"
    mdadm /dev/md0 --re-add "${devices[$slot]}" 2>>mdadm.log || fail "mdadm --re-add: $(tail -n 1 mdadm.log)"
done
mdadm --wait /dev/md0 || true
whole() { grep -q '\[6/6\]' /proc/mdstat; }
wait_until 60 whole || fail "the array is not whole again: $(cat /proc/mdstat)"
echo check >/sys/block/md0/md/sync_action
idle() { [ "$(cat /sys/block/md0/md/sync_action)" = idle ]; }
wait_until 90 idle || fail "the check does not end"
same "mismatch_cnt after re-add, resync and check" 0 "$(cat /sys/block/md0/md/mismatch_cnt)"

echo 3 >/proc/sys/vm/drop_caches
(cd mnt/first && sha256sum --quiet -c ../../first.sums) || fail "files differ after the resync"
cat load_sum.* >load.sums
(cd mnt/load && sha256sum --quiet -c ../../load.sums) || fail "files written under load differ"
echo "ok: $(wc -l <first.sums) files and $(wc -l <load.sums) written under load (of $(cat load_count) writes): all as written"
umount mnt
e2fsck -fn /dev/md0 >fsck.txt 2>&1 || fail "e2fsck: $(cat fsck.txt)"
echo "ok: fsck: $(tail -n 1 fsck.txt)"
wait_until 20 mdadm --stop /dev/md0 2>>mdadm.log || fail "mdadm --stop: $(tail -n 1 mdadm.log)"
for slot in 0 1 2 3 4 5; do detach 1.$slot; done
stop_daemon
