#!/usr/bin/env bash
# RAID 6+0: two arrays of four LUNs, striped, ext4 on it. One target of each array is killed under load; all goes on, and
# every file is as written before and after the re-add.
. "$(dirname "$0")/lib.sh"

load ublk_drv raid456 raid0 ext4
make_wire san0 9000
vblade_pids=() devices=()
for slot in 0 1 2 3 4 5 6 7; do
    truncate -s 24M "$disks/$slot"
    start_vblade 1 $slot san0 "$disks/$slot"
    vblade_pids+=("$background_pid")
done
start_daemon
for slot in 0 1 2 3 4 5 6 7; do
    attach 1.$slot --ublk --fail-after 5 --wait 20
    devices+=("$device")
done
# New disks read zeroes, so that the parity is right without a resync.
mdadm --create /dev/md1 --run --level=6 --raid-devices=4 --assume-clean --bitmap=internal "${devices[@]:0:4}" 2>mdadm.log
mdadm --create /dev/md2 --run --level=6 --raid-devices=4 --assume-clean --bitmap=internal "${devices[@]:4:4}" 2>>mdadm.log
mdadm --create /dev/md3 --run --level=0 --raid-devices=2 --chunk=64 /dev/md1 /dev/md2 2>>mdadm.log
mkfs.ext4 -q /dev/md3
mkdir mnt
mount /dev/md3 mnt
mkdir files
for i in $(seq 10); do head -c 1M /dev/urandom >"files/$i"; done
cp -a files mnt/before
sync

mkdir mnt/load{0,1,2}
(trap - EXIT; for i in $(seq 9); do cp -a files/. "mnt/load$((i % 3))/" && sync -f mnt || exit 1; done) &
load_pid=$!
sleep 1
end_background "${vblade_pids[2]}" KILL
end_background "${vblade_pids[5]}" KILL
wait $load_pid || fail "writing to the array failed"
dropped() { grep -q "${1#/dev/}\[[0-9]*\](F)" /proc/mdstat; }
for slot in 2 5; do
    wait_until 40 dropped "${devices[$slot]}" || fail "md did not drop 1.$slot: $(cat /proc/mdstat)"
    echo "ok: target 1.$slot killed under load: md dropped ${devices[$slot]}"
done
echo 3 >/proc/sys/vm/drop_caches
for copy in before load0 load1 load2; do same_trees "$copy, a member of each array lost" files mnt/$copy; done

readable() { timeout 5 dd if="$1" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null; }
for slot in 2 5; do
    array=/dev/md$((slot / 4 + 1))
    start_vblade 1 $slot san0 "$disks/$slot"
    wait_until 30 readable "${devices[$slot]}" || fail "${devices[$slot]} does not work although its target is back"
    mdadm $array --remove "${devices[$slot]}" 2>>mdadm.log || fail "mdadm --remove: $(tail -n 1 mdadm.log)"
    mdadm $array --re-add "${devices[$slot]}" 2>>mdadm.log || fail "mdadm --re-add: $(tail -n 1 mdadm.log)"
done
whole() { [ "$(grep -c '\[4/4\]' /proc/mdstat)" -eq 2 ]; }
wait_until 120 whole || fail "the arrays are not whole again: $(cat /proc/mdstat)"
for md in md1 md2; do
    mdadm --wait /dev/$md || true
    echo check >/sys/block/$md/md/sync_action
    idle() { [ "$(cat /sys/block/$md/md/sync_action)" = idle ]; }
    wait_until 120 idle || fail "the check of $md does not end"
    same "mismatch_cnt of $md" 0 "$(cat /sys/block/$md/md/mismatch_cnt)"
done
echo 3 >/proc/sys/vm/drop_caches
for copy in before load0 load1 load2; do same_trees "$copy, resynced" files mnt/$copy; done
umount mnt
e2fsck -fn /dev/md3 >fsck.txt 2>&1 || fail "e2fsck: $(cat fsck.txt)"
echo "ok: fsck: $(tail -n 1 fsck.txt)"
for md in md3 md2 md1; do
    wait_until 20 mdadm --stop /dev/$md 2>>mdadm.log || fail "mdadm --stop: $(tail -n 1 mdadm.log)"
done
for slot in 0 1 2 3 4 5 6 7; do detach 1.$slot; done
stop_daemon
