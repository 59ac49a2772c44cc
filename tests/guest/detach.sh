#!/usr/bin/env bash
# Detach when it is not easy: mounted (refused, and says so), by force, and with the target gone and I/O under way, which
# must end in bounded time.   detach.sh FRONT_END
. "$(dirname "$0")/lib.sh"
front_end=$1
option=$(front_end_option "$front_end")

load_front_end "$front_end"
load ext4
make_wire san0 9000
truncate -s 32M $disks/lun
start_vblade 1 0 san0 $disks/lun
vblade_pid=$background_pid
start_daemon

attach 1.0 "$option" --wait 20
mkfs.ext4 -q -F "$device"
mkdir mnt
mount "$device" mnt
cp /usr/include/stdio.h mnt/
sync
refused "detach of a mounted device by address" 1 "$device|1\.0" "$UAOE" detach 1.0
refused "detach of a mounted device by name" 1 "$device|1\.0" "$UAOE" detach "$device"
cmp /usr/include/stdio.h mnt/stdio.h
touch mnt/works && sync -f mnt
echo "ok: the refused device works"
umount mnt
exec 8<"$device"
refused "detach of a device that is open" 1 "$device|1\.0" "$UAOE" detach 1.0
exec 8<&-
detach "$device"
refused "detach of what is not attached" 3 '1\.0' "$UAOE" detach 1.0

# By force under a mounted file system: its I/O fails from then on, and nothing hangs.
attach 1.0 "$option"
mount "$device" mnt
start=$(now_ms)
detach 1.0 --force
echo "ok: by force under a mounted file system: $(($(now_ms) - start)) ms"
timeout 20 umount -l mnt || fail "umount hangs after detach --force"

# The target is gone, with I/O that waits for it. Bounded, with any --fail-after.
gone() {
    attach 1.0 "$option" --fail-after "$1"
    dd if="$device" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null
    end_background "$vblade_pid" KILL
    timeout 100 dd if=/dev/zero of="$device" bs=64k count=4 oflag=direct 2>dd.err &
    local dd_pid=$! start=0
    sleep 1
    kill -0 $dd_pid 2>/dev/null || fail "dd did not wait for the target: $(cat dd.err)"
    refused "detach with I/O under way" 1 "$device|1\.0" timeout 30 "$UAOE" detach 1.0
    start=$(now_ms)
    detach 1.0 --force
    echo "ok: by force with the target gone, I/O waiting and --fail-after $1: $(($(now_ms) - start)) ms"
    wait_until 20 eval "! kill -0 $dd_pid 2>/dev/null" || fail "dd hangs after detach --force"
    ! wait $dd_pid || fail "dd should have failed"
    [ ! -e "$device" ] || [ "$(blockdev --getsize64 "$device" 2>/dev/null || echo 0)" = 0 ] || fail "$device is still there"
    start_vblade 1 0 san0 $disks/lun
    vblade_pid=$background_pid
}
gone 180
gone 0

# Unused, with the target gone: no need for force.
attach 1.0 "$option" --wait 20
end_background "$vblade_pid" KILL
sleep 1
start=$(now_ms)
detach 1.0
echo "ok: unused, with the target gone: $(($(now_ms) - start)) ms"
same "attached LUNs" "[]" "$("$UAOE" list --json | jq -c .)"
stop_daemon
