#!/usr/bin/env bash
# systemd-udevd with tools/udev/60-uaoe.rules: the links that administrators put into fstab and mdadm.conf come and go with
# the device, through ublk and through nbd.
. "$(dirname "$0")/lib.sh"

udevd=/lib/systemd/systemd-udevd
[ -x $udevd ] || udevd=/usr$udevd
[ -x $udevd ] || fail "no systemd-udevd; tests/run installs the package udev"
mkdir -p /run/udev/rules.d
cp "$here/../../tools/udev/60-uaoe.rules" /run/udev/rules.d/
in_background udevd $udevd
wait_until 20 udevadm control --ping 2>/dev/null || fail "udevd does not start"
udevadm trigger --action=add --type=devices --subsystem-match=net || true

load ublk_drv nbd ext4
udevadm settle --timeout=60
make_wire san0 9000
truncate -s 32M $disks/lun
start_vblade 1 0 san0 $disks/lun
start_daemon

links_to() { find -L /dev/disk /dev/etherd -samefile "$1" 2>/dev/null | sort | tr '\n' ' '; }
points() { [ -L "$1" ] && [ "$(readlink -f "$1")" = "$device" ]; }
for front_end in ublk nbd; do
    attach 1.0 "$(front_end_option $front_end)" --wait 20
    mkfs.ext4 -q -F -U 01234567-89ab-cdef-0123-456789abcde$((RANDOM % 10)) -L uaoe_label "$device"
    uuid=$(blkid -p -s UUID -o value "$device")
    udevadm settle --timeout=30
    for link in /dev/etherd/e1.0 "/dev/disk/by-uuid/$uuid" /dev/disk/by-label/uaoe_label; do
        wait_until 15 points "$link" ||
            fail "$front_end: $link does not point to $device; there are: $(links_to "$device"); $(udevadm info "$device")"
        echo "ok: $front_end: $link -> $device"
    done
    for kind in by-id by-path; do
        found() { links_to "$device" | grep -q "/dev/disk/$kind/"; }
        wait_until 15 found ||
            fail "$front_end: no link in /dev/disk/$kind; there are: $(links_to "$device"); $(udevadm info "$device")"
        echo "ok: $front_end: $(links_to "$device" | grep -o "/dev/disk/$kind/[^ ]*" | tr '\n' ' ')-> $device"
    done
    mkdir -p mnt
    mount "UUID=$uuid" mnt
    umount mnt
    detach 1.0
    udevadm settle --timeout=30
    gone() { [ ! -e /dev/etherd/e1.0 ] && [ ! -e "/dev/disk/by-uuid/$uuid" ]; }
    wait_until 15 gone || fail "$front_end: links are left after detach: $(ls -l /dev/etherd /dev/disk/by-uuid)"
    echo "ok: $front_end: mounted by its UUID; all links went with the device"
done
stop_daemon
