#!/usr/bin/env bash
# A script of aoetools' users, unchanged: discover, wait until it is up, mount by the name that the kernel's driver gives; and
# what is mounted stays at aoe-flush -a, what is not goes.
. "$(dirname "$0")/lib.sh"

mkdir -p bin content /mnt /etc/uaoe /run/udev/rules.d
for name in aoe-discover aoe-flush aoe-stat; do ln -s "$UAOE" "bin/$name"; done
PATH=$work/bin:$PATH
udevd=/lib/systemd/systemd-udevd
[ -x $udevd ] || udevd=/usr$udevd
cp "$here/../../tools/udev/60-uaoe.rules" /run/udev/rules.d/
in_background udevd $udevd
wait_until 20 udevadm control --ping 2>/dev/null || fail "udevd does not start"

load ublk_drv ext4
make_wire san0 9000
echo "hello from the disk" >content/greeting
truncate -s 32M $disks/0 $disks/1
mkfs.ext4 -q -F -d content $disks/0
start_vblade 1 0 san0 $disks/0
start_vblade 1 1 san0 $disks/1
start_daemon

cat >script <<'END'
set -e
aoe-discover
sleep 2
aoe-stat | grep -q 'e1\.0 .* up'
mount /dev/etherd/e1.0 /mnt
cat /mnt/greeting
END
same "what the script reads" "hello from the disk" "$(sh script)"
same "aoe-stat" "e1.0 0.033GB san0 8704 up, e1.1 0.033GB san0 8704 up" "$(aoe-stat | awk '{ $1 = $1; printf "%s%s", sep, $0; sep = ", " }')"
aoe-flush -a
same "what is mounted stays" "e1.0" "$(aoe-stat | awk '{ print $1 }')"
umount /mnt
aoe-flush -a
same "then it goes, too" 1 "$(aoe-stat >stat.txt || echo $?)"
gone() { [ ! -e /dev/etherd/e1.0 ]; }
wait_until 15 gone || fail "its name is left"
stop_daemon
no_io_errors
