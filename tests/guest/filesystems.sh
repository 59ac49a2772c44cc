#!/usr/bin/env bash
# A real file system on an attached LUN: discover, attach, mkfs, mount, copy a tree, unmount, detach, attach again, fsck,
# and compare every file.   filesystems.sh FRONT_END FILE_SYSTEM...
. "$(dirname "$0")/lib.sh"
front_end=$1
shift

load_front_end "$front_end"
load "$@"
make_wire san0 9000
truncate -s 320M $disks/lun # the least that xfs takes
start_vblade 1 0 san0 $disks/lun
start_daemon
wait_until 20 eval '[ "$(timeout 10 "$UAOE" discover -i san0 --json | jq -r .[].address)" = 1.0 ]' ||
    fail "discover does not find 1.0"

mkdir mnt
make_tree files 2000

for file_system in "$@"; do
    attach 1.0 "$(front_end_option "$front_end")"
    case $file_system in
        ext4) mkfs.ext4 -q -F "$device" ;;
        xfs) mkfs.xfs -q -f "$device" ;;
    esac
    mount "$device" mnt
    cp -a files mnt/
    same_trees "$file_system through $device, written" files mnt/files
    umount mnt
    detach 1.0
    [ ! -e /dev/etherd/e1.0 ] || fail "/dev/etherd/e1.0 is still there after detach"
    attach 1.0 "$(front_end_option "$front_end")"
    case $file_system in
        ext4) e2fsck -fn "$device" >fsck.txt 2>&1 || fail "e2fsck: $(cat fsck.txt)" ;;
        xfs)
            xfs_repair -n "$device" >fsck.txt 2>&1 || fail "xfs_repair: $(cat fsck.txt)"
            echo "xfs_repair -n finds nothing" >fsck.txt
            ;;
    esac
    echo "ok: fsck: $(tail -n 1 fsck.txt)"
    mount "$device" mnt
    same_trees "$file_system through $device, attached again" files mnt/files
    umount mnt
    detach 1.0
done
same "attached LUNs" "[]" "$("$UAOE" list --json | jq -c .)"
no_io_errors
stop_daemon
