#!/usr/bin/env bash
# blkdiscard reaches a target with TRIM: its range reads zeroes, here and in the target's file, and nothing beside it
# changed. A target without TRIM offers none. fstrim of a mounted ext4 leaves its files alone.   discard.sh FRONT_END
. "$(dirname "$0")/lib.sh"
front_end=$1

load_front_end "$front_end"
load ext4
make_wire san0 9000
make_wire san1 9000
head -c 64M /dev/urandom >before
cp before $disks/lun
truncate -s 16M $disks/plain
start_model san0 --size 64M --file $disks/lun --trim
start_vblade 2 0 san1 $disks/plain
start_daemon

attach 1.0 "$(front_end_option "$front_end")" --wait 20
queue=/sys/block/${device#/dev/}/queue
echo "discard_max_bytes $(cat "$queue/discard_max_bytes"), granularity $(cat "$queue/discard_granularity")"
[ "$(cat "$queue/discard_max_bytes")" -gt 0 ] || fail "$device offers no discard although its target has TRIM"
# Ends that are at no round number, and one range beyond what one TRIM entry describes (65,535 sectors).
for range in "1048576 4096" "2097664 1049088" "8388608 41943040"; do
    read -r offset length <<<"$range"
    blkdiscard -o "$offset" -l "$length" "$device" || fail "blkdiscard -o $offset -l $length failed"
    dd if=/dev/zero of=before bs=512 seek=$((offset / 512)) count=$((length / 512)) conv=notrunc status=none
    echo "ok: discarded $length bytes at $offset"
done
blockdev --flushbufs "$device"
same_bytes "what $device reads, and zeroes in the discarded ranges alone" before "$device"
same_bytes "the target's file, and the same" before $disks/lun

mkfs.ext4 -q -F "$device"
mkdir mnt
make_tree files 400
mount "$device" mnt
cp -a files mnt/
cp -a files mnt/removed
rm -r mnt/removed
sync
fstrim -v mnt
echo 3 >/proc/sys/vm/drop_caches
same_trees "after fstrim" files mnt/files
umount mnt
e2fsck -fn "$device" >fsck.txt 2>&1 || fail "e2fsck: $(cat fsck.txt)"
echo "ok: fsck: $(tail -n 1 fsck.txt)"
detach 1.0

attach 2.0 "$(front_end_option "$front_end")" --wait 20
same "discard_max_bytes of a target without TRIM" 0 "$(cat "/sys/block/${device#/dev/}/queue/discard_max_bytes")"
! blkdiscard "$device" 2>blkdiscard.err || fail "blkdiscard should fail on a target without TRIM"
echo "ok: blkdiscard is refused: $(cat blkdiscard.err)"
detach 2.0
no_io_errors
stop_daemon
