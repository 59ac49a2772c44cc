#!/usr/bin/env bash
# A guest with little memory, and more than that written through its page cache to ext4 on a LUN, several times what may
# be dirty at once: it ends, because uaoed never waits for memory that only it could free. The target's disk is /dev/vda,
# used with direct I/O, as if it were elsewhere.   memory.sh FRONT_END
. "$(dirname "$0")/lib.sh"
front_end=$1

load_front_end "$front_end"
load ext4
make_wire san0 9000
start_vblade 1 0 san0 /dev/vda -d
start_daemon
attach 1.0 "$(front_end_option "$front_end")" --wait 20

# What keeps it safe, as the kernel sees it: every thread that does I/O is an I/O flusher, all memory is locked, the OOM
# killer stays away, and no mount of the host reaches the daemon.
flags_of_task() { sed 's/.*) //' "/proc/$daemon_pid/task/$1/stat" | cut -d' ' -f7; }
for task in "/proc/$daemon_pid/task"/*; do
    task=${task##*/}
    name=$(cat "/proc/$daemon_pid/task/$task/comm")
    flags=$(flags_of_task "$task")
    [ $((flags & 0x80000)) -ne 0 ] && [ $((flags & 0x100000)) -ne 0 ] ||
        fail "thread $name has no PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE: $(printf %#x "$flags")"
    echo "$name" >>threads
done
echo "ok: all threads are I/O flushers: $(sort threads | uniq -c | awk '{ printf "%s%d %s", (NR > 1 ? ", " : ""), $1, $2 }')"
locked_kb=$(awk '/^VmLck/ { print $2 }' "/proc/$daemon_pid/status")
[ "$locked_kb" -gt 1000 ] || fail "uaoed has locked $locked_kb kB of memory"
echo "ok: locked memory: $locked_kb kB of addresses, $(awk '/^VmRSS/ { print $2 }' "/proc/$daemon_pid/status") kB of it used"
same "oom_score_adj" -1000 "$(cat "/proc/$daemon_pid/oom_score_adj")"

mkfs.ext4 -q -F -E lazy_itable_init=1 "$device"
mkdir mnt
mount "$device" mnt
! grep -q " $work/mnt " "/proc/$daemon_pid/mountinfo" || fail "uaoed sees the file system that is mounted on its device"
echo "ok: the mount is not in uaoed's namespace"

memory_mib=$(($(awk '/^MemTotal/ { print $2 }' /proc/meminfo) / 1024))
piece_mib=$((memory_mib / 3))
echo "memory: $memory_mib MiB; free: $(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo) MiB"
# buffered NAME OPTION...: fio through the page cache.
buffered() {
    local name=$1
    shift
    fio --name="$name" --directory=mnt --filename="$name" --rw=write --bs=256k --size=${piece_mib}M --ioengine=sync --direct=0 \
        --thread --verify=crc32c --verify_fatal=1 --verify_state_save=0 --output="fio-$name.txt" "$@" 2>"fio-$name.log" ||
        fail "fio $name: $(tail -n 3 "fio-$name.log" "fio-$name.txt")"
}
start=$SECONDS
for pair in 1 2; do
    # Two writers at once, so that memory is asked for while pages of both wait.
    (trap - EXIT; buffered "$pair.a" --do_verify=0) &
    other_pid=$!
    buffered "$pair.b" --do_verify=0
    wait $other_pid || fail "the other writer failed"
    echo "written $((pair * 2 * piece_mib)) MiB after $((SECONDS - start)) s; dirty $(awk '/^Dirty/ { print $2 }' /proc/meminfo) kB"
done
sync
echo "ok: $((4 * piece_mib)) MiB written through the page cache of $memory_mib MiB in $((SECONDS - start)) s"
umount mnt
e2fsck -fn "$device" >fsck.txt 2>&1 || fail "e2fsck: $(cat fsck.txt)"
mount "$device" mnt
buffered 2.b --verify_only=1
echo "ok: file 2.b, $piece_mib MiB: every block is as written"
umount mnt
! dmesg | grep -aE 'Out of memory|oom-kill|page allocation failure' || fail "the guest ran out of memory"
detach 1.0
no_io_errors
stop_daemon
