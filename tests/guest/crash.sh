#!/usr/bin/env bash
# uaoed is killed with -9 again and again under fio's verified load, and started again each time; then restarted as for an
# upgrade. The device stays, I/O waits, no error, every byte is verified.   crash.sh FRONT_END KILLS
. "$(dirname "$0")/lib.sh"
front_end=$1 kills=$2

load_front_end "$front_end"
make_wire san0 9000
truncate -s 128M $disks/lun
start_vblade 1 0 san0 $disks/lun
start_daemon
option=$(front_end_option "$front_end")
if [ "$front_end" = nbd ]; then
    attach 1.0 "$option" --wait 20 --fail-after 5 # also the time after which the kernel sends again what was in flight
    seconds=$((kills * 20 + 40))
else
    attach 1.0 "$option" --wait 20
    seconds=$((kills * 5 + 20))
fi
stat=/sys/block/${device#/dev/}/stat
completed() { awk '{ print $1 + $5 }' "$stat"; }

# Rewrites the same 32 MiB until told to stop, and verifies each pass. A size that fits keeps the verified passes many.
load() {
    local pass=0
    while [ ! -e stop ]; do
        fio --name=load --filename="$device" --ioengine=libaio --direct=1 --thread --rw=randwrite --bsrange=4k-128k \
            --iodepth=16 --size=32M --rate=6M --verify=crc32c --verify_fatal=1 --verify_state_save=0 --do_verify=1 \
            --randseed=$((++pass)) --output=fio.txt 2>fio.log || return 1
        echo $pass >passes
    done
}
(trap - EXIT; load) &
load_pid=$!
echo 0 >passes

goes_on() {
    kill -0 $load_pid 2>/dev/null || fail "fio failed: $(head -n 5 fio.log fio.txt)"
    [ "$(completed)" -gt "$1" ]
}
# restart HOW: uaoed is ended so, and started again; the load goes on.
restart() {
    local start count worked_ms
    count=$(completed)
    wait_until 60 goes_on $((count + 20)) || fail "no load before the next $1"
    end_background "$daemon_pid" "$1"
    sleep 0.$((RANDOM % 10)) # so that the successor meets different states
    count=$(completed)
    start=$(now_ms)
    start_daemon
    worked_ms=$(($(now_ms) - start))
    wait_until 60 goes_on $((count + 5)) || fail "I/O does not go on after $1; list: $("$UAOE" list --json)"
    echo "ok: $1: uaoed answers after $worked_ms ms, I/O goes on after $(($(now_ms) - start)) ms"
    same "device after $1" "$device $front_end" "$("$UAOE" list --json | jq -r '.[] | "\(.device) \(.frontend)"')"
}

for _ in $(seq "$kills"); do restart KILL; done
restart TERM
same "uaoed's exit code after SIGTERM under load" 0 "$ended_status"
touch stop
wait_until $seconds eval '! kill -0 $load_pid 2>/dev/null' || fail "fio does not end"
wait $load_pid || fail "fio failed: $(head -n 5 fio.log fio.txt)"
echo "ok: $kills kills and a planned restart under load: $(cat passes) passes of 32 MiB written and verified"

fio_verify afterwards "$device" --rw=randwrite --bsrange=4k-1M --iodepth=16 --size=32M --offset=64M
blockdev --flushbufs "$device"
same_bytes "the target's file and $device" $disks/lun "$device"
no_io_errors
detach 1.0
wait_until 10 eval '[ ! -e /dev/etherd/e1.0 ]' || fail "/dev/etherd/e1.0 is still there after detach"
stop_daemon
